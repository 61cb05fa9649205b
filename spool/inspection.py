"""`sluza check` on the spool: step after step on one snapshot, nothing kept but what was found.

Every step looks at many things and reports what is wrong with some of them. A step that cannot read its table says so
and the next one goes on: a damaged file still tells as much as it can.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

from spool import bodies
from spool.domain import invariants, registered
from spool.domain.invariants import MEANING, REPORT, RESTORE, SPOOL, Around, Finding
from spool.domain.ledger import ALIVE, ALIVE_EVERY_S
from spool.domain.volumes import PUT_BACK
from spool.store import LONGEST_PAUSE, Store, Unreadable
from spool.volumes import look

T = TypeVar("T")
Tell = Callable[[str, int, int], None]
"""Told what is being looked at, how many of them are done, and how many there are."""
_KEPT = 1000
"""Findings kept of each invariant; the others are only counted."""
_TOLD_EVERY = 500
_FILE_SENTENCES = 20
_BEATS_MISSED = 4
_ALARMS_TAKE = timedelta(minutes=15)
"""A passed date is told within seconds; several of one unit in one message after ten minutes."""
_CLOCKS_DIFFER = timedelta(hours=1)
_DAMAGED = (Unreadable, ValueError, TypeError, LookupError, AttributeError, RecursionError)
"""What comes out of a damaged page: no row at all, or a row that is none of ours."""
_OF_A_LIFE = ("I4", "I5", "I6", "I9", "I10", "I11", "I12")


@dataclass
class Report:
    """What was looked at and what was found. `readable` is False when a part of the spool could not be read."""

    looked: dict[str, int] = field(default_factory=dict)
    broken: dict[str, int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    readable: bool = True

    @property
    def ok(self) -> bool:
        """Everything holds."""
        return self.readable and not self.broken

    def saw(self, *names: str, count: int = 1) -> None:
        """So many things were looked at with these invariants in mind."""
        for name in names:
            self.looked[name] = self.looked.get(name, 0) + count

    def add(self, found: Iterable[Finding]) -> None:
        """Count each, keep the first ones."""
        for finding in found:
            self.broken[finding.invariant] = self.broken.get(finding.invariant, 0) + 1
            if self.broken[finding.invariant] <= _KEPT:
                self.findings.append(finding)

    def in_order(self) -> list[Finding]:
        """The findings in the order of the invariants."""
        order = list(MEANING)
        return sorted(self.findings, key=lambda f: order.index(f.invariant) if f.invariant in order else len(order))


def inspect(store: Store, now: datetime, tell: Tell) -> Report:
    """Everything that the spool by itself can answer for."""
    report = Report()
    for step in (_file, _bodies, _archives, _missing, _lives, _lost, _double, _deadlines, _received, _history, _counts):
        try:
            step(store, report, now, tell)
        except _DAMAGED as error:
            report.readable = False
            report.add([Finding(SPOOL, "spool", f"Części spoolu nie da się odczytać ({error}).", RESTORE)])
    return report


def compare(store: Store, report: Report, *, elsewhere_ok: bool) -> None:
    """What KSeF told (`store.keep_registered`) against the spool: the part of I2 to I4 that needs both sides."""
    report.saw("I2", "I3", "I4", count=store.registered_count())
    report.add(registered.twice(sha256, numbers) for sha256, numbers in store.registered_twice())
    seen = (s for s in store.registered_unlike_ours() if s.document or not elsewhere_ok)
    report.add(map(registered.not_ours, seen))
    margin = registered.STORED_WITHIN.total_seconds()
    report.add(map(registered.not_theirs, store.numbered_unlike_registered(margin)))


def _file(store: Store, report: Report, _now: datetime, tell: Tell) -> None:
    tell("plik spoolu", 0, 0)
    report.saw(SPOOL)
    found = store.file_damage(_FILE_SENTENCES)
    report.add(Finding(SPOOL, "spool", f"Plik spoolu jest uszkodzony: {text}.", RESTORE) for text in found)


def _bodies(store: Store, report: Report, _now: datetime, tell: Tell) -> None:
    """I8: each stored body is what its hash says."""
    for sha256, size, packed in _counted("treść dokumentów", store.stored_bodies(), store.rows_in("body"), tell):
        report.saw("I8")
        if wrong := bodies.trouble(packed, size, sha256):
            of = store.users_of(sha256)
            text = f"Zapisana treść {sha256[:12]}… {wrong}."
            report.add([Finding("I8", of[0] if of else sha256, text, "Nie zostanie wysłana. " + RESTORE)])


def _archives(store: Store, report: Report, _now: datetime, tell: Tell) -> None:
    """I8 and I1 for what has left the spool: every volume is what was sealed, and has what was given to it."""
    directory = store.archives()
    for volume in _counted("tomy archiwum", iter(store.volumes()), store.rows_in("volume"), tell, every=1):
        report.saw("I8", count=volume.bodies)
        if wrong := look.trouble(directory, volume, read=True):
            report.add([Finding("I8", f"volume:{volume.name}", f"Tom archiwum {volume.name} {wrong}.", PUT_BACK)])
    for sha256, name in look.astray(store):
        of = store.users_of(sha256)
        text = f"W tomie archiwum {name} brakuje zapisanej treści {sha256[:12]}…."
        report.add([Finding("I1", of[0] if of else sha256, text, PUT_BACK)])


def _missing(store: Store, report: Report, _now: datetime, tell: Tell) -> None:
    """I1: what was taken in has its body, in its size."""
    tell("brakujące treści", 0, 0)
    report.saw("I1", count=store.rows_in("document") + store.rows_in("received"))
    for subject, missing in store.bodies_missing():
        text = "Brakuje zapisanej treści." if missing else "Zapisana treść ma inny rozmiar niż przyjęta."
        report.add([Finding("I1", subject, text, RESTORE)])


def _lives(store: Store, report: Report, now: datetime, tell: Tell) -> None:
    """What holds for each document by itself."""
    around = _around(store, now)
    for life in _counted("dokumenty", store.lives(), store.rows_in("document"), tell):
        report.saw(*_OF_A_LIFE)
        report.add(invariants.of_a_life(life, around))
    text = "Dokument czeka na wcześniejszy numer swojej serii, a żaden nie jest w drodze."
    report.add(Finding("I11", subject, text, REPORT) for subject in store.held_back_for_nothing())


def _around(store: Store, now: datetime) -> Around:
    conditions = store.conditions()
    names = {c.context: frozenset(o.name for o in conditions if o.context == c.context) for c in conditions}
    down = frozenset(c.context for c in conditions if c.name == "reachable" and c.value.get("ok") is False)
    alive = next((c.at for c in conditions if c.context == "" and c.name == ALIVE), None)
    silent = alive is None or abs(now - alive) > _BEATS_MISSED * timedelta(seconds=ALIVE_EVERY_S)
    return Around(now, LONGEST_PAUSE, names, store.last_sends(), down, silent)


def _lost(store: Store, report: Report, _now: datetime, tell: Tell) -> None:
    """I1: the history remembers what was taken in."""
    tell("dokumenty bez wiersza", 0, 0)
    lost = store.documents_lost()
    report.add(Finding("I1", subject, "Dokument przyjęto, a w spoolu go nie ma.", RESTORE) for subject in lost)


def _double(store: Store, report: Report, _now: datetime, tell: Tell) -> None:
    """I4 and I6, between documents."""
    tell("numery i wysyłki podwójne", 0, 0)
    for number, ids in store.numbers_twice():
        report.add([Finding("I4", number, f"Ten numer KSeF ma więcej niż jeden dokument: {ids}.", REPORT)])
    for sha256, ids in store.bytes_numbered_twice():
        report.add([Finding("I4", sha256, f"Te same bajty mają kilka numerów KSeF: {ids}.", REPORT)])
    for number, ids in store.business_numbers_twice():
        report.add([Finding("I4", number, f"Ten numer faktury zajmuje więcej niż jeden dokument: {ids}.", REPORT)])
    for sha256, ids in store.open_sends_twice():
        report.add([Finding("I6", sha256, f"Te same bajty są wysyłane przez kilka dokumentów: {ids}.", REPORT)])


def _deadlines(store: Store, report: Report, now: datetime, tell: Tell) -> None:
    """I12, its second half: a date that has passed was told."""
    tell("minione terminy", 0, 0)
    cure = "Proszę sprawdzić, czy działa sluza gateway, i zawiadomić jednostkę."
    for subject, due in store.passed_in_silence(now - _ALARMS_TAKE):
        report.add([Finding("I12", subject, f"Termin ({due[:16]}Z) minął bez ostrzeżenia.", cure)])


def _received(store: Store, report: Report, now: datetime, tell: Tell) -> None:
    """I13: each purchase once, by its KSeF number; the marks do not claim the future."""
    tell("faktury otrzymane", 0, 0)
    report.saw("I13", count=store.rows_in("received"))
    for number, what in store.received_unlike_history():
        report.add([Finding("I13", number, _RECEIVED[what], RESTORE if what == "lost" else REPORT)])
    for context, subject in store.marks_ahead(now + _CLOCKS_DIFFER):
        text = f"Znacznik odbioru ({subject}) wyprzedza zegar: faktury sprzed niego mogłyby zostać pominięte."
        report.add([Finding("I13", f"context:{context}", text, "Proszę sprawdzić zegar serwera.")])


_RECEIVED = {
    "twice": "Faktura otrzymana jest zapisana więcej niż raz.",
    "silent": "Faktura otrzymana nie ma wpisu w historii.",
    "lost": "Fakturę odebrano, a w spoolu jej nie ma.",
    "strayed": "Faktura otrzymana jest u innej jednostki, niż wynika z historii.",
}


def _history(store: Store, report: Report, _now: datetime, tell: Tell) -> None:
    """I14 and I15: each entry is of whoever might write it, and nobody changed, removed or slipped in one; each warning
    has its own."""
    tell("łańcuch historii", 0, 0)
    report.saw("I14", "I15", count=store.rows_in("event"))
    report.add(invariants.of_the_writers(store.fences(), store.fenced_events()))
    if (seq := store.broken_link()) is not None:
        text = "Od tego wpisu historia nie zgadza się ze swoim łańcuchem skrótów: ktoś ją zmienił albo jest uszkodzona."
        report.add([Finding("I15", f"event:{seq}", text, "Proszę zabezpieczyć plik spoolu i porównać go z kopią.")])
    for alarm in store.alarms_without_entry():
        report.add([Finding("I15", f"alarm:{alarm}", "Ostrzeżenie nie ma jednego wpisu w historii.", REPORT)])


def _counts(store: Store, report: Report, _now: datetime, tell: Tell) -> None:
    """I17: however they are counted, there are as many documents."""
    tell("liczby dokumentów", 0, 0)
    counts = store.counts_of_documents()
    report.saw("I17", count=counts["wiersze"])
    if len(set(counts.values())) > 1:
        said = ", ".join(f"{name}: {n}" for name, n in counts.items())
        report.add([Finding("I17", "spool", f"Liczby dokumentów się nie zgadzają ({said}).", RESTORE)])


def _counted(what: str, things: Iterator[T], total: int, tell: Tell, every: int = _TOLD_EVERY) -> Iterator[T]:
    for done, thing in enumerate(things):
        if done % every == 0:
            tell(what, done, total)
        yield thing
