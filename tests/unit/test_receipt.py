"""The day of receipt of a purchase (JST rules D1–D4), and how long it is kept (§7)."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from spool.domain.announcements import Announcement, Category
from spool.domain.document import Facts
from spool.domain.ledger import Received
from spool.domain.receipt import ACTUAL, NUMBER_DAY, receipt_of
from spool.domain.retention import Classes, letting_go

NUMBERED = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
FAILURE = Announcement(
    "f1", Category.FAILURE, datetime(2026, 11, 17, 10, 0, tzinfo=UTC), datetime(2026, 11, 18, 10, 0, tzinfo=UTC),
    datetime(2026, 11, 17, 10, 0, tzinfo=UTC),
)  # fmt: skip
WINDOW = replace(FAILURE, id="m1", category=Category.MAINTENANCE)


def bought(mode: str = "Offline", issued: date | None = date(2026, 11, 17), at: datetime = NUMBERED) -> Received:
    """A purchase with a number of that moment."""
    return Received(
        "N", "gmina", "5" * 64, Facts(issue_date=issued), {"invoicingMode": mode}, at, at, "sp1", "r", "w", 1, at, None
    )


def test_rule_D1_the_day_of_the_number_in_warsaw() -> None:
    """Also for offline24, and just after midnight in Warsaw."""
    assert receipt_of(bought(), None, ()).day == date(2026, 11, 20)
    night = bought(at=datetime(2026, 11, 30, 23, 0, tzinfo=UTC))
    assert receipt_of(night, None, ()).day == date(2026, 12, 1)


def test_rule_D2_in_a_failure_the_actual_receipt_unless_the_number_came_earlier() -> None:
    """An entered day before the number counts; a later one, or the same, does not."""
    assert receipt_of(bought(), date(2026, 11, 17), (FAILURE,)).day == date(2026, 11, 17)
    assert receipt_of(bought(), date(2026, 11, 17), (FAILURE,)).rule == ACTUAL
    for entered in (date(2026, 11, 20), date(2026, 11, 25)):
        assert receipt_of(bought(), entered, ()).rule == NUMBER_DAY


@pytest.mark.parametrize(
    ("mode", "issued", "periods", "asked"),
    [
        ("Offline", date(2026, 11, 17), (FAILURE,), True),
        ("Offline", date(2026, 11, 18), (FAILURE,), True),
        ("Offline", date(2026, 11, 19), (FAILURE,), False),
        ("Offline", date(2026, 11, 16), (FAILURE,), False),
        ("Online", date(2026, 11, 17), (FAILURE,), False),
        ("Offline", None, (FAILURE,), False),
        ("Offline", date(2026, 11, 17), (WINDOW,), False),
        ("Offline", date(2026, 12, 24), (replace(FAILURE, end=None),), True),
    ],
)
def test_rule_D2_a_missing_day_is_asked_for(
    mode: str, issued: date | None, periods: tuple[Announcement, ...], asked: bool
) -> None:
    """Only of an offline purchase issued on a day of a failure; rule D3: a maintenance window changes nothing."""
    found = receipt_of(bought(mode, issued), None, periods)
    assert (found.day, bool(found.look)) == (date(2026, 11, 20), asked)


def test_a_class_is_the_documents_own_its_units_or_the_default() -> None:
    """In this order; years count from the end of the year of issue, 0 is for ever."""
    classes = Classes({"KSeF-10": 10, "B25": 25, "A": 0}, units={"sp1": "B25"})
    assert [classes.of("sp1", "A"), classes.of("sp1", None), classes.of("ops", None)] == ["A", "B25", "KSeF-10"]
    assert classes.of(None, None) == "KSeF-10"
    assert classes.until("B25", date(2026, 1, 1)) == date(2051, 12, 31)
    assert classes.until("A", date(2026, 1, 1)) is None
    assert classes.until("B25", None) is None
    assert classes.until("B25", date(9999, 1, 1)) is None


def test_ksef_keeps_ten_years_from_the_end_of_the_year() -> None:
    """Art. 112aa; told from October of the last year."""
    assert Classes().until("KSeF-10", date(2026, 1, 1)) == date(2036, 12, 31)
    assert letting_go(date(2036, 9, 30)) is None
    assert letting_go(date(2036, 10, 1)) == letting_go(date(2036, 12, 31)) == 2026
