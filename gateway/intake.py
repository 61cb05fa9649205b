"""The front door for HTTP, folder and CLI alike: bytes in, a verdict out, and the promise only after the commit.

Order of safety: judge the bytes in a worker, decide mode and deadline, then body + row + event in one synced commit.
Whoever called removes its source last.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

from gateway import archive, sizes, validation
from gateway.admission import Admission, Judged, Verdict
from gateway.seals import Seal, no_seal
from gateway.settings import Policies
from spool.access import Spool
from spool.bodies import sha256_hex
from spool.clock import Clock
from spool.crashpoint import reached
from spool.domain.built import too_early, wrong_clock
from spool.domain.calendar import warsaw_date
from spool.domain.catalogue import problem
from spool.domain.document import Facts, Mode
from spool.domain.errors import ClockWrong, Problem
from spool.domain.ledger import Document, NewDocument
from spool.domain.municipality import Municipality, Unit
from spool.domain.states import HOLDS_NUMBER, State
from spool.hands import Hands
from spool.law import Law, Rules
from spool.poison import DELIVERY, TOO_OFTEN
from spool.store import Store
from spool.workers import WorkerCrashed, Workers, WorkerTimeout
from spool.xml import REPAIRABLE, Examined, content_change, examine, repair

T = TypeVar("T")

_CROWD = 4
_POISON_AFTER = 3
_FAILED_KEPT = 1000


@dataclass(frozen=True)
class Origin:
    """Where a document comes from. `name` is the unit's own label for it; `actor` goes into the history."""

    unit: Unit
    source: Literal["folder", "http", "cli"]
    name: str
    offline24: bool = False
    key: str = ""
    actor: str = "gateway"


