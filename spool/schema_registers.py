"""The SQL of the schema steps behind the registers; `spool.migrations` names the steps and runs them."""

PEOPLE = """
CREATE TABLE person (                 -- somebody who works for a unit; no login account, but one may be linked to it
    id       INTEGER PRIMARY KEY,
    unit     TEXT NOT NULL,
    name     TEXT NOT NULL,
    post     TEXT NOT NULL DEFAULT '', -- what tells two people of one name apart
    added_at TEXT NOT NULL,
    UNIQUE (unit, name, post)
);

CREATE TABLE internal_id (            -- an IDWew given to a person or a section; one that was withdrawn stays
    id           INTEGER PRIMARY KEY,
    idwew        TEXT NOT NULL,
    unit         TEXT NOT NULL,
    person       INTEGER REFERENCES person(id), -- NULL: a section's
    section      TEXT NOT NULL DEFAULT '',
    given_on     TEXT NOT NULL,       -- a day, as all of these
    given_by     TEXT NOT NULL,
    withdrawn_on TEXT,
    withdrawn_by TEXT NOT NULL DEFAULT '',
    CHECK ((person IS NULL) <> (section = ''))
);
CREATE UNIQUE INDEX internal_id_held ON internal_id (idwew) WHERE withdrawn_on IS NULL;
CREATE INDEX internal_id_ever ON internal_id (idwew);

CREATE TRIGGER person_never_goes BEFORE DELETE ON person BEGIN SELECT RAISE(ABORT, 'person is append-only'); END;
CREATE TRIGGER internal_id_never_goes BEFORE DELETE ON internal_id
    BEGIN SELECT RAISE(ABORT, 'internal_id is append-only'); END;
CREATE TRIGGER internal_id_never_changes BEFORE UPDATE ON internal_id
    WHEN old.withdrawn_on IS NOT NULL OR new.idwew <> old.idwew OR new.unit <> old.unit
    OR new.person IS NOT old.person OR new.section <> old.section OR new.given_on <> old.given_on
    OR new.given_by <> old.given_by
    BEGIN SELECT RAISE(ABORT, 'internal_id is only withdrawn'); END;
"""

_MARK = """INSERT INTO register_stale (kind, unit, month) VALUES {rows}
        ON CONFLICT DO UPDATE SET changes = changes + 1;"""


_ISSUED_MONTH = ("substr({row}.issue_date, 1, 7)",)
# Warsaw is one or two hours ahead of UTC, so its month is one of these two; a register marked for nothing is built,
# found to be as it was, and not written.
_RECEIVED_MONTHS = (
    "substr({row}.acquisition_date, 1, 7)",
    "substr(datetime({row}.acquisition_date, '+2 hours'), 1, 7)",
)
_ENTERED_MONTH = ("(SELECT substr(received_on, 1, 7) FROM receipt WHERE ksef_number = {row}.ksef_number)",)


def _marks(kind: str, row: str, months: tuple[str, ...]) -> str:
    """The statement of a trigger that marks the registers of these months: the unit's and the municipality's."""
    units = (f"ifnull({row}.unit, '')", "'*'")
    lines = [f"('{kind}', {unit}, {month.format(row=row)})" for month in months for unit in units]
    return _MARK.format(rows=", ".join(lines))


