-- +goose Up
-- What the lab remembers, as documents that their owners encode and decode. kind is whose they are; key is theirs.
CREATE TABLE document (
    kind  TEXT NOT NULL,
    key   TEXT NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (kind, key)
) WITHOUT ROWID;
