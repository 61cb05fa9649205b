"""People who may look at the pages, as SQL."""

ACCOUNTS = """
CREATE TABLE account (                -- people who may look at the pages
    login       TEXT PRIMARY KEY,
    name        TEXT NOT NULL,
    role        TEXT NOT NULL,        -- spool.domain.accounts.Role
    units       TEXT NOT NULL,        -- JSON list: what an accountant sees
    password    TEXT NOT NULL,        -- argon2id, with its parameters
    must_change INTEGER NOT NULL,
    totp        TEXT NOT NULL DEFAULT '',        -- secret of the one-time codes; '': none are asked for
    totp_step   INTEGER NOT NULL DEFAULT 0,      -- of the last code used: none works twice
    created_at  TEXT NOT NULL,
    disabled_at TEXT
) WITHOUT ROWID;

CREATE TABLE login (                  -- who is in: sessions of the pages
    hash      TEXT PRIMARY KEY,       -- SHA-256 of the cookie
    account   TEXT NOT NULL,
    token     TEXT NOT NULL,          -- in every form of this session
    opened_at TEXT NOT NULL,
    seen_at   TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX login_account ON login (account);

CREATE INDEX document_moved ON document (seq) WHERE due_because <> '';
"""
