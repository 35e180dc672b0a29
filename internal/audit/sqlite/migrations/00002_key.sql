-- +goose Up
-- The key (node, boot, sequence) becomes the row's own number: record.id = (span.id << 32) | (sequence & 0xffffffff). A key is
-- then found where the row is, without an index of its own, and rows of one process lie in the order they came in.
CREATE TABLE span (
    id   INTEGER PRIMARY KEY,
    node TEXT    NOT NULL,
    boot TEXT    NOT NULL,
    high INTEGER NOT NULL, -- sequence >> 32: 0 for the first four thousand million records of a process
    UNIQUE (node, boot, high)
) STRICT;

INSERT INTO span (node, boot, high) SELECT DISTINCT node, boot, sequence >> 32 FROM record;

-- As before but for the UNIQUE key, and user_key, tenant_key and application_key, which are NULL where the text is empty.
CREATE TABLE record_new (
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
    user_key        TEXT,
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
    tenant_key      TEXT,
    application     TEXT    NOT NULL,
    application_key TEXT,
    aadsts          TEXT    NOT NULL,
    correlation_id  TEXT    NOT NULL,
    outcome         TEXT    NOT NULL,
    user_agent      TEXT    NOT NULL
) STRICT;

INSERT INTO record_new
SELECT (span.id << 32) | (record.sequence & 0xffffffff), record.node, record.boot, record.sequence, open, kind, time_us, request_id,
       connection_id, client, client_key, user, nullif(user_key, ''), groups, method, host, host_key, port, sni, authority,
       addr, verdict, action, reason, would, rule, ring, mode, profile, policy_hash, catalog_version, status, bytes_up,
       bytes_down, duration_us, error, endpoint, tenant, nullif(tenant_key, ''), application, nullif(application_key, ''),
       aadsts, correlation_id, outcome, user_agent
FROM record JOIN span ON span.node = record.node AND span.boot = record.boot AND span.high = (record.sequence >> 32)
ORDER BY 1;

DROP TABLE record;
ALTER TABLE record_new RENAME TO record;

CREATE INDEX record_time ON record (time_us);
-- Most records are decisions, which the index on time finds as well: there is none on their kind.
CREATE INDEX record_signin ON record (time_us) WHERE kind = 2;
CREATE INDEX record_user ON record (user_key, time_us) WHERE user_key IS NOT NULL;
CREATE INDEX record_host ON record (host_key, time_us);
CREATE INDEX record_client ON record (client_key, time_us) WHERE client_key IS NOT NULL;
CREATE INDEX record_request ON record (request_id);
CREATE INDEX record_tenant ON record (tenant_key, time_us) WHERE tenant_key IS NOT NULL;
CREATE INDEX record_application ON record (application_key, time_us) WHERE application_key IS NOT NULL;
CREATE INDEX record_outcome ON record (outcome, time_us) WHERE kind = 2;
-- What is open is little, and asked for at each start.
CREATE INDEX record_open ON record (node, boot) WHERE open = 1;
-- What was refused, or would have been, is looked for most and is little.
CREATE INDEX record_restricted ON record (kind, time_us) WHERE verdict = 'deny' OR would <> '' OR outcome = 'blocked';

-- +goose Down
DROP TABLE record;
DROP TABLE span;
