"""People who may look at the pages, and what makes the pages quick, as SQL."""

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

PAGES = """
CREATE TABLE tally (                  -- how many documents of a unit are in a state; kept by the triggers below
    unit  TEXT NOT NULL,
    state TEXT NOT NULL,
    n     INTEGER NOT NULL,
    PRIMARY KEY (unit, state)
) WITHOUT ROWID;
INSERT INTO tally SELECT unit, state, count(*) FROM document GROUP BY unit, state;

CREATE TRIGGER tally_entered AFTER INSERT ON document BEGIN
    INSERT INTO tally VALUES (new.unit, new.state, 1) ON CONFLICT DO UPDATE SET n = n + 1;
END;
CREATE TRIGGER tally_moved AFTER UPDATE OF state ON document WHEN old.state <> new.state BEGIN
    UPDATE tally SET n = n - 1 WHERE unit = old.unit AND state = old.state;
    INSERT INTO tally VALUES (new.unit, new.state, 1) ON CONFLICT DO UPDATE SET n = n + 1;
END;

CREATE INDEX document_undated ON document (due_state) WHERE due_safe IS NULL AND ksef_number IS NULL;
CREATE INDEX document_due_of ON document (unit, ifnull(due_safe, '~'), seq) WHERE ksef_number IS NULL
    AND state NOT IN ('REFUSED', 'WITHDRAWN', 'CEASED', 'QUARANTINED');
"""
