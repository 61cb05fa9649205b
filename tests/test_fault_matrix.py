"""Every row of the fault checklist has a test that bears its id; what the rows demand is in those tests' docstrings."""

import ast
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


def _named() -> dict[str, list[str]]:
    """Row id -> the tests named after it, in whatever module they are."""
    found: dict[str, list[str]] = {}
    for path in TESTS.rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            name = node.name if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) else ""
            if row := re.match(r"test_fault_([A-Z]\d\d)_", name):
                found.setdefault(row[1], []).append(f"{path.name}::{name}")
    return found


NAMED = _named()


@pytest.mark.parametrize("row", ROWS)
def test_every_row_has_a_test(row: str) -> None:
    """A row without a test of its name is a defence that nobody would miss."""
    assert NAMED.get(row)
