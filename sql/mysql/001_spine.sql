-- MySQL commits each of these by itself, so that each may find itself done already.
--
-- The spine: who claims what, what is published because of it, and the log that every consumer follows.
-- Times are milliseconds since 1970 (UTC). Addresses are canonical text; range_start and range_end are the same
-- address as fixed-width hexadecimal behind the family digit, so that text order is numerical order.

-- Whoever may assert that an address is bad.
CREATE TABLE IF NOT EXISTS sources (
  id   BIGINT PRIMARY KEY AUTO_INCREMENT,
  kind VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  name VARCHAR(64) NOT NULL,
  UNIQUE (kind, name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
INSERT IGNORE INTO sources (id, kind, name) VALUES (1, 'administrators', 'administrators');

-- Machines of the fleet; the id and the name are those of the source.
CREATE TABLE IF NOT EXISTS hosts (
  id         BIGINT PRIMARY KEY,
  added_at   BIGINT NOT NULL,
  revoked_at BIGINT,
  last_ipv4  VARCHAR(49) CHARACTER SET ascii COLLATE ascii_bin,
  last_ipv6  VARCHAR(49) CHARACTER SET ascii COLLATE ascii_bin,
  FOREIGN KEY (id) REFERENCES sources (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS tokens (
  id         BIGINT PRIMARY KEY AUTO_INCREMENT,
  host_id    BIGINT NOT NULL,
  hash       CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL UNIQUE,
  scopes     VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  created_at BIGINT NOT NULL,
  revoked_at BIGINT,
  FOREIGN KEY (host_id) REFERENCES hosts (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- One source's standing assertion. ends_at NULL: for ever.
CREATE TABLE IF NOT EXISTS claims (
  address   VARCHAR(49) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  source_id BIGINT NOT NULL,
  jail      VARCHAR(64) NOT NULL,
  banned_at BIGINT NOT NULL,
  ends_at   BIGINT,
  failures  INT NOT NULL,
  PRIMARY KEY (address, source_id, jail),
  FOREIGN KEY (source_id) REFERENCES sources (id),
  KEY claims_by_source (source_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- What the claims for an address come to. published 1: it is on the blocklist, until ends_at (NULL: for ever).
-- due_at: when the next of its claims ends, so that it must be looked at again.
CREATE TABLE IF NOT EXISTS bans (
  address        VARCHAR(49) CHARACTER SET ascii COLLATE ascii_bin PRIMARY KEY,
  range_start    VARCHAR(33) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  range_end      VARCHAR(33) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  published      TINYINT NOT NULL,
  published_at   BIGINT,
  ends_at        BIGINT,
  hosts          INT NOT NULL,
  jails          MEDIUMTEXT NOT NULL,
  last_banned_at BIGINT NOT NULL,
  lifted_at      BIGINT,
  due_at         BIGINT,
  KEY bans_by_range (range_start),
  KEY bans_by_due (due_at),
  KEY bans_by_time (published, last_banned_at, address)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- History: every report, ban by hand and lift, with what came of it.
CREATE TABLE IF NOT EXISTS reports (
  id          BIGINT PRIMARY KEY AUTO_INCREMENT,
  received_at BIGINT NOT NULL,
  source_id   BIGINT NOT NULL,
  action      VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  address     VARCHAR(49) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  jail        VARCHAR(64) NOT NULL,
  failures    INT NOT NULL,
  banned_at   BIGINT,
  ends_at     BIGINT,
  restored    TINYINT NOT NULL,
  outcome     VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  reason      VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin,
  matches     TEXT,
  revision    BIGINT NOT NULL,
  FOREIGN KEY (source_id) REFERENCES sources (id),
  KEY reports_by_address (address, id),
  KEY reports_by_source (source_id, id),
  KEY reports_by_time (received_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- The change log. kind: add; remove; lift (an administrator removed it); void (lifted while not listed); update (who
-- claims it, or until when).
CREATE TABLE IF NOT EXISTS changes (
  log_position BIGINT NOT NULL,
  address      VARCHAR(49) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  kind         VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  revision     BIGINT NOT NULL,
  PRIMARY KEY (log_position, address)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- One row, which every writing transaction changes first: that is the lock that gives all changes one order.
-- log_position grows with every writing transaction, revision only when the blocklist changes. Changes at or below
-- changes_floor may be gone from the log. The versions tell other hubs to read hosts and allowlist again. rules: the
-- settings that bans were judged by; with others all are judged anew.
CREATE TABLE IF NOT EXISTS revision (
  id                BIGINT PRIMARY KEY CHECK (id = 1),
  revision          BIGINT NOT NULL,
  log_position      BIGINT NOT NULL,
  changed_at        BIGINT NOT NULL,
  changes_floor     BIGINT NOT NULL,
  hosts_version     BIGINT NOT NULL,
  allowlist_version BIGINT NOT NULL,
  rules             TEXT NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
INSERT IGNORE INTO revision VALUES (1, 0, 0, 0, 0, 0, 0, '');

-- Addresses that are never published. ends_at NULL: for ever.
CREATE TABLE IF NOT EXISTS allowlist (
  address     VARCHAR(49) CHARACTER SET ascii COLLATE ascii_bin PRIMARY KEY,
  range_start VARCHAR(33) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  comment     VARCHAR(500) NOT NULL,
  added_by    VARCHAR(64) NOT NULL,
  added_at    BIGINT NOT NULL,
  ends_at     BIGINT
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
