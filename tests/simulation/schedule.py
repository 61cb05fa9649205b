"""One schedule: what the town, KSeF and fate do is drawn from the seed, then everything is let come to rest.

`run_schedule(shop, seed)` is the whole of it. The same seed on the same commit gives the same trace, line for line.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import Any

from sluza.samples import BUYER_NIP, invoice, purchase_for_unit, unit_invoice
from spool import actions
from spool.domain.calendar import warsaw_date
from spool.domain.errors import MoveRefused, SluzaError
from spool.domain.states import State
from spool.store import Store
from tests.simulation import ending, fates
from tests.simulation.ksef_model import Paper, sha
from tests.simulation.network import Call, Weather
from tests.simulation.seeds import EVERY, is_long
from tests.simulation.themes import THEMES
from tests.simulation.world import HALL, SCHOOL, Patched, Workshop, World

UNITS = (SCHOOL, SCHOOL, HALL)


@dataclass
class Outcome:
    """What became of a schedule."""

    seed: int
    broken: list[str]
    digest: str
    steps: int
    virtual_s: float
    documents: int
    trace: list[tuple[Any, ...]] = field(repr=False)


def run_schedule(shop: Workshop, seed: int) -> Outcome:
    """Run it to its end, or to the first broken rule."""
    world = World(shop, seed)
    with Patched(world):
        try:
            director = Director(world)
            director.begin()
            world.loop.run_forever()
        except Exception as error:
            world.watch.wrong("simulation", f"{type(error).__name__}: {error}")
        finally:
            world.close()
    text = "\n".join(" ".join(map(str, line)) for line in world.trace_lines)
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    documents = len(world.watch.rows)
    return Outcome(seed, world.watch.broken, digest, world.loop.steps, world.loop.time(), documents, world.trace_lines)


class Director:
    """Draws the weather and the events of one schedule, and after them the calm and the end."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.dice = Random(world.dice.random())
        self.papers: list[tuple[str, bytes, bool]] = []
        self.horizon = self.dice.choice((3.0, 8.0, 15.0, 15.0, 30.0, 60.0))
        self.made = 0
        self.attachments = 0.0
        self.into_folders = 0.7

    # -- before ------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Everything that will happen gets its moment."""
        world = self.world
        world.network.on_doubt, world.disk.meddler = self.hide_doubted, self.person
        if is_long(world.seed):
            self._theme(THEMES[world.seed // EVERY % len(THEMES)])
        else:
            fates.begin(self, world.seed - world.seed // EVERY)

    def _theme(self, theme: Callable[["Director"], None]) -> None:
        """A long schedule: a mixture of everything, changed by its theme."""
        world, dice = self.world, self.dice
        self._habits()
        world.network.weather = self._weather()
        if dice.random() < 0.15:
            world.start = world.start.replace(hour=22, minute=58, second=50)  # a minute before midnight in Warsaw
        if dice.random() < 0.2:
            world.ksef_skew = timedelta(seconds=dice.uniform(-90, 90))
        world.receive_every = dice.choice((60.0, 900.0))
        world.returns = dice.random() < 0.25
        world.folders = world.returns and dice.random() < 0.5
        if dice.random() < 0.15:
            world.worker_deaths = 0.1
        world.disk.slow = dice.choice((0.0, 0.0, 0.5, 3.0))
        theme(self)
        world.start_gateway()
        world.start_agent()
        for _ in range(dice.choice((1, 2, 3, 3, 4, 5, 8))):
            self.at(self.drop)
        for _ in range(dice.choice((0, 0, 1, 2, 4))):
            self.at(dice.choice((self.again, self.again, self.person, self.person, self.other_program)))
        for _ in range(dice.choice((0, 0, 0, 1, 3))):
            self.at(self.supplier)
        if dice.random() < 0.3:
            self.at(self.slip)
        for _ in range(dice.choice((0, 0, 1, 1, 2, 4))):
            self.at(dice.choice(self._blows()))
        world.loop.outside(self.horizon, self.calm)

    def at(self, what: Callable[[], None]) -> None:
        """At some moment before the calm, rather early."""
        self.world.loop.outside(self.horizon * self.dice.random() ** 1.5, what)

    def _habits(self) -> None:
        dice, habits = self.dice, self.world.model.habits
        habits.judging_s = dice.choice((0.2, 2.0, 2.0, 15.0))
        if dice.random() < 0.3:
            habits.stuck, habits.stuck_s = dice.choice((0.2, 0.6)), dice.choice((60.0, 600.0, 7200.0))
        if dice.random() < 0.3:
            code = dice.choice((405, 405, 550, 550, 500, 435, 450, 430, 410))
            habits.verdicts = ((code, dice.choice((0.2, 0.5))), (dice.choice((405, 550)), 0.1))
        habits.list_lag_s = dice.choice((0.0, 0.0, 1.0, 6.0, 30.0))
        habits.storing_s = dice.choice((1.0, 5.0, 120.0))
        habits.hwm_lag_s = dice.choice((2.0, 20.0, 90.0))
        habits.upo_after_close = dice.random() < 0.1
        habits.no_extensions = dice.choice((0.0, 0.3, 1.0))
        habits.page = dice.choice((1, 2, 1000))
        habits.package = dice.choice((2, 3, 10_000))
        habits.final_s = dice.choice((0.2, 3.0, 20.0))
        self.attachments = dice.choice((0.0, 0.0, 0.0, 0.5))
        if dice.random() < 0.3:  # few sends are allowed, so that more go by package
            self.world.network.answers.limits["invoiceSend"] = (1, 2, 4)
        if dice.random() < 0.3:
            habits.package_fails = dice.choice((0.3, 0.8))
        if dice.random() < 0.3:
            habits.false_440 = 0.7
        if dice.random() < 0.2:
            habits.wrong_upo = 0.5

    def _weather(self) -> Weather:
        dice, weather = self.dice, Weather()
        weather.slow_s = dice.choice((0.02, 0.05, 0.3, 1.5))
        faults = [
            "lost_before", "lost_after", "lost_after", "refused", "late", "late", "html", "html_after", "banned",
            "unauthorised", "session_trouble", "cut", "cut", "twice", "crash",
        ]  # fmt: skip
        for name in dice.sample(faults, dice.choice((0, 1, 1, 2, 3, 5))):
            setattr(weather, name, getattr(weather, name) + dice.choice((0.03, 0.1, 0.3)))
        if dice.random() < 0.5:
            weather.only = frozenset({"send"})
            for name in ("lost_before", "lost_after", "late", "html_after", "cut", "twice", "crash"):
                setattr(weather, name, getattr(weather, name) * 2)
        weather.hides = dice.choice((0.0, 0.0, 0.0, 0.0, 0.5))
        weather.late_s = dice.choice((5.0, 60.0, 200.0, 200.0))
        weather.ban_s = dice.choice((5, 60, 600))
        return weather

    def _blows(self) -> list[Callable[[], None]]:
        return [
            self.kill_agent, self.kill_agent, self.crash_at_commit, self.crash_at_commit, self.kill_gateway,
            self.restart_agent, self.freeze, self.clock_jump, self.outage, self.outage, self.hide_session,
            self.rotate_keys, self.forget_tokens, self.disk_full,
        ]  # fmt: skip

    # -- the town ----------------------------------------------------------------------------------------------

    def drop(self) -> None:
        """A unit hands in a new invoice."""
        dice, world = self.dice, self.world
        self.made += 1
        unit, today = dice.choice(UNITS), warsaw_date(world.clock())
        make = unit_invoice if unit == SCHOOL else invoice
        day = today - timedelta(days=dice.choice((0, 0, 0, 1)))
        raw = make(number=f"FV/{self.made}/2026", issue_date=day, attachment=dice.random() < self.attachments)
        if dice.random() < 0.06:
            raw = raw.replace(b"<P_1>2026-11", b"<P_1>2026-12")
        offline24 = dice.random() < 0.15
        self.papers.append((unit, raw, offline24))
        self._hand_in(unit, raw, f"f{self.made}.xml", offline24)

    def again(self) -> None:
        """The same bytes once more, from the same or another unit, or another invoice under a used number."""
        if not self.papers:
            return
        unit, raw, offline24 = self.dice.choice(self.papers)
        kind = self.dice.random()
        if kind < 0.2:
            unit = self.dice.choice(UNITS)
        elif kind < 0.4:
            raw = raw.replace(b"<P_13_1>", b"<P_13_1> ".strip()).replace("Gmina Przykładowa".encode(), b"Gmina P.")
        self.made += 1  # a name of its own: what the town itself overwrites is not ours to keep
        self._hand_in(unit, raw, f"again{self.made}.xml", offline24)

    def _hand_in(self, unit: str, raw: bytes, name: str, offline24: bool) -> None:
        world = self.world
        box = world.root / unit / "do-wyslania"
        if world.folders and self.dice.random() < self.into_folders and box.is_dir():
            working = box / ".praca.tmp"
            working.write_bytes(raw)
            working.rename(box / name)
            world.trace("dropped", unit, name)
            world.dropped.append((unit, raw))
        else:
            world.trace("submits", unit, name)
            world.submit(unit, raw, name, offline24=offline24)

    def person(self) -> None:
        """Somebody does something to a document at the command line."""
        world, dice = self.world, self.dice
        rows = sorted(world.watch.rows.values(), key=lambda r: r.id)
        if not rows:
            return
        row = dice.choice(rows)
        act = dice.choice((actions.hold, actions.release, actions.withdraw, actions.ask_again, actions.withdraw))
        self.act(lambda store: act(store, row.id, world.clock(), "Anna", "Bo tak."), f"{act.__name__} {row.sha256[:8]}")

    def change_of_mind(self) -> None:
        """Somebody holds or withdraws what is still queued."""
        queued = [r for _, r in sorted(self.world.watch.rows.items()) if r.state == State.QUEUED]
        if queued:
            row, act = self.dice.choice(queued), self.dice.choice((actions.hold, actions.withdraw))
            self.act(
                lambda store: act(store, row.id, self.world.clock(), "Anna", "Nie tak."),
                f"{act.__name__} {row.sha256[:8]}",
            )

    def act(self, job: Callable[[Store], Any], what: str) -> None:
        """A transaction of the command line."""
        from tests.simulation.disk import SimSpool

        try:
            SimSpool(self.world.disk, self.world.gateway, "person").write_now(job)
            self.world.trace("person", what)
        except (SluzaError, KeyError) as error:
            self.world.trace("person may not", what, type(error).__name__)

    def other_program(self) -> None:
        """Other software of the town registers a number of ours: with our bytes, or with others."""
        world, dice = self.world, self.dice
        number = dice.randrange(1, 5)
        if self.papers and dice.random() < 0.5:
            raw = dice.choice(self.papers)[1]
        else:
            raw = invoice(number=f"FV/{number}/2026", issue_date=warsaw_date(world.clock()), footer="inny program")
        paper = Paper.read(raw)
        if all(r.paper.key != paper.key for r in world.model.register):
            world.model.registered(paper, world.model.ref("SO") if dice.random() < 0.5 else "", ours=False)

    def supplier(self) -> None:
        """A supplier's invoice enters KSeF."""
        self.made += 1
        number, today = f"Z/{self.made}/2026", warsaw_date(self.world.clock())
        raw = purchase_for_unit(number=number, issue_date=today, seller_nip=BUYER_NIP)
        self.world.trace("supplier", self.world.model.sold_to_us(raw).number)

    # -- fate --------------------------------------------------------------------------------------------------

    def kill_agent(self) -> None:
        """SIGKILL now; up again after a while."""
        self.world.kill(self.world.agent)
        self._up(self.world.start_agent)

    def kill_gateway(self) -> None:
        """The same for the gateway."""
        self.world.kill(self.world.gateway)
        self._up(self.world.start_gateway)

    def _up(self, start: Callable[[], None]) -> None:
        self.world.loop.outside(self.dice.choice((0.5, 3.0, 30.0)), start)

    def crash_at_commit(self) -> None:
        """The next process that commits dies right before or right after; the supervisor starts what is dead."""
        world = self.world
        world.disk.crash_at = (world.disk.commits + self.dice.randrange(4), self.dice.random() < 0.6)
        world.disk.crash_who = ""

    def gateway_dies(self) -> None:
        """The gateway does, at one of its next commits."""
        self.crash_at_commit()
        self.world.disk.crash_who = "gateway"

    def supervise(self) -> None:
        """As supervisord does, every few seconds."""
        world = self.world
        for process, start in ((world.agent, world.start_agent), (world.gateway, world.start_gateway)):
            if not process.alive:
                start()

    def restart_agent(self) -> None:
        """A clean stop and start, as after an upgrade; what does not end by itself is killed."""
        world = self.world
        stopping = world.agent
        stopping.stop()
        world.trace("agent asked to stop")

        def over() -> None:
            if world.agent is stopping:
                world.kill(stopping)
                world.start_agent()

        world.loop.outside(30.0, over)

    def freeze(self) -> None:
        """SIGSTOP, or a machine that hangs; time goes on without it."""
        world, dice = self.world, self.dice
        until = world.loop.time() + dice.choice((2.0, 20.0, 1000.0))
        process = dice.choice((world.agent, world.agent, world.gateway))
        process.frozen_until = until
        world.trace(process.name, "frozen until", until)

    def clock_jump(self) -> None:
        """The machine's clock is set."""
        world = self.world
        world.skew += timedelta(seconds=self.dice.choice((-7200, -600, -30, 30, 600, 4000)))
        world.watch.clock_moved = world.loop.time()
        world.trace("clock set", world.skew)

    def outage(self) -> None:
        """KSeF is down."""
        now, dice = self.world.loop.time(), self.dice
        how = dice.choice(("down_refused", "down_hangs", "down_html"))
        self.world.network.weather.down.append((now, now + dice.choice((5.0, 30.0, 200.0)), how))
        self.world.trace("KSeF", how)

    def hide_session(self) -> None:
        """KSeF shows one of our sessions no more."""
        sessions = list(self.world.model.sessions.values())
        if sessions:
            session = self.dice.choice(sessions[-2:])
            session.hidden = self.dice.choice(("unknown", "insufficient-resource-access"))
            self.world.trace("hides", session.ref)

    def hide_doubted(self, call: Call) -> None:
        """The session of a send without an answer is hidden; sometimes somebody else takes the number meanwhile."""
        world, dice = self.world, self.dice
        session = world.model.sessions.get(call.parts[0])
        if session is not None and not session.hidden:
            session.hidden = dice.choice(("unknown", "insufficient-resource-access"))
            world.trace("hides the doubted", session.ref)
            if dice.random() < 0.3:
                self._rival(call.sha256)

    def _rival(self, sha256: str) -> None:
        raw = next((raw for _, raw, _ in self.papers if sha(raw).hex() == sha256), b"")
        paper = Paper.read(raw.replace(b"</Faktura>", b" </Faktura>"))
        if raw and all(r.paper.key != paper.key for r in self.world.model.register):
            self.world.model.registered(paper, "", ours=False)

    def rotate_keys(self) -> None:
        """An emergency rotation: the old key is gone at once."""
        self.world.model.keys = self.world.shop.keys[1:]
        self.world.trace("keys rotated")

    def forget_tokens(self) -> None:
        """Every access token is revoked."""
        self.world.network.answers.forget_tokens()
        self.world.trace("tokens revoked")

    def disk_full(self) -> None:
        """The next commits of one process fail."""
        self.world.disk.full[self.dice.choice(("agent", "gateway"))] = self.dice.choice((1, 1, 5))
        self.world.trace("disk full")

    def slip(self) -> None:
        """A command that fails in the middle: what it had written before that is written nowhere."""
        world = self.world
        rows = sorted(world.watch.rows)
        if not rows:
            return
        document = self.dice.choice(rows)

        def job(store: Store) -> None:
            store.log(document, "slip", world.clock(), "Anna", "Bo tak.")
            raise MoveRefused("slip")

        self.act(job, "slips")
        if world.disk.eye.execute("SELECT 1 FROM event WHERE move = 'slip'").fetchone():
            world.watch.wrong("I15", "half a job is in the history")

    # -- after -------------------------------------------------------------------------------------------------

    def calm(self) -> None:
        """Faults are off; from now on everything has to come to its end."""
        world = self.world
        world.trace("calm")
        ending.Ending(self).begin()
