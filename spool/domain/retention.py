"""How long a document is kept: its class, and when KSeF itself stops keeping it (JST §7, art. 112aa).

KSeF keeps an invoice for ten years from the end of the year of its issue. What has to be kept longer (fixed assets,
grants, long investments) is kept by the municipality, so somebody must know before KSeF lets go.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

KSEF_YEARS = 10
FOR_EVER = 0
_TOLD_SINCE = 10
"""October: three months to see to it that nothing is needed from there any more."""
DEFAULT = "KSeF-10"
"""The class that everything has where the configuration names no other: as long as KSeF keeps it."""


@dataclass(frozen=True)
class Classes:
    """Classes by name with their years from the end of the year of issue; 0 years are for ever.

    `default` is for units that name none of their own.
    """

    years: Mapping[str, int] = field(default_factory=lambda: {DEFAULT: KSEF_YEARS})
    default: str = DEFAULT
    units: Mapping[str, str] = field(default_factory=dict)

    def of(self, unit: str | None, own: str | None) -> str:
        """The class of a document: its own where a person gave it one, else its unit's, else the default."""
        return own or self.units.get(unit or "", self.default)

    def until(self, name: str, issued: date | None) -> date | None:
        """The last day on which a document of this class must be kept; None for ever, or while it has no issue date."""
        years = self.years.get(name, FOR_EVER)
        return _end_of_year(issued, years) if issued and years != FOR_EVER else None


def letting_go(today: date) -> int | None:
    """The year of issue whose invoices KSeF lets go of at the end of this year; None before October."""
    return today.year - KSEF_YEARS if today.month >= _TOLD_SINCE else None


def _end_of_year(issued: date, years: int) -> date | None:
    """None beyond the calendar: a received document may carry any date."""
    return date(issued.year + years, 12, 31) if issued.year + years <= date.max.year else None
