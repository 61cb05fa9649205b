"""The verbs of the `sluza` command, one small file per subject."""
