-- +goose Up
-- One row for each audit.Record. Times and durations in microseconds, time_us since the Unix epoch (UTC). A column that
-- ends in _key is its text in the form in which it is compared (audit.Fold). client_key is the address in 16 bytes (IPv4
-- mapped into IPv6), NULL where it is not one. groups: names, one a line.
CREATE TABLE record (
    id              INTEGER PRIMARY KEY,
    node            TEXT    NOT NULL,
    boot            TEXT    NOT NULL,
    sequence        INTEGER NOT NULL,
    open            INTEGER NOT NULL, -- 1: totals not known yet
    kind            INTEGER NOT NULL, -- 1 decision, 2 sign-in
    time_us         INTEGER NOT NULL,
    request_id      TEXT    NOT NULL,
    connection_id   TEXT    NOT NULL,
    client          TEXT    NOT NULL,
    client_key      BLOB,
    user            TEXT    NOT NULL,
    user_key        TEXT    NOT NULL,
    groups          TEXT    NOT NULL,
    method          TEXT    NOT NULL,
    host            TEXT    NOT NULL,
    host_key        TEXT    NOT NULL,
    port            INTEGER NOT NULL,
    sni             TEXT    NOT NULL,
    authority       TEXT    NOT NULL,
    addr            TEXT    NOT NULL,
    verdict         TEXT    NOT NULL,
    action          TEXT    NOT NULL,
    reason          TEXT    NOT NULL,
    would           TEXT    NOT NULL,
    rule            TEXT    NOT NULL,
    ring            TEXT    NOT NULL,
    mode            TEXT    NOT NULL,
    profile         TEXT    NOT NULL,
    policy_hash     TEXT    NOT NULL,
    catalog_version TEXT    NOT NULL,
    status          INTEGER NOT NULL,
    bytes_up        INTEGER NOT NULL,
    bytes_down      INTEGER NOT NULL,
    duration_us     INTEGER NOT NULL,
    error           TEXT    NOT NULL,
    endpoint        TEXT    NOT NULL,
    tenant          TEXT    NOT NULL,
    tenant_key      TEXT    NOT NULL,
    application     TEXT    NOT NULL,
    application_key TEXT    NOT NULL,
    aadsts          TEXT    NOT NULL,
    correlation_id  TEXT    NOT NULL,
    outcome         TEXT    NOT NULL,
    user_agent      TEXT    NOT NULL,
    UNIQUE (node, boot, sequence)
) STRICT;

CREATE INDEX record_time ON record (time_us);
CREATE INDEX record_kind ON record (kind, time_us);
CREATE INDEX record_user ON record (user_key, time_us);
CREATE INDEX record_host ON record (host_key, time_us);
CREATE INDEX record_client ON record (client_key, time_us);
CREATE INDEX record_request ON record (request_id);
-- Most decisions are about hosts that are no sign-in: these stay small.
CREATE INDEX record_tenant ON record (tenant_key, time_us) WHERE kind = 2;
CREATE INDEX record_application ON record (application_key, time_us) WHERE kind = 2;
CREATE INDEX record_outcome ON record (outcome, time_us) WHERE kind = 2;
-- What is open is little, and asked for at each start.
CREATE INDEX record_open ON record (node, boot) WHERE open = 1;
-- What was refused, or would have been, is looked for most and is little.
CREATE INDEX record_restricted ON record (kind, time_us) WHERE verdict = 'deny' OR would <> '' OR outcome = 'blocked';

-- +goose Down
DROP TABLE record;
