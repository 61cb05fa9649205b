"""The front door for HTTP, folder and CLI alike: bytes in, a verdict out, and the promise only after the commit.

Order of safety: judge the bytes in a worker, decide mode and deadline, then body + row + event in one synced commit.
Whoever called removes its source last.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Literal, TypeVar

from gateway import archive, validation
from gateway.names import distinct, safe_stem
from gateway.settings import Policies
from spool.access import Spool
from spool.bodies import sha256_hex
from spool.clock import Clock
from spool.domain import deadlines
from spool.domain.calendar import warsaw_date
from spool.domain.catalogue import problem
from spool.domain.document import Facts, Mode
from spool.domain.errors import Problem
from spool.domain.ledger import Document, NewDocument
from spool.domain.municipality import Municipality, Unit
from spool.domain.states import HOLDS_NUMBER, State
from spool.store import Store
from spool.workers import WorkerCrashed, Workers, WorkerTimeout
from spool.xml import Examined, examine

T = TypeVar("T")

PUT_AWAY = "put_away_before"
"""The problem of bytes that a person quarantined or ceased: only a person brings them back (faults E)."""
_ONLY_A_PERSON = frozenset({State.QUARANTINED, State.CEASED})
_POISON_AFTER = 3
_FAILED_KEPT = 1000
NEEDS_BATCH = "Faktura z załącznikiem czeka na wysyłkę wsadową."


@dataclass(frozen=True)
class Origin:
    """Where a document comes from. `name` is the unit's own label for it; `actor` goes into the history."""

    unit: Unit
    source: Literal["folder", "http", "cli"]
    name: str
    offline24: bool = False
    key: str = ""
    actor: str = "gateway"


@dataclass(frozen=True)
class Verdict:
    """What became of one document.

    `new`: durable and accepted. `same`: these bytes were here before, nothing is sent. `refused`: `problems` say why;
    `document` is its row, None only for what is not kept (too big, a reused key, a broken archive); a row that a
    person put away stays as it is. `incomplete`: looks half-written; nothing was stored.
    """

    kind: Literal["new", "same", "refused", "incomplete"]
    name: str
    document: Document | None = None
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True)
class _Judged:
    """One document after judgement, before the commit."""

    raw: bytes
    name: str
    new: NewDocument


