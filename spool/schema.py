"""The SQL of schema steps, where `spool.migrations`, which names and runs them, has no room for it."""

CRASHES = """
CREATE TABLE crash (                  -- what a process had in its hands when it died, until it was handled well
    subject TEXT NOT NULL,            -- document id, KSeF number of a received invoice, sha256:<hash of a delivery>
    role    TEXT NOT NULL,            -- gateway | agent
    times   INTEGER NOT NULL,
    at      TEXT NOT NULL,            -- of the last time
    PRIMARY KEY (subject, role)
) WITHOUT ROWID;
DROP INDEX received_unmirrored;
CREATE INDEX received_unmirrored ON received (unit, cursor) WHERE mirrored_at IS NULL;
"""

SERIES = """
ALTER TABLE document ADD COLUMN series TEXT NOT NULL DEFAULT '';       -- its number without the running part; '': none
ALTER TABLE document ADD COLUMN series_n INTEGER NOT NULL DEFAULT 0;   -- the running part
ALTER TABLE document ADD COLUMN in_order INTEGER NOT NULL DEFAULT 0;   -- goes only after the earlier numbers
ALTER TABLE document ADD COLUMN held_back INTEGER NOT NULL DEFAULT 0;  -- while QUEUED: an earlier number is open
ALTER TABLE document ADD COLUMN parked INTEGER NOT NULL DEFAULT 0;     -- while HELD: a person holds it
UPDATE document SET parked = 1 WHERE state = 'HELD' AND (SELECT actor FROM event WHERE subject = document.id
    AND move LIKE '%>HELD' ORDER BY seq DESC LIMIT 1) NOT IN ('agent', 'gateway', 'spool');
DROP INDEX document_queue;
CREATE INDEX document_queue ON document (context, ifnull(due_safe, '~'), unit, seq)
    WHERE state = 'QUEUED' AND NOT held_back;
CREATE INDEX document_held_back ON document (context, unit, series, ifnull(due_safe, '~'))
    WHERE state = 'QUEUED' AND held_back;
CREATE INDEX document_series ON document (unit, series, series_n) WHERE series <> ''
    AND (state IN ('QUEUED', 'WAITING', 'SENDING', 'SUBMITTED', 'UNKNOWN') OR (state = 'HELD' AND NOT parked));
CREATE INDEX document_in_turn ON document (unit, series, series_n) WHERE state = 'QUEUED' AND in_order
    AND NOT held_back;
"""
