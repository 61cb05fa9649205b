"""When a document must be in KSeF: one function per legal rule, the article beside it (domain rules §1).

Announced outages come with the deadline engine; here stand the base rules that need no announcement.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from spool.domain.calendar import end_of_day, warsaw_date, working_day_after
from spool.domain.document import Mode


@dataclass(frozen=True)
class Due:
    """The safe date (23:59:59 Warsaw of the last permitted day), the articles, and one Polish sentence."""

    safe: datetime
    basis: str
    explanation: str


def due(mode: Mode, issue_date: date, now: datetime, changes: Mapping[date, bool] | None = None) -> Due:
    """The base deadline of a document not yet handed over at `now`."""
    if mode is Mode.OFFLINE24:
        return offline24(issue_date, changes)
    if warsaw_date(now) <= issue_date:
        return online(issue_date)
    return online_missed(issue_date, changes)


def online(issue_date: date) -> Due:
    """Art. 106na(1): an online invoice is handed over on its issue date."""
    safe = end_of_day(issue_date)
    return Due(safe, "art. 106na ust. 1", f"Faktura online: do końca dnia wystawienia, {issue_date:%d.%m.%Y}.")


def online_missed(issue_date: date, changes: Mapping[date, bool] | None = None) -> Due:
    """Art. 106nda(16): deemed offline24; paragraph 2 is not applied expressly, so this is the safe reading."""
    last = working_day_after(issue_date, 1, changes)
    text = f"Nie wysłano w dniu wystawienia: najbezpieczniej do końca następnego dnia roboczego, {last:%d.%m.%Y}."
    return Due(end_of_day(last), "art. 106nda ust. 16", text)


def offline24(issue_date: date, changes: Mapping[date, bool] | None = None) -> Due:
    """Art. 106nda(2): the next working day after the issue date."""
    last = working_day_after(issue_date, 1, changes)
    text = f"Tryb offline24: do końca następnego dnia roboczego po dniu wystawienia, {last:%d.%m.%Y}."
    return Due(end_of_day(last), "art. 106nda ust. 2", text)
