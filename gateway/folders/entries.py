"""What a drop folder may hold, said in the same words wherever it lies."""

HELD_PREFIX = ".sluza-odbior-"
"""A file on its way out has this name for a moment; a dot name, so it is never taken as a new drop."""


class OddEntryError(Exception):
    """Not a plain file of this folder: left in place, never opened. The text says in Polish what it is."""


class ChangedError(Exception):
    """The file changed while it was being read; look again later."""
