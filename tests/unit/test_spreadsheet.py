"""What a spreadsheet would make something else of stays what it is."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spool.domain.spreadsheet import csv_amount, csv_text, one_line


@pytest.mark.parametrize(
    "text",
    [
        "=1+1", "+48 600", "-5", "@SUM(A1)", "＝1+1", "＋1", "－1", "＠x", "﹦1", "−1", "|x", "\t=1", "\r=1", " =1",
        "\u200b=1", "\u202e=1", "%x",
    ],
)  # fmt: skip
def test_fault_X14_a_formula_is_a_text(text: str) -> None:
    """Plain, full-width and small forms, also behind white space and signs that nobody sees."""
    assert csv_text(text).startswith("'")


@pytest.mark.parametrize(
    "text",
    [
        "5250000015", "12 3456 7890", "61109010140000071219812874", "00011", "1/2026", "11/12/2026", "2026-11-26",
        "26.11.2026", "1E5", "1e10", "12:30", "5080014460-00011", "3-mar", "maj 2026", "12 sie", "XII/2026",
        "1,5", "50%", "100 zł", "TRUE", "Fałsz", "１２",
    ],
)  # fmt: skip
def test_what_looks_like_a_number_or_a_day_stays_a_text(text: str) -> None:
    """Identifiers and invoice numbers that Excel of any country would turn into something else."""
    assert csv_text(text) == f"'{one_line(text)}"


@pytest.mark.parametrize(
    "text",
    [
        "FV/1/2026", "SP1/26/11", "5080014460-20261126-FEDCA4967467-B7", "Jan Nowak", "Zakład „Źródło” sp. z o.o.", "",
        "PL61109010140000071219812874", "3M Poland", "Mariola 2000 s.c.",
    ],
)  # fmt: skip
def test_what_is_a_text_anyway_is_left_alone(text: str) -> None:
    """Most cells have no apostrophe."""
    assert csv_text(text) == text


@given(st.text(max_size=60))
def test_no_cell_of_a_csv_begins_as_a_formula(text: str) -> None:
    """Whatever a supplier calls itself."""
    assert csv_text(text)[:1] not in {"=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"}


@given(st.text())
def test_a_cell_is_one_line_that_a_workbook_can_hold(text: str) -> None:
    """No line breaks, no control characters, not longer than Excel allows."""
    shown = one_line(text)
    assert len(shown) <= 32_767
    assert all(c.isprintable() for c in shown if c != " " and not c.isspace())
    assert shown == one_line(shown)


@pytest.mark.parametrize(
    ("amount", "shown"),
    [("1234.5", "1234,50"), ("-0.01", "-0,01"), ("0", "0,00"), ("1.2345", "1,2345"), ("100", "100,00")],
)
def test_amounts_have_a_decimal_comma(amount: str, shown: str) -> None:
    """Two places at least, no separators of thousands; a correction is a negative number and no text."""
    assert csv_amount(Decimal(amount)) == shown
