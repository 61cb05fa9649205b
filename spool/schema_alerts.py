"""What people are told beside the ladder of deadlines, as SQL: what is wrong, since when, the letters about it."""

TROUBLES = """
CREATE TABLE trouble (                -- what is, or was, not as it should be; one open row for each code
    id         INTEGER PRIMARY KEY,
    code       TEXT NOT NULL,         -- of the finding: kind:about
    sentence   TEXT NOT NULL,         -- Polish, one line, as it was seen last
    grave      INTEGER NOT NULL,
    grade      INTEGER NOT NULL,
    since      TEXT NOT NULL,
    told_at    TEXT,                  -- the first letter about it
    told_grade INTEGER NOT NULL DEFAULT 0,
    gone_at    TEXT,                  -- not seen any more since then; back to NULL when it is seen again
    over_at    TEXT                   -- gone for long enough
);
CREATE UNIQUE INDEX trouble_open ON trouble (code) WHERE over_at IS NULL;

CREATE TABLE letter (                 -- a message to people or programs, apart from the mail of alarms: never changes
    id      INTEGER PRIMARY KEY,
    key     TEXT NOT NULL UNIQUE,     -- nothing is told twice under one key
    kind    TEXT NOT NULL,            -- trouble | summary | deadline (to the webhook only)
    subject TEXT NOT NULL,            -- Polish, one line
    text    TEXT NOT NULL,            -- Polish: the mail as it goes out
    data    TEXT NOT NULL,            -- JSON: the same for programs
    at      TEXT NOT NULL
);

CREATE TABLE letter_to (              -- one letter on its way
    letter  INTEGER NOT NULL REFERENCES letter(id),
    way     TEXT NOT NULL,            -- mail | webhook
    address TEXT NOT NULL,            -- of a webhook only its host: the path may be a secret
    tries   INTEGER NOT NULL DEFAULT 0,
    next_at TEXT NOT NULL,            -- not tried before
    error   TEXT NOT NULL DEFAULT '', -- Polish, of the last try that failed
    sent_at TEXT,                     -- the other side took it
    PRIMARY KEY (letter, way, address)
) WITHOUT ROWID;
CREATE INDEX letter_at ON letter (at);
CREATE INDEX letter_to_unsent ON letter_to (letter) WHERE sent_at IS NULL;

CREATE TRIGGER letter_never_changes BEFORE UPDATE ON letter BEGIN SELECT RAISE(ABORT, 'letter is append-only'); END;
CREATE TRIGGER letter_never_goes BEFORE DELETE ON letter BEGIN SELECT RAISE(ABORT, 'letter is append-only'); END;
"""

REFUSALS = "CREATE INDEX document_refused ON document (created_at) WHERE state = 'REFUSED'"
"""Refusals by age: what nobody mended is counted at every look."""
