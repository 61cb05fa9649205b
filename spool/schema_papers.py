"""The SQL of the schema step behind purchases outside KSeF; `spool.migrations` names the step and runs it."""

_AGAIN = "ON CONFLICT DO UPDATE SET changes = changes + 1"
_MARK = f"""INSERT INTO register_stale (kind, unit, month)
        VALUES ('paper', new.unit, substr(new.received_on, 1, 7)), ('paper', '*', substr(new.received_on, 1, 7))
        {_AGAIN};"""  # noqa: S608 - our own words
"""In a trigger of `paper`: the register of its unit and that of the municipality."""
_OF_THESE = """FROM paper WHERE id IN (SELECT id FROM paper WHERE ksef_number = new.ksef_number UNION
        SELECT id FROM paper WHERE seller_nip <> '' AND seller_nip = new.seller_nip AND number_key = new.number_key)"""
_MARK_BESIDE = f"""INSERT INTO register_stale (kind, unit, month)
        SELECT 'paper', unit, substr(received_on, 1, 7) {_OF_THESE}
        UNION SELECT 'paper', '*', substr(received_on, 1, 7) {_OF_THESE}
        {_AGAIN};"""
"""In a trigger of `received`: the registers of the papers that it says something about."""

PAPERS = f"""
CREATE INDEX received_hash ON received (sha256);

CREATE TABLE paper (                  -- a purchase that came outside KSeF, on paper or as a file
    id          INTEGER PRIMARY KEY,
    unit        TEXT NOT NULL,        -- whose it is
    kind        TEXT NOT NULL,        -- spool.domain.papers.Kind
    seller_nip  TEXT NOT NULL DEFAULT '', -- empty for a foreign seller
    seller_name TEXT NOT NULL DEFAULT '',
    number      TEXT NOT NULL,
    number_key  TEXT NOT NULL,
    issue_date  TEXT NOT NULL,        -- a day
    received_on TEXT NOT NULL,        -- the day on which it really came
    gross       TEXT NOT NULL,
    currency    TEXT NOT NULL,
    code_sha256 TEXT NOT NULL DEFAULT '', -- of the invoice that its code I leads to
    code_link   TEXT NOT NULL DEFAULT '',
    scan_sha256 TEXT REFERENCES body(sha256),
    scan_name   TEXT NOT NULL DEFAULT '',
    note        TEXT NOT NULL DEFAULT '',
    entered_at  TEXT NOT NULL,
    entered_by  TEXT NOT NULL,
    ksef_number TEXT REFERENCES received(ksef_number), -- found by its hash
    found_at    TEXT,
    decision    TEXT NOT NULL DEFAULT '', -- a person's: allowed | withdrawn
    decided_by  TEXT NOT NULL DEFAULT '',
    decided_why TEXT NOT NULL DEFAULT ''
);
CREATE INDEX paper_unit ON paper (unit, received_on, id);
CREATE INDEX paper_month ON paper (received_on, id);
CREATE INDEX paper_number ON paper (seller_nip, number_key);
CREATE INDEX paper_awaited ON paper (code_sha256) WHERE ksef_number IS NULL AND code_sha256 <> '';
CREATE INDEX paper_open ON paper (kind) WHERE decision = '' AND ksef_number IS NULL;
CREATE INDEX paper_found ON paper (ksef_number) WHERE ksef_number IS NOT NULL;
CREATE UNIQUE INDEX paper_code ON paper (unit, code_sha256) WHERE code_sha256 <> '' AND decision <> 'withdrawn';

CREATE TABLE attachment (             -- a file that belongs to a purchase and came beside KSeF (JST rule P14)
    id        INTEGER PRIMARY KEY,
    subject   TEXT NOT NULL,          -- KSeF number of a received invoice, paper:<id>
    name      TEXT NOT NULL,
    sha256    TEXT NOT NULL,          -- of the file, which is kept where `place` says
    size      INTEGER NOT NULL,
    place     TEXT NOT NULL DEFAULT '',
    linked_at TEXT NOT NULL,
    linked_by TEXT NOT NULL,
    UNIQUE (subject, sha256)
);

CREATE TRIGGER paper_new AFTER INSERT ON paper BEGIN {_MARK} END;
CREATE TRIGGER paper_changed AFTER UPDATE ON paper BEGIN {_MARK} END;
CREATE TRIGGER paper_beside_new AFTER INSERT ON received BEGIN {_MARK_BESIDE} END;
CREATE TRIGGER paper_beside_moved AFTER UPDATE OF unit ON received BEGIN {_MARK_BESIDE} END;
CREATE TRIGGER paper_never_goes BEFORE DELETE ON paper BEGIN SELECT RAISE(ABORT, 'paper is append-only'); END;
CREATE TRIGGER paper_never_changes BEFORE UPDATE ON paper WHEN new.unit <> old.unit OR new.kind <> old.kind
    OR new.seller_nip <> old.seller_nip OR new.number <> old.number OR new.issue_date <> old.issue_date
    OR new.received_on <> old.received_on OR new.gross <> old.gross OR new.currency <> old.currency
    OR new.code_sha256 <> old.code_sha256 OR old.decision = 'withdrawn'
    BEGIN SELECT RAISE(ABORT, 'paper is only decided about'); END;
CREATE TRIGGER attachment_never_goes BEFORE DELETE ON attachment
    BEGIN SELECT RAISE(ABORT, 'attachment is append-only'); END;
CREATE TRIGGER attachment_never_changes BEFORE UPDATE ON attachment
    BEGIN SELECT RAISE(ABORT, 'attachment is append-only'); END;
"""
