"""Options of the whole suite."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """How much the kill harness of `tests/crash` does."""
    group = parser.getgroup("crash")
    group.addoption("--crash-seed", type=int, default=None, help="the draw of crash points; default: a fresh one")
    group.addoption("--crash-all", action="store_true", help="every crash point several times: takes minutes")
