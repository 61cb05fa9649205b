"""A way into the spool that only looks: for `sluza check` and `sluza status`, on a damaged or a full disk, too."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pysqlite3
import sqlite_utils

from spool import migrations
from spool.domain.errors import SpoolError
from spool.opening import LOST, closed_unless_whole, copy_snapshot, refuse_newer
from spool.room import look
from spool.store import Store

T = TypeVar("T")
_WORTH_IT = 0.1
"""The part of its pages that must be empty before a copy is written once more without them."""


class Looking:
    """A way into the spool that can only read, beside running programs and on a file that may be damaged.

    Nothing is brought to a newer schema. Every failure of the file is a SpoolError.
    """

    def __init__(self, path: Path) -> None:
        """Raises SpoolError for a file that is missing or none of ours, SpoolTooNew as `Spool` does."""
        if not path.is_file():
            raise SpoolError(f"Nie ma pliku spoolu {path}.", LOST)
        self.path = path
        with _readable(path):
            self._connection = pysqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
            self._connection.row_factory = pysqlite3.Row
            with closed_unless_whole(self._connection):
                self._connection.execute("PRAGMA busy_timeout=30000")
                self._know_the_schema()

    def _know_the_schema(self) -> None:
        database = sqlite_utils.Database(self._connection)
        applied = {step.name for step in migrations.steps.applied(database)}
        refuse_newer(applied)
        if not applied:
            raise SpoolError(f"Plik {self.path} nie jest spoolem Śluzy.", LOST)
        if missing := migrations.names() - applied:
            text = f"Ten spool zapisała starsza wersja programu (brak kroku {min(missing)})."
            raise SpoolError(text, "Proszę najpierw uruchomić nową wersję: sluza gateway.")

    def read_now(self, job: Callable[[Store], T]) -> T:
        """Run `job` on one snapshot. Raises SpoolError for what SQLite cannot read."""
        with _readable(self.path):
            self._connection.execute("BEGIN")
            try:
                return job(Store(self._connection))
            finally:
                with contextlib.suppress(pysqlite3.Error):
                    self._connection.execute("ROLLBACK")

    def aside(self, job: Callable[[Store], T]) -> T:
        """Run `job` outside any snapshot: for putting facts of the world beside the spool, in temporary tables."""
        with _readable(self.path):
            return job(Store(self._connection))

    def copy_to(self, target: Path) -> None:
        """`copy_snapshot` of the whole spool. Raises SpoolError, NoRoom."""
        with _readable(self.path):
            copy_snapshot(self._connection, target)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def compact(copy: Path) -> None:
    """A copy that nobody else has open, without the empty pages that bodies left behind which went into an archive.

    Where they are few, or there is no room for another copy, it stays as it is. Raises SpoolError.
    """
    with _readable(copy), contextlib.closing(pysqlite3.connect(copy, isolation_level=None)) as connection:
        free, pages, size = (
            int(connection.execute(f"PRAGMA {name}").fetchone()[0])
            for name in ("freelist_count", "page_count", "page_size")
        )
        if free < pages * _WORTH_IT or look(copy.parent).free < 2 * (pages - free) * size:
            return
        smaller = copy.with_suffix(".compact")
        smaller.touch(0o600)
        connection.execute("VACUUM INTO ?", (str(smaller),))
    smaller.replace(copy)


@contextlib.contextmanager
def _readable(path: Path) -> Iterator[None]:
    """What SQLite cannot do with the file becomes one sentence."""
    try:
        yield
    except (pysqlite3.Error, UnicodeDecodeError) as error:
        cure = "Proszę zatrzymać Śluzę i odtworzyć spool z kopii zapasowej; uszkodzonego pliku nie kasować."
        raise SpoolError(f"Nie można odczytać spoolu {path}: {error}.", cure) from error
