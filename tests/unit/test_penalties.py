"""What a late document may cost (art. 106ni), to the grosz."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spool.domain.penalties import Amounts, Exposure, applies, exposure, most


@pytest.mark.parametrize(
    ("vat", "gross", "currency", "expected"),
    [
        ("23.00", "123.00", "PLN", "23.00"),
        ("23.00", "30.00", "EUR", "23.00"),  # the tax is in PLN on every invoice
        ("", "1000.00", "PLN", "187.00"),
        ("0.00", "1000.00", "PLN", "187.00"),  # a tax of zero is none shown
        ("", "0.03", "PLN", "0.01"),
        ("-23.00", "-123.00", "PLN", "23.00"),
        ("", "1000.00", "EUR", None),
        ("", "", "PLN", None),
        ("NaN", "tysiąc", "PLN", None),
    ],
)
def test_the_most_that_one_document_may_cost(vat: str, gross: str, currency: str, expected: str | None) -> None:
    """All of the VAT shown, or 18.7 % of the gross amount; nothing is guessed."""
    assert most(Amounts(vat, gross, currency)) == (None if expected is None else Decimal(expected))


def test_documents_without_a_price_are_counted_apart() -> None:
    """The sum never pretends to be complete."""
    documents = [Amounts("23.00", "123.00", "PLN"), Amounts("", "100.00", "PLN"), Amounts("", "100.00", "EUR")]
    assert exposure(documents) == Exposure(Decimal("41.70"), 1)


@pytest.mark.parametrize(
    ("due", "expected"),
    [
        (datetime(2026, 12, 31, 22, 59, 59, tzinfo=UTC), False),
        (datetime(2026, 12, 31, 23, 0, 0, tzinfo=UTC), True),  # midnight in Warsaw
    ],
)
def test_the_penalty_begins_with_2027_in_warsaw(due: datetime, expected: bool) -> None:
    """Not with 2027 in UTC."""
    assert applies(due) is expected


@given(st.lists(st.decimals(Decimal("-1e9"), Decimal("1e9"), places=2)))
def test_a_sum_is_exact(amounts: list[Decimal]) -> None:
    """No amount is lost to rounding, however many there are."""
    priced = [Amounts(str(a), "", "PLN") for a in amounts if a]
    assert exposure(priced).total == sum((abs(a) for a in amounts), Decimal(0))
