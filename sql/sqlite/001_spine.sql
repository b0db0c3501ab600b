-- The spine: who claims what, what is published because of it, and the log that every consumer follows.
-- Times are milliseconds since 1970 (UTC). Addresses are canonical text; range_start and range_end are the same
-- address as fixed-width hexadecimal behind the family digit, so that text order is numerical order.

-- Whoever may assert that an address is bad.
CREATE TABLE sources (
  id   INTEGER PRIMARY KEY AUTOINCREMENT,
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  UNIQUE (kind, name)
) STRICT;
INSERT INTO sources (id, kind, name) VALUES (1, 'administrators', 'administrators');

-- Machines of the fleet; the id and the name are those of the source.
CREATE TABLE hosts (
  id         INTEGER PRIMARY KEY REFERENCES sources (id),
  added_at   INTEGER NOT NULL,
  revoked_at INTEGER,
  last_ipv4  TEXT,
  last_ipv6  TEXT
) STRICT;

CREATE TABLE tokens (
  id         INTEGER PRIMARY KEY AUTOINCREMENT,
  host_id    INTEGER NOT NULL REFERENCES hosts (id),
  hash       TEXT NOT NULL UNIQUE,
  scopes     TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  revoked_at INTEGER
) STRICT;

-- One source's standing assertion. ends_at NULL: for ever.
CREATE TABLE claims (
  address   TEXT NOT NULL,
  source_id INTEGER NOT NULL REFERENCES sources (id),
  jail      TEXT NOT NULL,
  banned_at INTEGER NOT NULL,
  ends_at   INTEGER,
  failures  INTEGER NOT NULL,
  PRIMARY KEY (address, source_id, jail)
) STRICT, WITHOUT ROWID;
CREATE INDEX claims_by_source ON claims (source_id);

-- What the claims for an address come to. published 1: it is on the blocklist, until ends_at (NULL: for ever).
-- due_at: when the next of its claims ends, so that it must be looked at again.
CREATE TABLE bans (
  address        TEXT PRIMARY KEY,
  range_start    TEXT NOT NULL,
  range_end      TEXT NOT NULL,
  published      INTEGER NOT NULL,
  published_at   INTEGER,
  ends_at        INTEGER,
  hosts          INTEGER NOT NULL,
  jails          TEXT NOT NULL,
  last_banned_at INTEGER NOT NULL,
  lifted_at      INTEGER,
  due_at         INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX bans_by_range ON bans (range_start);
CREATE INDEX bans_by_due ON bans (due_at);
CREATE INDEX bans_by_time ON bans (published, last_banned_at, address);

-- History: every report, ban by hand and lift, with what came of it.
CREATE TABLE reports (
  id          INTEGER PRIMARY KEY AUTOINCREMENT,
  received_at INTEGER NOT NULL,
  source_id   INTEGER NOT NULL REFERENCES sources (id),
  action      TEXT NOT NULL,
  address     TEXT NOT NULL,
  jail        TEXT NOT NULL,
  failures    INTEGER NOT NULL,
  banned_at   INTEGER,
  ends_at     INTEGER,
  restored    INTEGER NOT NULL,
  outcome     TEXT NOT NULL,
  reason      TEXT,
  matches     TEXT,
  revision    INTEGER NOT NULL
) STRICT;
CREATE INDEX reports_by_address ON reports (address, id);
CREATE INDEX reports_by_source ON reports (source_id, id);
CREATE INDEX reports_by_time ON reports (received_at);

-- The change log. kind: add; remove; lift (an administrator removed it); void (lifted while not listed); update (who
-- claims it, or until when).
CREATE TABLE changes (
  log_position INTEGER NOT NULL,
  address      TEXT NOT NULL,
  kind         TEXT NOT NULL,
  revision     INTEGER NOT NULL,
  PRIMARY KEY (log_position, address)
) STRICT, WITHOUT ROWID;

-- One row, which every writing transaction changes first: that is the lock that gives all changes one order.
-- log_position grows with every writing transaction, revision only when the blocklist changes. Changes at or below
-- changes_floor may be gone from the log. The versions tell other hubs to read hosts and allowlist again. rules: the
-- settings that bans were judged by; with others all are judged anew.
CREATE TABLE revision (
  id                INTEGER PRIMARY KEY CHECK (id = 1),
  revision          INTEGER NOT NULL,
  log_position      INTEGER NOT NULL,
  changed_at        INTEGER NOT NULL,
  changes_floor     INTEGER NOT NULL,
  hosts_version     INTEGER NOT NULL,
  allowlist_version INTEGER NOT NULL,
  rules             TEXT NOT NULL
) STRICT;
INSERT INTO revision VALUES (1, 0, 0, 0, 0, 0, 0, '');

-- Addresses that are never published. ends_at NULL: for ever.
CREATE TABLE allowlist (
  address     TEXT PRIMARY KEY,
  range_start TEXT NOT NULL,
  comment     TEXT NOT NULL,
  added_by    TEXT NOT NULL,
  added_at    INTEGER NOT NULL,
  ends_at     INTEGER
) STRICT, WITHOUT ROWID;
