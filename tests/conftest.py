"""Options of the whole suite: how much chance, and the same chance again; and what every test has beneath it."""

import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pysqlite3
import pytest
import sqlite_utils

from spool import migrations, opening

FEW_IMAGES = 150


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--crash-images 20000` for a night; `--crash-seed` as printed by a run that failed."""
    group = parser.getgroup("crash")
    group.addoption("--crash-images", type=int, default=FEW_IMAGES, help="disks to boot after a loss of power")
    group.addoption("--crash-seed", type=int, default=None, help="what a failed run printed; default: a fresh draw")
    group.addoption("--crash-all", action="store_true", help="every crash point, every operation with every error")


_LONGEST_FIRST = ("crash", "simulation", "e2e", "browser")
"""Directories whose files take a worker for a minute: begun last, they would leave the other worker idle at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files of real processes first; otherwise the order stays."""
    rank = {name: position for position, name in enumerate(_LONGEST_FIRST)}
    items.sort(key=lambda item: rank.get(item.path.parent.name, len(rank)))


_STEPS = migrations.steps
"""As the program has them; tests of upgrades put steps of their own in their place."""


@pytest.fixture(scope="session", autouse=True)
def _schema_made_once() -> Iterator[None]:
    """A new spool gets its schema as a copy of one that the steps have made: some thousand are opened, and the steps
    take longer than most tests. tests/unit/test_upgrade.py looks that the copy is what they make."""
    bring_up, turn = opening._bring_up, threading.Lock()

    def bring_up_or_copy(connection: pysqlite3.Connection, path: Path) -> None:
        (changes,) = connection.execute("PRAGMA schema_version").fetchone()
        if changes or migrations.steps is not _STEPS:
            bring_up(connection, path)
            return
        with turn:
            made.backup(connection)

    with closing(pysqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)) as made:
        made.execute(f"PRAGMA page_size={opening._PAGE_BYTES}")
        _STEPS.apply(sqlite_utils.Database(made))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(opening, "_bring_up", bring_up_or_copy)
            yield
