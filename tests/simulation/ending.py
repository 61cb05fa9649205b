"""The calm after the faults: everything comes to rest within a bound, and then the whole spool is looked at (I18)."""

from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from agent.contact import LOGIN
from spool import actions
from spool.bodies import sha256_hex
from spool.domain.errors import SluzaError
from spool.domain.states import NUMBERED, State
from spool.inspection import inspect
from spool.store import Store
from tests.simulation.network import Weather

if TYPE_CHECKING:
    from tests.simulation.schedule import Director

_FIRST_LEAP_S, _LONGEST_LEAP_S, _GROWTH = 10.0, 3600.0, 2.0
"""How long both programs stand still once nothing stirs any more, so that hours of waiting pass cheaply."""
_BOUND_S = 60 * 3600.0
"""Two and a half days: the longest proof of absence takes the twelve hours of a session and a day after it."""
RESTING = frozenset(
    {State.DELIVERED, State.REFUSED, State.WITHDRAWN, State.CEASED, State.QUARANTINED, State.HELD, State.CONFLICT}
)
_EVERY_S = 1.0


def _release(store: Store, document: str, now: datetime) -> None:
    """A person has looked; where nothing is held, that word is given by holding something and letting it go."""
    if store.document(document).state is not State.HELD:
        actions.hold(store, document, now, "Anna", "Sprawdzam.")
    actions.release(store, document, now, "Anna", "Sprawdzone.")


