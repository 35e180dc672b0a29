-- +goose Up
-- The lab's sign-in log. seq is the order of writing. data is the entry as its room encodes it; the columns are what it is
-- looked up by: time_us since the Unix epoch in UTC, and the tenants whose administrators may see it.
CREATE TABLE sign_in (
    seq         INTEGER PRIMARY KEY AUTOINCREMENT,
    time_us     INTEGER NOT NULL,
    context     TEXT NOT NULL, -- the tenant that set the restriction
    home_tenant TEXT NOT NULL, -- of the person
    tenant      TEXT NOT NULL, -- whose token was asked for
    data        BLOB NOT NULL
);
CREATE INDEX sign_in_time ON sign_in (time_us);
