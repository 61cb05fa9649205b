"""Options of the whole suite: how much chance, and the same chance again."""

import pytest

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