class Ending:
    """From the calm to the last rule."""

    def __init__(self, director: "Director") -> None:
        self.director, self.world = director, director.world
        self.since = self.world.loop.time()
        self.leap = _FIRST_LEAP_S
        self.stirred: tuple[int, ...] = ()
        self.quiet = 0
        self.helps = 0
        self.next_help = 6.0

    def begin(self) -> None:
        """Faults off; the supervisor brings up what is dead; KSeF shows some of its hidden sessions again."""
        world = self.world
        world.network.weather = Weather(slow_s=0.02)
        world.model.calm = True
        world.worker_deaths = world.disk.slow = 0.0
        world.disk.crash_at, world.disk.meddle = None, 0.0
        world.disk.full.clear()
        for process in (world.agent, world.gateway):
            process.frozen_until = min(process.frozen_until, self.since)
        for session in world.model.sessions.values():
            if session.hidden and self.director.dice.random() < 0.6:
                session.hidden = ""
        self.look()

    def look(self) -> None:
        """Is everything at rest?"""
        world = self.world
        self.director.supervise()
        for session in world.model.sessions.values():
            if session.hidden and any(e.code != 200 and not e.open for e in session.entries):
                session.hidden = ""  # what became of them nobody could ever prove
        passed = world.loop.time() - self.since
        if passed > self.next_help:
            self._help()
        awake = [r for r in world.watch.rows.values() if r.state not in RESTING and not self._done_here(r)]
        waiting = self._purchases_missing()
        if not awake and not waiting and passed > 3.0 and self._shown():
            if self._held() and self.helps < 3:
                self._help()
                world.loop.outside(_EVERY_S, self.look)
                return
            self.end()
            return
        if passed > _BOUND_S:
            left = [(r.sha256[:8], str(r.state)) for r in awake] + waiting
            world.watch.wrong("I18", f"not at rest after {passed / 3600:.0f} h: {left}")
            self.end()
            return
        before, self.stirred = self.stirred, self._moved()
        self.quiet = self.quiet + 1 if self.stirred == before else 0
        enough = 4 if waiting else 1  # a package of received invoices takes its seconds, and begins anew after a leap
        world.loop.outside(self._leap() if self.quiet >= enough else _EVERY_S, self.look)

    def _moved(self) -> tuple[int, ...]:
        """What grows with every step towards the end; questions that only hear "not yet" are none."""
        model = self.world.model
        closed = sum(s.closed is not None for s in model.sessions.values())
        return self.world.watch.moves, len(model.register), len(model.sessions), closed, self.helps

    def _leap(self) -> float:
        """Nothing got further since the last look: both programs stand still for a while, each time longer.

        Returns when to look again.
        """
        pause, self.quiet = self.leap, 0
        self.leap = min(_GROWTH * pause, _LONGEST_LEAP_S)
        for process in (self.world.agent, self.world.gateway):
            process.frozen_until = self.world.loop.time() + pause
        self.world.trace("leap", pause)
        return pause + _EVERY_S

    def _done_here(self, row: Any) -> bool:
        """Numbered, and nothing is left to do: without the loop of the folders its receipt is the end. One that KSeF
        does not show, of another program's send or in a hidden session, is told to people."""
        if row.state != State.ACCEPTED:
            return False
        made = next((r for r in self.world.model.register if r.sha256 == row.sha256), None)
        session = self.world.model.sessions.get(made.session) if made is not None else None
        if made is not None and (not made.ours or (session is not None and session.hidden)):
            return True
        upo = self.world.disk.eye.execute("SELECT upo_sha256 FROM document WHERE id = ?", (row.id,)).fetchone()[0]
        return upo is not None and not self.world.returns

    def _help(self) -> None:
        """A person looks after what waits for a person: releases what is held, restarts what could not log in."""
        world = self.world
        self.helps += 1
        self.next_help = world.loop.time() - self.since + 200.0 * self.helps
        paused = Store(world.disk.eye).condition("gmina", "paused")
        if paused is not None and paused.value.get("kind") == LOGIN:
            world.kill(world.agent)
            world.start_agent()
        rows = sorted(world.watch.rows.values(), key=lambda r: r.id)
        waiting = [r for r in rows if r.state == State.HELD]
        if paused is not None and not waiting:  # nothing is held, and yet the context waits for a person's word
            waiting = [r for r in rows if r.state in (State.QUEUED, State.WAITING)][:1]
        for row in waiting:
            self.director.act(partial(_release, document=row.id, now=world.clock()), "releases")

    def _held(self) -> bool:
        return any(row.state == State.HELD for row in self.world.watch.rows.values())

    def _purchases_missing(self) -> list[str]:
        eye = self.world.disk.eye
        have = {r["ksef_number"] for r in eye.execute("SELECT ksef_number FROM received")}
        return [r.number for r in self.world.model.purchases if r.number not in have]

    def _shown(self) -> bool:
        if not self.world.returns:
            return True
        eye = self.world.disk.eye
        behind = eye.execute("SELECT count(*) FROM document WHERE shown < version").fetchone()[0]
        unmirrored = eye.execute("SELECT count(*) FROM received WHERE mirrored_at IS NULL").fetchone()[0]
        return bool(behind == 0 and unmirrored == 0)

    # -- the last look -----------------------------------------------------------------------------------------

    def end(self) -> None:
        """Every rule about the whole."""
        world = self.world
        if not world.watch.broken:
            self._promises()
            self._verdicts()
            self._handed_out()
            self._folders()
            self._check()
        world.loop.stop()

    def _promises(self) -> None:
        """I1, I17: what was promised is here, byte for byte, once for each unit and content."""
        world = self.world
        store = Store(world.disk.eye)
        mine = {(r.unit, r.sha256) for r in world.watch.rows.values()}
        for ack in world.acks:
            if (ack.unit, sha256_hex(ack.raw)) not in mine or store.body(sha256_hex(ack.raw)) != ack.raw:
                world.watch.wrong("I1", f"a promised document of {ack.unit} is not here")
        world.look_for_dropped()

    def _verdicts(self) -> None:
        """I3, I4, and no document ends otherwise than KSeF judged it."""
        world, eye = self.world, self.world.disk.eye
        for row in world.watch.rows.values():
            made = [r for r in world.model.register if r.sha256 == row.sha256]
            entries = [
                e for s in world.model.sessions.values() for e in s.entries if sha256_hex(e.paper.raw) == row.sha256
            ]
            if not eye.execute("SELECT 1 FROM attempt WHERE document = ?", (row.id,)).fetchone():
                entries = []
            if made and row.state not in NUMBERED and entries:
                self._lost(row, made[0].number, made[0].ours)
            if row.state in NUMBERED and not made:
                world.watch.wrong("I4", f"{row.sha256[:8]} is {row.state}, and KSeF has it not")
            if row.state == State.REFUSED and entries and all(e.code not in (430, 450) for e in entries):
                world.watch.wrong("I3", f"{row.sha256[:8]} is REFUSED, and KSeF said {[e.code for e in entries]}")

    def _lost(self, row: Any, number: str, ours: bool) -> None:
        by_hand = row.state == State.CONFLICT and any(s.hidden for s in self.world.model.sessions.values())
        if not by_hand and ours:
            self.world.watch.wrong("I3", f"{row.sha256[:8]} is {row.state}, and KSeF has it as {number}")

    def _handed_out(self) -> None:
        """What is DELIVERED has its own receipt, and lies in its unit's folder."""
        world = self.world
        store = Store(world.disk.eye)
        for row in world.watch.rows.values():
            document = store.document(row.id)
            if document.upo_sha256 is not None:
                receipt = store.body(document.upo_sha256).decode()
                if str(document.ksef_number) not in receipt:
                    world.watch.wrong("K14", f"{row.sha256[:8]} has the receipt of another document")
            if row.state == State.DELIVERED:
                world.watch.handed_out(row.unit, row.sha256)

    def _folders(self) -> None:
        """I7: in a unit's folder lie only its own documents; a numbered one lies there with its receipt."""
        world = self.world
        eye = world.disk.eye
        own: dict[str, set[str]] = {}
        for r in eye.execute(
            "SELECT unit, sha256 FROM document UNION SELECT ifnull(unit, '_centrala'), sha256 FROM received"
        ):
            own.setdefault(r["unit"], set()).add(r["sha256"])
        for path in world.root.rglob("*.xml"):
            unit = path.relative_to(world.root).parts[0]
            inside = path.relative_to(world.root / unit).parts[0]
            handed_out = inside in ("wyslane", "odebrane", "odrzucone", "w-toku") and "UPO" not in path.name.upper()
            if handed_out and sha256_hex(path.read_bytes()) not in own.get(unit, set()):
                world.watch.wrong("I7", f"{path.name} in the folder of {unit} is not its own")

    def _check(self) -> None:
        """`sluza check`, all of it."""
        world = self.world
        try:
            report = inspect(Store(world.disk.eye), world.clock(), lambda *_: None)
        except SluzaError as error:
            world.watch.wrong("check", str(error))
            return
        behind = world.skew < timedelta(hours=-1)
        for finding in report.in_order():
            ahead = finding.invariant == "I13" and finding.subject.startswith("context:")
            if finding.invariant == "I12" or (ahead and behind):
                continue  # passed dates are told by the alarms, which do not run here; a wrong clock is rightly told
            world.watch.wrong(finding.invariant, f"{finding.subject} {finding.message}")
