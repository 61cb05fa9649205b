"""When a backup is due, which ones go, when to worry; and the table [backup]."""

import ast
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from spool.backup import contents
from spool.backup import settings as backup_settings
from spool.domain.backups import NAME, Keep, Standing, due, name_at, standing, superseded, worry
from spool.domain.errors import ConfigError
from spool.toml import Table

ROOT = Path(__file__).resolve().parents[2]
TWO = datetime(2026, 11, 26, 1, 0, tzinfo=UTC)
"""02:00 in Warsaw in winter."""


@pytest.mark.parametrize(
    ("good", "tried", "after_two", "expected"),
    [
        (None, None, timedelta(0), True),
        (timedelta(-1), None, timedelta(0), True),
        (timedelta(0), None, timedelta(hours=23, minutes=59), False),
        (timedelta(0), None, timedelta(days=1), True),
        (timedelta(0), None, timedelta(days=3, hours=5), True),
        (timedelta(hours=-1), timedelta(0), timedelta(minutes=59), False),
        (timedelta(hours=-1), timedelta(0), timedelta(minutes=60), True),
        (timedelta(days=9), timedelta(days=9), timedelta(0), True),
    ],
)
def test_a_backup_is_due_once_after_its_hour(
    good: timedelta | None, tried: timedelta | None, after_two: timedelta, expected: bool
) -> None:
    """Once a day; made up after an outage; an hour after a failure; a success from the future counts for nothing."""
    said = Standing(TWO - timedelta(days=30), None if good is None else TWO + good, "", tried and TWO + tried)
    if tried is not None:
        said = Standing(said.since, said.good_at, "", TWO + tried)
    assert due(TWO + after_two, 2, said) is expected


def test_the_hour_is_warsaws_on_the_days_of_the_change() -> None:
    """02:00 does not exist on 28 March 2027 and comes twice on 25 October 2026: one backup each day, none left out."""
    for day in (datetime(2027, 3, 27, tzinfo=UTC), datetime(2026, 10, 24, tzinfo=UTC)):
        good, made = day - timedelta(hours=1), 0
        for minutes in range(0, 3 * 24 * 60, 10):
            now = day + timedelta(minutes=minutes)
            if due(now, 2, Standing(day, good)):
                good, made = now, made + 1
        assert made == 3


def test_retention_keeps_days_weeks_months_and_always_the_newest() -> None:
    """Of 400 daily backups: 7 days, 4 weeks, 12 months, each its newest; two of a day are one; never the newest."""
    made = [(f"b{n}", TWO - timedelta(days=n)) for n in range(400)] + [("b0-early", TWO - timedelta(minutes=5))]
    gone = superseded(made, Keep(7, 4, 12))
    kept = [name for name, _ in made if name not in gone]
    assert kept[:7] == [f"b{n}" for n in range(7)]
    assert "b0-early" in gone
    assert {"b11", "b18", "b26"} <= set(kept)
    assert len(kept) == 7 + 2 + 11
    assert superseded(made[:1], Keep(1, 0, 0)) == []


def test_worries() -> None:
    """Older than two days is worse than failed once; a beginning has two days' time."""
    assert worry(Standing(TWO), TWO + timedelta(days=2)) == ""
    assert worry(Standing(TWO), TWO + timedelta(days=2, seconds=1)) == "old"
    fresh = Standing(TWO, TWO, "f", TWO, "Dysk.", "")
    assert worry(fresh, TWO + timedelta(days=1)) == "failed"
    assert worry(fresh, TWO + timedelta(days=3)) == "old"
    assert standing(fresh.as_value()) == fresh


def test_names() -> None:
    """The instant in UTC, and the ending of age."""
    assert name_at(TWO, sealed=False) == "sluza-20261126T010000Z.tar"
    assert NAME.fullmatch(name_at(TWO, sealed=True))
    assert not NAME.fullmatch("sluza-20261126T010000Z.tar.age.json")


def test_every_file_that_the_configuration_names_is_known() -> None:
    """A new field that names a file belongs into backups, or is none: the list and the readers say the same."""
    read: set[str] = set()
    for path in [ROOT / "spool/settings.py", *(ROOT / "gateway").rglob("settings.py"), ROOT / "agent/settings.py"]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "path":
                read |= {arg.value for arg in node.args[:1] if isinstance(arg, ast.Constant)}
    assert read - {"state", "folders"} == contents.FILES


def test_the_table_refuses_a_key_that_is_none(tmp_path: Path) -> None:
    """By field name, with the value, and what it should be."""
    with pytest.raises(ConfigError, match=re.escape("backup.recipient")):
        backup_settings.read(Table("", {"backup": {"recipient": "ssh-rsa AAAA"}}, tmp_path))
    plain = backup_settings.read(Table("", {}, tmp_path))
    assert (plain.directory, plain.hour, plain.keep) == (None, 2, Keep(14, 8, 12))