class _PoisonError(Exception):
    """These bytes have ended every worker that got them, in several deliveries."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.code)
        self.problem = problem


class FrontDoor:
    """Takes documents in. One per process; safe to call concurrently."""

    def __init__(
        self, spool: Spool, workers: Workers, municipality: Municipality, policies: Policies, clock: Clock
    ) -> None:
        self._spool = spool
        self._workers = workers
        self._municipality = municipality
        self._policies = policies
        self._clock = clock
        self._failed: dict[str, int] = {}

    async def accept(self, raw: bytes, origin: Origin, *, may_wait: bool = False) -> list[Verdict]:
        """Take one XML or one ZIP of them: a verdict per document, all accepted ones durable in one commit.

        With `may_wait` a half-written file is answered `incomplete` and nothing is stored, so that the caller can
        look again later; without it the same bytes are refused. Raises WorkerTimeout or WorkerCrashed when the
        worker, and a second one after it, gave no answer: nothing was stored, and the caller may come again.
        """
        if (big := archive.too_big(len(raw), zipped=archive.is_zip(raw))) is not None:
            return [Verdict("refused", origin.name, problems=(big,))]
        if not archive.is_zip(raw):
            examined = await self._examine(raw)
            if may_wait and not examined.complete:
                return [Verdict("incomplete", origin.name, problems=examined.problems)]
            return await self._commit([self._judge(raw, examined, origin)], raw, origin)
        try:
            entries, problems = await self._in_worker(archive.unpack, raw)
        except _PoisonError as poison:
            entries, problems = [], [poison.problem]
        if problems:
            waits = may_wait and any(p.code == "zip_broken" for p in problems)
            return [Verdict("incomplete" if waits else "refused", origin.name, problems=tuple(problems))]
        judged = [
            self._judge(entry, await self._examine(entry), replace(origin, name=name, key=""))
            for name, entry in entries
        ]
        return await self._commit(judged, raw, origin)

    async def _examine(self, raw: bytes) -> Examined:
        """The byte rules and the schema, in a worker. A document that kills its workers is refused, not the service."""
        try:
            return await self._in_worker(examine, raw)
        except _PoisonError as poison:
            return Examined(sha256_hex(raw), None, (poison.problem,), (), complete=True)

    async def _in_worker(self, work: Callable[[bytes], T], raw: bytes) -> T:
        """Run twice at most. One death proves nothing against the bytes: memory or time may have been short for all.

        Raises what the worker's end was, and at the third such delivery of the same bytes `_PoisonError` instead.
        The count is kept in memory: a restart gives every document its three deliveries again.
        """
        for last in (False, True):
            try:
                found = await self._workers.run(work, raw)
            except (WorkerTimeout, WorkerCrashed) as error:
                if last:
                    self._count_failure(sha256_hex(raw), error)
                    raise
            else:
                if self._failed:
                    self._failed.pop(sha256_hex(raw), None)
                return found
        raise AssertionError("the loop ends by itself")

    def _count_failure(self, sha256: str, error: WorkerTimeout | WorkerCrashed) -> None:
        failures = self._failed.pop(sha256, 0) + 1
        if failures >= _POISON_AFTER:
            raise _PoisonError(error.problem) from error
        self._failed[sha256] = failures
        while len(self._failed) > _FAILED_KEPT:
            del self._failed[next(iter(self._failed))]

    def _judge(self, raw: bytes, examined: Examined, origin: Origin) -> _Judged:
        """Our own checks, the mode and the deadline: everything that needs no look into the spool."""
        now = self._clock()
        facts = examined.facts or Facts()
        problems = list(examined.problems)
        if examined.facts is not None and not problems:
            found, _warnings = validation.check(
                facts, municipality=self._municipality, unit=origin.unit, today=warsaw_date(now)
            )
            problems += found
        if origin.offline24 and self._policies.offline24.value != "allowed":
            problems.append(problem("offline24_not_allowed"))
        mode = Mode.OFFLINE24 if origin.offline24 else Mode.ONLINE
        new = NewDocument(
            unit=origin.unit.id,
            context=origin.unit.context,
            source=origin.source,
            source_name=origin.name,
            sha256=examined.sha256,
            size=len(raw),
            facts=facts,
            mode=mode,
            issued_at=now,
            state=State.QUEUED,
            actor=origin.actor,
        )
        return _Judged(raw, origin.name, _refuse(new, problems) if problems else _schedule(new, facts.issue_date, now))

    async def _commit(self, judged: Sequence[_Judged], raw: bytes, origin: Origin) -> list[Verdict]:
        """All rows of one delivery in one transaction; returns after it is durable."""
        now = self._clock()
        sha256 = sha256_hex(raw)

        def work(store: Store) -> list[Verdict]:
            if origin.key and not store.use_key(origin.unit.id, origin.key, sha256, now):
                return [Verdict("refused", origin.name, problems=(problem("idempotency_key_reused"),))]
            return [_take(store, one, now) for one in judged]

        return await self._spool.write(work)


def _schedule(new: NewDocument, issue_date: date | None, now: datetime) -> NewDocument:
    """Deadline and first state of a document in order."""
    assert issue_date is not None, "the schema demands P_1"
    due = deadlines.due(new.mode, issue_date, now)
    state, reason = (State.WAITING, NEEDS_BATCH) if new.facts.has_attachment else (State.QUEUED, "")
    return replace(new, state=state, reason=reason, due_safe=due.safe, due_basis=due.basis, due_why=due.explanation)


def _refuse(new: NewDocument, problems: Sequence[Problem]) -> NewDocument:
    return replace(new, state=State.REFUSED, problems=tuple(problems))


def _take(store: Store, judged: _Judged, now: datetime) -> Verdict:
    """DESIGN 4.4, "The same again", then the uniqueness of the number, then the row."""
    new = judged.new
    known = store.of_bytes(new.unit, new.sha256)
    if known and known.state in HOLDS_NUMBER:
        store.log(known.id, "duplicate", now, new.actor, _again(judged.name))
        return Verdict("same", judged.name, known)
    if known and known.state in _ONLY_A_PERSON:
        store.log(known.id, "duplicate", now, new.actor, _again(judged.name))
        return Verdict("refused", judged.name, known, (problem(PUT_AWAY),))
    if new.state is not State.REFUSED:
        new = _check_unique(store, new)
    stem = _file_stem(store, new)
    document = store.take_again(known, new, stem, now) if known else store.add(new, judged.raw, stem, now)
    if new.state is State.REFUSED:
        return Verdict("refused", judged.name, document, new.problems)
    return Verdict("new", judged.name, document)


def _again(name: str) -> str:
    return f"Ten sam plik przyszedł ponownie ({name})." if name else "Ten sam plik przyszedł ponownie."


def _check_unique(store: Store, new: NewDocument) -> NewDocument:
    """Refuse bytes or a business number that a live or numbered document holds; another unit's stays unnamed (I7)."""
    if store.elsewhere(new.unit, new.sha256):
        return _refuse(new, [problem("duplicate_in_municipality", field="Fa/P_2")])
    holder = store.holder(new.facts.seller_nip, new.facts.kind, new.facts.number_key)
    if holder is None:
        return new
    if holder.unit != new.unit:
        return _refuse(new, [problem("duplicate_in_municipality", field="Fa/P_2")])
    return _refuse(
        new,
        [
            problem(
                "number_taken",
                field="Fa/P_2",
                number=new.facts.number,
                first_name=holder.source_name or holder.name,
                first_date=f"{holder.created_at:%d.%m.%Y}",
            )
        ],
    )


def _file_stem(store: Store, new: NewDocument) -> str:
    """The name of our files about it, empty for its id; another live document of the unit may have it already."""
    stem = safe_stem(new.source_name, "")
    return distinct(stem, new.sha256) if stem and store.name_taken(new.unit, stem) else stem
