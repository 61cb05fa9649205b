"""The law of terms: one function per rule, its article beside it (VAT Act, wording of 1 February 2026).

Read it as the act is read; guidance is marked as such. Day 0 is never counted, a term ends at 23:59:59 Warsaw of its
last day. The date is the *safe* one: the earliest that any reading of the act or official guidance supports. Which rule
applies to a document is said in `spool.domain.deadlines`.
"""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from spool.domain.announcements import Announcement, Category
from spool.domain.calendar import Changes, warsaw_date, working_day_after
from spool.domain.document import Mode

FAILURE_DAYS = 7
"""Art. 106nf(4): working days from the day the failure ended."""


class DueState(StrEnum):
    """Where the duty to hand over stands."""

    OPEN = "open"
    PENDING = "pending"
    MET = "met"
    OVERDUE = "overdue"
    CEASED = "ceased"
    NONE = "none"


@dataclass(frozen=True)
class Term:
    """What one rule says: the last permitted day (None: no date can be told yet), the articles, a Polish clause.

    `over` is set when there is no duty at all: it ceased, or never was. `because` is the announcement that decided.
    """

    last_day: date | None
    basis: tuple[str, ...]
    text: str
    because: Announcement | None = None
    over: DueState | None = None


def online(issued: date) -> Term:
    """Art. 106na(1): an online invoice is handed over on its issue date."""
    return Term(issued, ("art. 106na ust. 1",), f"faktura online: do końca dnia wystawienia, {written(issued)}")


def online_missed(issued: date, changes: Changes | None = None) -> Term:
    """Art. 106nda(16): deemed offline24; paragraph 2 is not applied expressly, so the next working day is the safe
    reading of a term that commentators dispute."""
    last = working_day_after(issued, 1, changes)
    text = f"nie przesłano w dniu wystawienia: najbezpieczniej do końca następnego dnia roboczego, {written(last)}"
    return Term(last, ("art. 106nda ust. 16", "art. 106nda ust. 2 (ostrożnie)"), text)


def offline24(issued: date, changes: Changes | None = None) -> Term:
    """Art. 106nda(2): the next working day after the issue date."""
    last = working_day_after(issued, 1, changes)
    text = f"tryb offline24: do końca następnego dnia roboczego po dniu wystawienia, {written(last)}"
    return Term(last, ("art. 106nda ust. 2",), text)


def unannounced(issued: date, mode: Mode, changes: Changes | None = None) -> Term:
    """No recorded announcement covers the issue: the later date needs evidence, so the term is that of offline24."""
    last = working_day_after(issued, 1, changes)
    text = f"brak komunikatu, na którym opiera się {_NAMES[mode]}: liczymy jak offline24, do końca {written(last)}"
    return Term(last, ("art. 106nda ust. 2",), text)


_NAMES = {category.mode: f"tryb „{category.label}”" for category in Category}


def unavailability(window: Announcement, changes: Changes | None = None) -> Term:
    """Art. 106nh(1)-(2): the next working day after the day the maintenance window ends."""
    basis = ("art. 106nh ust. 1", "art. 106nh ust. 2")
    if window.end is None:
        return Term(None, basis, "niedostępność KSeF trwa: termin poznamy, gdy się skończy", window)
    ended = warsaw_date(window.end)
    last = working_day_after(ended, 1, changes)
    text = f"niedostępność KSeF do {written(ended)}: do końca następnego dnia roboczego po tym dniu, {written(last)}"
    return Term(last, basis, text, window)


def failure(ended: Announcement, changes: Changes | None = None) -> Term:
    """Art. 106nf(1), (4): the seventh working day from the day the failure ended, as its end notice names it."""
    return _seven_days(ended, ("art. 106nf ust. 1", "art. 106nf ust. 4"), "awaria KSeF", changes)


def another_failure(ended: Announcement, changes: Changes | None = None) -> Term:
    """Art. 106nf(5): a failure announced within the term; the seven days run from the end of the later one."""
    return _seven_days(ended, ("art. 106nf ust. 5", "art. 106nf ust. 4"), "kolejna awaria KSeF w terminie", changes)


def failure_after_unavailability(ended: Announcement, changes: Changes | None = None) -> Term:
    """Art. 106nh(3)(1): a failure announced within the term of an unavailability; art. 106nf(4)-(5) apply instead."""
    basis = ("art. 106nh ust. 3 pkt 1", "art. 106nf ust. 4")
    return _seven_days(ended, basis, "awaria KSeF w terminie po niedostępności", changes)


def failure_after_offline24(ended: Announcement, changes: Changes | None = None) -> Term:
    """MF guidance (tryby-offline.md): a failure announced within the offline24 term; art. 106nda has no such paragraph,
    art. 106nf(4)-(5) by analogy (deadlines K4)."""
    basis = ("objaśnienia MF (tryby offline)", "art. 106nf ust. 4–5 (odpowiednio)")
    return _seven_days(ended, basis, "awaria KSeF w terminie offline24", changes)


def issued_in_total_failure(window: Announcement) -> Term:
    """Art. 106ne(3), 106ng: never sent to KSeF, no QR codes."""
    text = "faktura wystawiona w czasie awarii całkowitej: nie przesyła się jej do KSeF"
    return Term(None, ("art. 106ng",), text, window, DueState.NONE)


_CEASES = {
    Mode.FAILURE: ("art. 106nf ust. 7",),
    Mode.UNAVAILABILITY: ("art. 106nh ust. 3 pkt 2",),
    Mode.OFFLINE24: ("objaśnienia MF (tryby offline)", "art. 106nf ust. 7 i 106nh ust. 3 pkt 2 (odpowiednio)"),
}


def total_failure_announced(mode: Mode, notice: Announcement) -> Term:
    """Art. 106nf(7), 106nh(3)(2), for offline24 by MF guidance: the duty to hand over ceases for good."""
    text = (
        f"awaria całkowita ogłoszona {written(warsaw_date(notice.published))} w terminie: obowiązek przesłania wygasł"
    )
    return Term(None, _CEASES[mode], text, notice, DueState.CEASED)


def local_after_maintenance(window: Announcement, changes: Changes | None = None) -> date | None:
    """A municipal order, not the act (deadlines K3): maintenance in the offline24 term moves it past the window."""
    return working_day_after(warsaw_date(window.end), 1, changes) if window.end else None


def _seven_days(ended: Announcement, basis: tuple[str, ...], what: str, changes: Changes | None) -> Term:
    """The seventh working day after the day on which a failure ended."""
    if ended.end is None:
        return Term(None, basis, f"{what} trwa: termin poznamy, gdy ogłoszą jej koniec", ended)
    day = warsaw_date(ended.end)
    last = working_day_after(day, FAILURE_DAYS, changes)
    text = f"{what} zakończona {written(day)}: do końca 7. dnia roboczego po tym dniu, {written(last)}"
    return Term(last, basis, text, ended)


def written(day: date) -> str:
    """A day as Polish sentences have it."""
    return f"{day:%d.%m.%Y}"
