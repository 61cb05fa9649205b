"""The SQL of the schema steps behind training; `spool.migrations` names the steps and runs them."""

TRAINING = """
ALTER TABLE document ADD COLUMN training TEXT NOT NULL DEFAULT '';  -- the environment of a training document; '': real
ALTER TABLE received ADD COLUMN training TEXT NOT NULL DEFAULT '';
"""

TRAINING_APART = """
DROP TRIGGER tally_entered;
DROP TRIGGER tally_moved;
DROP TABLE tally;
CREATE TABLE tally (                  -- how many documents of a unit are in a state; kept by the triggers below
    unit     TEXT NOT NULL,
    training INTEGER NOT NULL,        -- 1: those of a training, which are counted for themselves
    state    TEXT NOT NULL,
    n        INTEGER NOT NULL,
    PRIMARY KEY (unit, training, state)
) WITHOUT ROWID;
INSERT INTO tally SELECT unit, training <> '', state, count(*) FROM document GROUP BY 1, 2, 3;

CREATE TRIGGER tally_entered AFTER INSERT ON document BEGIN
    INSERT INTO tally VALUES (new.unit, new.training <> '', new.state, 1) ON CONFLICT DO UPDATE SET n = n + 1;
END;
CREATE TRIGGER tally_moved AFTER UPDATE OF state, training ON document
    WHEN old.state <> new.state OR (old.training <> '') <> (new.training <> '') BEGIN
    UPDATE tally SET n = n - 1 WHERE unit = old.unit AND training = (old.training <> '') AND state = old.state;
    INSERT INTO tally VALUES (new.unit, new.training <> '', new.state, 1) ON CONFLICT DO UPDATE SET n = n + 1;
END;

CREATE INDEX received_training ON received (unit) WHERE training <> '';
"""