REGISTERS = f"""
CREATE TABLE register_stale (         -- monthly registers whose rows changed since they were last written
    kind    TEXT NOT NULL,            -- issued | received
    unit    TEXT NOT NULL,            -- '*' is the municipality's own; '' what lies in the central tray
    month   TEXT NOT NULL,            -- RRRR-MM
    changes INTEGER NOT NULL DEFAULT 1, -- how often, so that a change during the writing is not lost
    PRIMARY KEY (kind, unit, month)
) WITHOUT ROWID;
CREATE INDEX document_register ON document (unit, issue_date, seq) WHERE issue_date <> '';
CREATE INDEX received_register ON received (unit, acquisition_date, cursor);

CREATE TABLE book (                   -- what the registers show of an invoice's content, read once in a worker
    sha256  TEXT PRIMARY KEY REFERENCES body(sha256),
    version INTEGER NOT NULL,         -- of the reading; an older one is read again
    facts   TEXT NOT NULL             -- JSON, spool.domain.book.Book
) WITHOUT ROWID;

CREATE TABLE receipt (                -- received in a failure of KSeF before it had its number (JST rule D2)
    ksef_number TEXT PRIMARY KEY REFERENCES received(ksef_number),
    received_on TEXT NOT NULL,        -- the day, before that of the number
    entered_by  TEXT NOT NULL,
    entered_at  TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX receipt_day ON receipt (received_on);

CREATE TABLE retention (              -- where a document is kept otherwise than by the rule of its unit
    subject TEXT PRIMARY KEY,         -- document id, KSeF number of a received invoice
    class   TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE statement (              -- a signed confidentiality statement (JST rule U8)
    id          INTEGER PRIMARY KEY,
    person      INTEGER NOT NULL REFERENCES person(id),
    signed_on   TEXT NOT NULL,
    kept_at     TEXT NOT NULL DEFAULT '', -- where the paper lies
    taken_by    TEXT NOT NULL,
    withdrawn_on TEXT,
    withdrawn_by TEXT NOT NULL DEFAULT ''
);
CREATE INDEX statement_person ON statement (person);

CREATE TABLE permission (             -- who may do what in KSeF or in Śluza (JST rule U6)
    id          INTEGER PRIMARY KEY,
    person      INTEGER NOT NULL REFERENCES person(id),
    scope       TEXT NOT NULL,
    granted_on  TEXT NOT NULL,
    granted_by  TEXT NOT NULL,
    until       TEXT,                 -- the day after which it is to be withdrawn
    withdrawn_on TEXT,
    withdrawn_by TEXT NOT NULL DEFAULT ''
);
CREATE INDEX permission_person ON permission (person);

CREATE TABLE incident (               -- JST rule U9
    id          INTEGER PRIMARY KEY,
    reported_on TEXT NOT NULL,        -- an instant
    happened_on TEXT NOT NULL,        -- an instant
    description TEXT NOT NULL,
    reporter    TEXT NOT NULL,
    unit        TEXT NOT NULL DEFAULT '',
    source      TEXT UNIQUE           -- what an entry of ours is about: there is only one; NULL: a person's
);

CREATE TRIGGER register_issued_new AFTER INSERT ON document WHEN new.issue_date <> ''
    BEGIN {_marks("issued", "new", _ISSUED_MONTH)} END;
CREATE TRIGGER register_issued_changed AFTER UPDATE OF unit, state, facts, issue_date, mode, ksef_number,
    acquisition_date, upo_sha256, owed, due_safe, handed_over_at, issued_at, corrects ON document
    WHEN new.issue_date <> '' OR old.issue_date <> ''
    BEGIN {_marks("issued", "old", _ISSUED_MONTH)} {_marks("issued", "new", _ISSUED_MONTH)} END;
CREATE TRIGGER register_received_new AFTER INSERT ON received BEGIN
    {_marks("received", "new", _RECEIVED_MONTHS)} END;
CREATE TRIGGER register_received_changed AFTER UPDATE OF unit, facts, rule, why, metadata ON received
    BEGIN {_marks("received", "old", _RECEIVED_MONTHS)} {_marks("received", "new", _RECEIVED_MONTHS)} END;

CREATE TRIGGER register_received_elsewhere AFTER UPDATE OF unit, facts, rule, why, metadata ON received
    WHEN EXISTS (SELECT 1 FROM receipt WHERE ksef_number = new.ksef_number)
    BEGIN {_marks("received", "old", _ENTERED_MONTH)} {_marks("received", "new", _ENTERED_MONTH)} END;

CREATE TRIGGER statement_never_goes BEFORE DELETE ON statement
    BEGIN SELECT RAISE(ABORT, 'statement is append-only'); END;
CREATE TRIGGER statement_never_changes BEFORE UPDATE ON statement WHEN old.withdrawn_on IS NOT NULL
    OR new.person <> old.person OR new.signed_on <> old.signed_on OR new.taken_by <> old.taken_by
    BEGIN SELECT RAISE(ABORT, 'statement is only withdrawn'); END;
CREATE TRIGGER permission_never_goes BEFORE DELETE ON permission
    BEGIN SELECT RAISE(ABORT, 'permission is append-only'); END;
CREATE TRIGGER permission_never_changes BEFORE UPDATE ON permission WHEN old.withdrawn_on IS NOT NULL
    OR new.person <> old.person OR new.scope <> old.scope OR new.granted_on <> old.granted_on
    OR new.granted_by <> old.granted_by OR new.until IS NOT old.until
    BEGIN SELECT RAISE(ABORT, 'permission is only withdrawn'); END;
CREATE TRIGGER incident_never_goes BEFORE DELETE ON incident
    BEGIN SELECT RAISE(ABORT, 'incident is append-only'); END;
CREATE TRIGGER incident_never_changes BEFORE UPDATE ON incident
    BEGIN SELECT RAISE(ABORT, 'incident is append-only'); END;

INSERT INTO register_stale (kind, unit, month)
    SELECT DISTINCT 'issued', unit, substr(issue_date, 1, 7) FROM document WHERE issue_date <> ''
    UNION SELECT DISTINCT 'issued', '*', substr(issue_date, 1, 7) FROM document WHERE issue_date <> '';
INSERT INTO register_stale (kind, unit, month)
    SELECT DISTINCT 'received', ifnull(unit, ''), substr(datetime(acquisition_date, '+2 hours'), 1, 7) FROM received
    UNION SELECT DISTINCT 'received', ifnull(unit, ''), substr(acquisition_date, 1, 7) FROM received
    UNION SELECT DISTINCT 'received', '*', substr(datetime(acquisition_date, '+2 hours'), 1, 7) FROM received
    UNION SELECT DISTINCT 'received', '*', substr(acquisition_date, 1, 7) FROM received;
"""  # noqa: S608 - our own words
