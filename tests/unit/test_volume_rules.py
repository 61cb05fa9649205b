"""When the archives are looked at, what is old enough, what a volume is called."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from spool.backup import manifest
from spool.domain import volumes
from spool.domain.volumes import Standing, cutoff, due, may_seal, read_all, standing, volume_of

NIGHT = datetime(2026, 11, 26, 2, 30, tzinfo=UTC)  # half past three in Warsaw


@pytest.mark.parametrize(
    ("now", "months", "before"),
    [
        (datetime(2026, 11, 26, 12, tzinfo=UTC), 13, "2025-10-26T00:00:00+02:00"),
        (datetime(2027, 3, 31, 12, tzinfo=UTC), 13, "2026-02-28T00:00:00+01:00"),  # no 31 February
        (datetime(2026, 12, 31, 23, 30, tzinfo=UTC), 12, "2026-01-01T00:00:00+01:00"),  # the next day here
    ],
)
def test_the_cut_is_a_midnight_of_warsaw(now: datetime, months: int, before: str) -> None:
    """Whole months back from today."""
    assert cutoff(now, months).isoformat() == before


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (Standing(), True),
        (Standing(good_at=NIGHT - timedelta(minutes=20), tried_at=NIGHT - timedelta(minutes=20)), False),
        (Standing(good_at=NIGHT - timedelta(hours=5), tried_at=NIGHT - timedelta(hours=5)), True),
        (Standing(tried_at=NIGHT - timedelta(minutes=59)), False),
        (Standing(tried_at=NIGHT - timedelta(minutes=61)), True),
        (Standing(good_at=NIGHT + timedelta(days=300)), True),  # a clock that has gone back
    ],
)
def test_one_look_a_night_and_an_hour_after_a_failure(said: Standing, expected: bool) -> None:
    """The hour is Warsaw's; a clock set back does not stop the looks."""
    assert due(NIGHT, 3, said) is expected


def test_new_volumes_once_in_a_month_of_warsaw() -> None:
    """Half past eleven in UTC on the last evening of November is December here."""
    november = datetime(2026, 11, 1, 3, tzinfo=UTC)
    assert may_seal(NIGHT, None)
    assert not may_seal(NIGHT, november)
    assert may_seal(datetime(2026, 11, 30, 23, 30, tzinfo=UTC), november)


def test_every_byte_is_read_weekly_and_at_once_where_something_is_wrong() -> None:
    """What was damaged yesterday may have been put back."""
    read = Standing(read_at=NIGHT - timedelta(days=6))
    assert not read_all(NIGHT, read)
    assert read_all(NIGHT + timedelta(days=1), read)
    assert read_all(NIGHT, Standing(read_at=NIGHT, damaged={"2025-1": "nie ma pliku"}))


def test_the_standing_survives_the_spool() -> None:
    """As a condition and back."""
    said = Standing(NIGHT, NIGHT, None, "powód", "rada", {"2025-1": "nie ma pliku"})
    assert standing(json.loads(json.dumps(said.as_value()))) == said


@pytest.mark.parametrize(
    "name", ["2025-0.db", "2025.db", "25-1.db", "2025-1.db.damaged", ".sluza-t1-2025-1.db", "2025-1"]
)
def test_only_volumes_are_volumes(name: str) -> None:
    """Whatever else lies in the directory is none of ours."""
    assert volume_of(name) == ""
    assert volume_of(volumes.file_of("2025-12")) == "2025-12"


def test_a_backup_from_before_there_were_volumes_is_read() -> None:
    """It names none."""
    old = {
        "made_at": "2026-11-01T02:00:00+00:00", "program": "0.1.0", "schema": "m0025", "instance": "i",
        "history": [1, "h", ""], "counts": {}, "parts": [], "left_out": [], "format": 1,
    }  # fmt: skip
    assert manifest.read(json.dumps(old).encode()).volumes == ()
