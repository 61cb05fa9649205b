"""Every row of the fault checklist has a test that bears its id; what the rows demand is in those tests' docstrings."""

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent
ROWS = (
    *(f"F{n:02}" for n in range(1, 22)),
    *(f"D{n:02}" for n in range(1, 15)),
    *(f"K{n:02}" for n in range(1, 18)),
    *(f"X{n:02}" for n in range(1, 12)),
    "X13",
    "X27",
    "X28",
)


_TEST = re.compile(r"^(?:async )?def (test_fault_([A-Z]\d\d)_\w+)\(", re.MULTILINE)
"""Read as text: every worker collects this module, and parsing all tests for it took each of them seconds."""


def _named() -> dict[str, list[str]]:
    """Row id -> the tests named after it, in whatever module they are."""
    found: dict[str, list[str]] = {}
    for path in TESTS.rglob("test_*.py"):
        for name, row in _TEST.findall(path.read_text(encoding="utf-8")):
            found.setdefault(row, []).append(f"{path.name}::{name}")
    return found


NAMED = _named()


@pytest.mark.parametrize("row", ROWS)
def test_every_row_has_a_test(row: str) -> None:
    """A row without a test of its name is a defence that nobody would miss."""
    assert NAMED.get(row)
