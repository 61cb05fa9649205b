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
