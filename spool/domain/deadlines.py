"""When a document must be in KSeF: which rule of `spool.domain.terms` applies to it. Pure: `now` is an argument."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime

from spool.domain.announcements import Announcement, Category, known
from spool.domain.calendar import WARSAW, Changes, end_of_day, start_of_day, warsaw_date, working_day_after
from spool.domain.document import Mode
from spool.domain.modes import Issue, Resolved, one_period, resolve
from spool.domain.terms import (
    DueState,
    Term,
    another_failure,
    failure,
    failure_after_offline24,
    failure_after_unavailability,
    issued_in_total_failure,
    local_after_maintenance,
    offline24,
    online,
    online_missed,
    total_failure_announced,
    unannounced,
    unavailability,
    written,
)


@dataclass(frozen=True)
class Deadline:
    """The answer for one document.

    `safe` and `local` are 23:59:59 Warsaw of the last day; `local` only where a municipal rule gives another date.
    `mode` and `issued_at` are the legal ones; `deemed` when art. 106nda(16) makes an online document offline24.
    `because` is the announcement that last changed the date, `used` every one that played a part.
    """

    mode: Mode
    issued_at: datetime
    deemed: bool
    safe: datetime | None
    local: datetime | None
    state: DueState
    basis: tuple[str, ...]
    explanation: str
    because: str = ""
    used: tuple[str, ...] = ()


def assess(
    issue: Issue,
    announcements: Iterable[Announcement],
    now: datetime,
    *,
    handed_over: datetime | None = None,
    changes: Changes | None = None,
    local_maintenance: bool = False,
) -> Deadline:
    """The deadline of one document at `now`.

    `handed_over` is a hand-over that was not rejected: it closes the matter, so later announcements play no part.
    `changes` are the configuration's days; `local_maintenance` says that the order of deadlines K3 is in force.
    """
    announcements = tuple(announcements)
    today = known(announcements, now)
    heard = today if handed_over is None else known(announcements, min(handed_over, now))
    resolved = _announced_in_time(issue, resolve(issue, heard, now, handed_over), changes)
    if min(now, handed_over or now) < start_of_day(issue.date):
        return _not_issued(issue, resolved.at)
    missed = resolved.mode is Mode.ONLINE and (issue.missed or warsaw_date(handed_over or now) > issue.date)
    mode = Mode.OFFLINE24 if missed else resolved.mode
    term = _term(mode, resolved, issue.date, heard, changes, missed=missed)
    state = _state(term, now, handed_over)
    if state is DueState.MET and term.last_day is None:
        term = _dated(term, _term(mode, resolved, issue.date, _ended(heard, today), changes, missed=missed))
    local = _local(term, mode, resolved.at, heard, changes) if local_maintenance else None
    used = {a.reference: None for a in (resolved.announcement, term.because) if a is not None}
    return Deadline(
        mode, resolved.at, missed,
        end_of_day(term.last_day) if term.last_day else None,
        end_of_day(local) if local else None,
        state, term.basis, _sentence(term, state, handed_over),
        term.because.reference if term.because else "", tuple(used),
    )  # fmt: skip


def _ended(then: tuple[Announcement, ...], today: tuple[Announcement, ...]) -> tuple[Announcement, ...]:
    """What was announced until a hand-over, as it was announced then, with the ends that were named only later."""
    ends = {one.key: (one.end, one.end_published) for one in today}
    return tuple(
        replace(one, end=ends[one.key][0], end_published=ends[one.key][1]) if one.end is None else one for one in then
    )


def _dated(then: Term, today: Term) -> Term:
    """A term that was open at the hand-over gets its date afterwards; the duty itself was done with."""
    return then if today.over else today


def _announced_in_time(issue: Issue, found: Resolved, changes: Changes | None) -> Resolved:
    """A period counts for what was issued inside it only if its notice came within the term that runs without it:
    the publication decides, not the fault (art. 106nf(5), 106nh(3); deadlines E4)."""
    notice = found.announcement
    if notice is not None and _late(notice.published, working_day_after(issue.date, 1, changes)):
        return replace(found, announcement=None)
    return found


def _term(
    mode: Mode,
    resolved: Resolved,
    issued: date,
    heard: tuple[Announcement, ...],
    changes: Changes | None,
    *,
    missed: bool,
) -> Term:
    """The term of a document in its legal mode, with everything that was announced within it."""
    inside = next((a for a in heard if resolved.announcement and a.key == resolved.announcement.key), None)
    term = _base(mode, issued, inside, heard, changes, missed=missed)
    if mode is Mode.ONLINE:
        return term
    return _after_announcements(term, mode if inside else Mode.OFFLINE24, resolved.at, heard, changes)


def _base(
    mode: Mode,
    issued: date,
    inside: Announcement | None,
    heard: tuple[Announcement, ...],
    changes: Changes | None,
    *,
    missed: bool,
) -> Term:
    """The term with which a document of this mode begins. Without a recorded announcement the earlier one holds."""
    if missed:
        return online_missed(issued, changes)
    if mode is Mode.ONLINE:
        return online(issued)
    if mode is Mode.OFFLINE24:
        return offline24(issued, changes)
    if inside is None:
        return unannounced(issued, mode, changes)
    if inside.category is Category.TOTAL_FAILURE:
        return issued_in_total_failure(inside)
    rule = failure if inside.category is Category.FAILURE else unavailability
    alone = rule(inside, changes)
    return rule(_latest(one_period(inside, heard, alone.last_day)), changes)


def _after_announcements(
    term: Term, mode: Mode, issued_at: datetime, heard: tuple[Announcement, ...], changes: Changes | None
) -> Term:
    """What was announced within the term, in the order of publication (deadlines §3).

    The publication of the notice decides, not the fault: at or after the issue, and not after the term's last day.
    What was over before the issue is no reason to wait, whenever its notice came (deadlines E2).
    `mode` is the one whose term it is: a document issued inside no recorded period is treated as offline24.
    """
    periods = [term.because] if mode is Mode.FAILURE and term.because else []
    rule = _NEXT_FAILURE.get(mode, another_failure)
    for notice in heard:
        if term.over is not None:
            break
        in_term = issued_at <= notice.published and not _late(notice.published, term.last_day)
        over_before = notice.end is not None and notice.end <= issued_at
        if notice in periods or notice.category is Category.MAINTENANCE or over_before or not in_term:
            continue
        if notice.category is Category.TOTAL_FAILURE:
            term = total_failure_announced(mode, notice)
        else:
            periods.append(notice)
            term = rule(_latest(periods), changes)
            rule = another_failure
    return term


_NEXT_FAILURE = {Mode.OFFLINE24: failure_after_offline24, Mode.UNAVAILABILITY: failure_after_unavailability}
"""What the first failure announced within a term means; every later one, and after a failure, is another failure."""


def _latest(periods: Iterable[Announcement]) -> Announcement:
    """Of several periods the one that ends last; one without a named end outlasts all."""
    return max(periods, key=lambda p: (p.end is None, p.end or p.start, p.published, p.id))


def _local(
    term: Term, mode: Mode, issued_at: datetime, heard: tuple[Announcement, ...], changes: Changes | None
) -> date | None:
    """The date of the municipal order, where it is later than the safe one."""
    if mode is not Mode.OFFLINE24 or term.last_day is None:
        return None
    ends = end_of_day(term.last_day)
    days = [
        local_after_maintenance(a, changes)
        for a in heard
        if a.category is Category.MAINTENANCE and a.start <= ends and not (a.end and a.end <= issued_at)
    ]
    later = [day for day in days if day is not None and day > term.last_day]
    return max(later, default=None)


def _late(moment: datetime, last_day: date | None) -> bool:
    """After the last day; a term without a date is never over."""
    return last_day is not None and warsaw_date(moment) > last_day


def _state(term: Term, now: datetime, handed_over: datetime | None) -> DueState:
    if term.over is not None:
        return term.over
    if handed_over is not None:
        return DueState.OVERDUE if _late(handed_over, term.last_day) else DueState.MET
    if term.last_day is None:
        return DueState.PENDING
    return DueState.OVERDUE if _late(now, term.last_day) else DueState.OPEN


def closed(due: datetime | None, state: DueState, handed_over: datetime) -> DueState:
    """Where a duty stands once the document has its number: handed over in time or not. One that is over stays so."""
    if state in {DueState.CEASED, DueState.NONE}:
        return state
    return DueState.OVERDUE if _late(handed_over, warsaw_date(due) if due else None) else DueState.MET


def _not_issued(issue: Issue, at: datetime) -> Deadline:
    """KSeF refuses a `P_1` in the future (docs: weryfikacja-faktury.md): there is no duty before the issue."""
    text = f"Data wystawienia {written(issue.date)} jeszcze nie nadeszła: KSeF nie przyjmie faktury, terminu nie ma."
    basis = ("dokumentacja KSeF (weryfikacja faktury)",)
    return Deadline(issue.mode, at, False, None, None, DueState.NONE, basis, text)


def _sentence(term: Term, state: DueState, handed_over: datetime | None) -> str:
    text = term.text[0].upper() + term.text[1:]
    if handed_over is not None and state in {DueState.MET, DueState.OVERDUE}:
        when = "w terminie" if state is DueState.MET else "po terminie"
        if state is DueState.MET and _late(handed_over, term.last_day):
            when = "przed ogłoszeniem końca"
        text += f"; przesłano {when}, {handed_over.astimezone(WARSAW):%d.%m.%Y, godz. %H:%M}"
    elif state is DueState.OVERDUE:
        text += "; termin minął"
    return text + "."
