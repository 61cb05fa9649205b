"""What a late document may cost: art. 106ni, from 1 January 2027. Pure; decimals, never floats.

The act names upper limits and leaves the amount to the tax office, so these figures are the most that is at stake.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

from spool.domain.calendar import warsaw_date

SINCE = date(2027, 1, 1)
"""Art. 106ni is applied from this day; a term that ended earlier costs nothing."""
OF_GROSS = Decimal("0.187")
"""Art. 106ni: of the gross amount, where the invoice shows no VAT. Where it shows some, all of that."""
_GROSZ = Decimal("0.01")


@dataclass(frozen=True)
class Amounts:
    """What an invoice says, as decimal strings: `vat` (PLN), `gross` and its currency."""

    vat: str
    gross: str
    currency: str


@dataclass(frozen=True)
class Exposure:
    """The sum of what may be at stake in PLN, and how many documents cannot be priced (no VAT, foreign currency)."""

    total: Decimal = Decimal(0)
    unpriced: int = 0


def applies(due: datetime) -> bool:
    """True for a term that ends on a day on which the penalty is in force."""
    return warsaw_date(due) >= SINCE


def most(amounts: Amounts) -> Decimal | None:
    """The most that one late document may cost, in PLN to the grosz; None where the invoice does not let us tell.

    A tax of zero is none shown. A correction counts by the size of its amounts, whatever their sign: the act does not
    say otherwise, and this is an upper limit.
    """
    vat = _number(amounts.vat)
    if vat:
        return abs(vat).quantize(_GROSZ, ROUND_HALF_UP)
    gross = _number(amounts.gross)
    if gross is None or amounts.currency != "PLN":
        return None
    return (abs(gross) * OF_GROSS).quantize(_GROSZ, ROUND_HALF_UP)


def exposure(documents: Iterable[Amounts]) -> Exposure:
    """What several late documents may cost together."""
    total, unpriced = Decimal(0), 0
    for amounts in documents:
        price = most(amounts)
        if price is None:
            unpriced += 1
        else:
            total += price
    return Exposure(total, unpriced)


def _number(text: str) -> Decimal | None:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None
