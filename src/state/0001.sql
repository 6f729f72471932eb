-- Requests for approval, and what became of them. Times are seconds since 1970.
CREATE TABLE requests (
    id TEXT PRIMARY KEY,
    -- What is asked for and by whom, as JSON: two requests with the same are one.
    key TEXT NOT NULL UNIQUE,
    -- pending, approved, denied, revoked, dismissed
    state TEXT NOT NULL,
    first_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    -- How often it was asked for since it is pending.
    times INTEGER NOT NULL,
    -- The latest occurrence, as JSON.
    latest TEXT NOT NULL
) STRICT;
CREATE INDEX requests_by_state ON requests (state, last_at);

CREATE TABLE decisions (
    number INTEGER PRIMARY KEY,
    request TEXT NOT NULL REFERENCES requests (id),
    at INTEGER NOT NULL,
    -- The answer, as JSON.
    answer TEXT NOT NULL,
    -- 0 until the audit log has it.
    recorded INTEGER NOT NULL DEFAULT 0,
    -- 0 until the firewall's files or the registry of ports say so, too.
    applied INTEGER NOT NULL,
    -- Why it could not be applied, the last time that was tried.
    failed TEXT
) STRICT;
CREATE INDEX decisions_by_request ON decisions (request);
CREATE INDEX decisions_not_applied ON decisions (applied) WHERE applied = 0;

-- Grows with every change, so that a watcher need not compare.
CREATE TABLE changes (one INTEGER PRIMARY KEY CHECK (one = 1), count INTEGER NOT NULL) STRICT;
INSERT INTO changes VALUES (1, 0);

-- Browsers and programs that may use the API over TCP.
CREATE TABLE devices (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    -- SHA-256 of the token, which only the device knows.
    token_sha256 TEXT NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    seen_at INTEGER NOT NULL,
    revoked_at INTEGER
) STRICT;

-- Codes that are shown on a terminal and turn a browser into a device, once.
CREATE TABLE pairings (
    code_sha256 TEXT PRIMARY KEY,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
