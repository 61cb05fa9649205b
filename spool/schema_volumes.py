"""The SQL of the schema step behind the yearly archives; `spool.migrations` names the step and runs it."""

VOLUMES = """
CREATE TABLE volume (                 -- a sealed file beside the spool with the bodies of one year (decision 0041)
    name    TEXT PRIMARY KEY,         -- RRRR-N; its file is archive/<name>.db
    size    INTEGER NOT NULL,         -- bytes of the file
    sha256  TEXT NOT NULL,            -- of the whole file, which never changes
    bodies  INTEGER NOT NULL,
    made_at TEXT NOT NULL,
    moved   INTEGER NOT NULL DEFAULT 0 -- every body that may go has left the spool
) WITHOUT ROWID;
ALTER TABLE body ADD COLUMN volume TEXT REFERENCES volume(name); -- where the bytes are; NULL: here, in `packed`

CREATE TRIGGER volume_never_changes BEFORE UPDATE OF name, size, sha256, bodies, made_at ON volume
    BEGIN SELECT RAISE(ABORT, 'volume is append-only'); END;
CREATE TRIGGER volume_never_goes BEFORE DELETE ON volume BEGIN SELECT RAISE(ABORT, 'volume is append-only'); END;
"""
