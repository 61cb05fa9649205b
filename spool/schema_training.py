"""The SQL of the schema step behind training; `spool.migrations` names the step and runs it."""

TRAINING = """
ALTER TABLE document ADD COLUMN training TEXT NOT NULL DEFAULT '';  -- the environment of a training document; '': real
ALTER TABLE received ADD COLUMN training TEXT NOT NULL DEFAULT '';
"""
