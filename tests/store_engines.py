"""The engines under the store, and the plug for another one: whatever is in ENGINES must pass the same suite.

A second engine (decision 0042) brings a class like `Sqlite` and is added to ENGINES; nothing in the suite changes.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import pysqlite3

from spool.access import FILE, Spool

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)


class Engine(Protocol):
    """How the suite opens a spool, and how it does behind the store's back what a disk or a stranger would."""

    name: str
    Refused: type[Exception]

    def open(self, place: Path, role: str = "") -> Spool:
        """A way into the spool at this place, made when it is the first; several may be open at once."""

    def behind(self, place: Path, *statements: str) -> None:
        """Run these past the store. Raises `Refused` where the engine itself forbids it."""


class Sqlite:
    """One file, two programs on one machine."""

    name = "sqlite"
    Refused = pysqlite3.IntegrityError

    def open(self, place: Path, role: str = "") -> Spool:
        """As in `Engine`."""
        return Spool(place / FILE, role, lambda: NOW)

    def behind(self, place: Path, *statements: str) -> None:
        """As in `Engine`."""
        connection = pysqlite3.connect(place / FILE)
        try:
            for statement in statements:
                connection.execute(statement)
            connection.commit()
        finally:
            connection.close()


ENGINES: tuple[Engine, ...] = (Sqlite(),)