class _PoisonError(Exception):
    """These bytes have ended every worker that got them, in several deliveries."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.code)
        self.problem = problem


class FrontDoor:
    """Takes documents in. One per process; safe to call concurrently."""

    def __init__(
        self,
        spool: Spool,
        workers: Workers,
        municipality: Municipality,
        policies: Policies,
        clock: Clock,
        law: Law = Law(),  # noqa: B008 - frozen
        seal: Seal = no_seal,
        hands: Hands | None = None,
    ) -> None:
        """`hands` None: nobody counts what this process dies with, as for a command of a person."""
        self._spool = spool
        self._workers = workers
        self._municipality = municipality
        self._admission = Admission(policies, Rules(law, municipality), seal)
        self._clock = clock
        self._hands = hands
        self._failed: dict[str, int] = {}
        self._deliveries = 0

    def crowded(self) -> bool:
        """True while so many deliveries are under way that what can wait should."""
        return self._deliveries >= _CROWD

    async def accept(self, raw: bytes, origin: Origin, *, may_wait: bool = False) -> list[Verdict]:
        """Take one XML or one ZIP of them: a verdict per document, all accepted ones durable in one commit.

        With `may_wait` a half-written file is answered `incomplete` and nothing is stored, so that the caller can
        look again later; without it the same bytes are refused. Raises WorkerTimeout or WorkerCrashed when the
        worker, and a second one after it, gave no answer, ClockWrong, and NoRoom on a full disk: nothing was stored,
        and the caller may come again.
        """
        self._need_room()
        self._deliveries += 1
        try:
            return await self._take(raw, origin, may_wait)
        finally:
            self._deliveries -= 1

    async def _take(self, raw: bytes, origin: Origin, may_wait: bool) -> list[Verdict]:
        if (big := sizes.too_big(len(raw), zipped=sizes.is_zip(raw))) is not None:
            return [Verdict("refused", origin.name, problems=(big,))]
        sha256 = sha256_hex(raw)
        if self._hands is None:
            return await self._accept(raw, sha256, origin, may_wait)
        subject = DELIVERY + sha256
        if await self._hands.poison(subject):
            return [await self._not_again(sha256, origin)]
        async with self._hands.on(subject):
            return await self._accept(raw, sha256, origin, may_wait)

    async def _accept(self, raw: bytes, sha256: str, origin: Origin, may_wait: bool) -> list[Verdict]:
        reached("intake.read", sha256)
        if not sizes.is_zip(raw):
            examined = await self._examine(raw)
            if may_wait and not examined.complete:
                return [Verdict("incomplete", origin.name, problems=examined.problems)]
            return await self._commit([await self._looked_at(raw, examined, origin)], sha256, origin)
        try:
            entries, problems = await self._in_worker(archive.unpack, raw)
        except _PoisonError as poison:
            entries, problems = [], [poison.problem]
        if problems:
            waits = may_wait and any(p.code == "zip_broken" for p in problems)
            return [Verdict("incomplete" if waits else "refused", origin.name, problems=tuple(problems))]
        judged = [
            await self._looked_at(entry, await self._examine(entry), replace(origin, name=name, key=""))
            for name, entry in entries
        ]
        return await self._commit(judged, sha256, origin)

    async def _not_again(self, sha256: str, origin: Origin) -> Verdict:
        """Bytes that ended this process several times: not touched any more, and kept by whoever brought them."""
        known = await self._spool.read(lambda store: store.of_bytes(origin.unit.id, sha256))
        if known and known.state in HOLDS_NUMBER:
            return Verdict("same", origin.name, known)
        told = known if known and known.state is State.QUARANTINED else None  # its row is shown to the unit
        return Verdict("refused", origin.name, told, (problem("poison", times=str(TOO_OFTEN)),))

    async def correct(self, raw: bytes, original: Document, origin: Origin) -> Verdict:
        """Take a technical correction of a refused offline invoice: other bytes, the same content, the same deadline.

        Raises what `accept` raises, and MoveRefused when the original cannot be corrected this way.
        """
        self._need_room()
        if (big := sizes.too_big(len(raw), zipped=False)) is not None:
            return Verdict("refused", origin.name, problems=(big,))
        before = await self._spool.read(lambda store: store.body(original.sha256))
        judged = self._judge(raw, await self._examine(raw), origin)
        new = replace(judged.new, corrects=original.sha256, asked_at=original.asked_at, wish=original.wish)
        if new.state is not State.REFUSED and (changed := await self._workers.run(content_change, before, raw)):
            new = new.refused([changed])
        [verdict] = await self._commit([replace(judged, new=new)], new.sha256, origin)
        return verdict

    def _need_room(self) -> None:
        """Raises NoRoom while what room there is belongs to the documents already taken in (faults F04)."""
        if (shortage := self._spool.reserve.shortage()) is not None:
            raise shortage

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

    async def _looked_at(self, raw: bytes, examined: Examined, origin: Origin) -> Judged:
        """Judged as it came; or, for a unit that wants its encoding mended, as the new document that this makes of it.

        Only a mended file that is in order takes the place of what came: otherwise the unit gets its own file back,
        with what is still wrong in it.
        """
        judged = self._judge(raw, examined, origin)
        codes = {p.code for p in examined.problems}
        if not origin.unit.repair_encoding or not codes & REPAIRABLE:
            return judged
        mended = await self._in_worker(repair, raw)
        if mended is None:
            return judged
        again = await self._examine(mended.raw)
        better = self._judge(mended.raw, again, origin)
        if better.new.state is State.REFUSED:
            return replace(judged, new=judged.new.refused(better.new.problems))
        told = problem("encoding_repaired", what="; ".join(mended.changes), original=examined.sha256)
        new = replace(better.new, warnings=(told, *better.new.warnings), original=raw)
        return replace(better, new=new)

    def _judge(self, raw: bytes, examined: Examined, origin: Origin) -> Judged:
        """Our own checks: everything that needs no look into the spool. Raises ClockWrong."""
        now = self._clock()
        if too_early(now):
            raise ClockWrong(wrong_clock(now))
        training = self._municipality.training(origin.unit.context)
        facts = examined.facts or Facts()
        if facts.training != training:
            facts = replace(facts, training=training)
        problems, warnings = examined.problems, examined.warnings
        if examined.facts is not None and not problems:
            problems, warnings = validation.check(
                facts, municipality=self._municipality, unit=origin.unit, today=warsaw_date(now), warnings=warnings
            )
        new = NewDocument(
            unit=origin.unit.id,
            context=origin.unit.context,
            source=origin.source,
            source_name=origin.name,
            sha256=examined.sha256,
            size=len(raw),
            facts=facts,
            wish=Mode.OFFLINE24 if origin.offline24 else Mode.ONLINE,
            asked_at=now,
            state=State.QUEUED,
            actor=origin.actor,
            warnings=warnings,
        )
        return Judged(raw, origin.name, new.refused(problems) if problems else new)

    async def _commit(self, judged: Sequence[Judged], sha256: str, origin: Origin) -> list[Verdict]:
        """All rows of the delivery with this hash in one transaction; returns after it is durable."""

        def work(store: Store) -> list[Verdict]:
            if not self._spool.reserve.held:  # given away for this very commit, and not for what is new
                self._need_room()
            now = self._clock()
            if origin.key and not store.use_key(origin.unit.id, origin.key, sha256, now):
                return [Verdict("refused", origin.name, problems=(problem("idempotency_key_reused"),))]
            return [self._admission.take(store, one, now) for one in judged]

        reached("intake.judged", sha256)
        verdicts = await self._spool.write(work)
        reached("intake.committed", sha256)
        return verdicts
