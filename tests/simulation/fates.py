"""Short schedules: a document or two, one fault of the checklist, and sometimes a second one.

The number of a schedule says which fault is its first (`first_of`), so that a thousand of them bring each one some
twenty times, in another place each time. A fault is named after its row of the checklist; several rows have several.
"""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from tests.simulation.ksef_model import Habits
from tests.simulation.network import Weather

if TYPE_CHECKING:
    from tests.simulation.schedule import Director

Fate = Callable[["Director"], None]


def begin(director: "Director", number: int) -> None:
    """KSeF is quick and the line is good, but for the faults."""
    dice, world = director.dice, director.world
    director.horizon = dice.choice((1.0, 2.0, 2.0, 4.0))
    world.network.weather = Weather(slow_s=dice.choice((0.02, 0.02, 0.3)), late_s=30.0, ban_s=dice.choice((3, 30)))
    quick = Habits(judging_s=dice.choice((0.2, 2.0)), final_s=0.2, storing_s=1.0, hwm_lag_s=2.0, upo_s=0.2)
    quick.page = dice.choice((1, 1000))
    world.model.habits = quick
    world.receive_every = 6 * 3600.0
    _, fate = FATES[number % len(FATES)]
    fates = [fate] if dice.random() < 0.5 else [fate, dice.choice(FATES)[1]]
    for one in fates:
        one(director)
    world.start_gateway()
    world.start_agent()
    for _ in range(dice.choice((1, 1, 2))):
        director.at(director.drop)
    world.loop.outside(director.horizon, director.calm)


# -- what the line does to one kind of call ------------------------------------------------------------------------


def _line(fault: str, *names: str) -> Fate:
    def fate(director: "Director") -> None:
        weather = director.world.network.weather
        weather.only |= frozenset(names)
        setattr(weather, fault, director.dice.choice((0.4, 1.0)))

    return fate


def _by_package(fault: str, *names: str) -> Fate:
    return partial(_both, _packages, _line(fault, *names))


def _both(first: Fate, second: Fate, director: "Director") -> None:
    first(director)
    second(director)


def _packages(director: "Director") -> None:
    director.attachments = 1.0
    director.horizon = 4.0
    director.world.model.habits.unpacking_s = director.dice.choice((0.5, 5.0))
    director.at(director.drop)


def _few_sends(director: "Director") -> None:
    director.world.network.answers.limits["invoiceSend"] = (1, 2, 4)
    for _ in range(3):
        director.at(director.drop)


def _down(director: "Director") -> None:
    director.at(director.outage)


# -- what KSeF does -----------------------------------------------------------------------------------------------


def _verdicts(*codes: int) -> Fate:
    def fate(director: "Director") -> None:
        director.world.model.habits.verdicts = ((director.dice.choice(codes), director.dice.choice((0.5, 1.0))),)

    return fate


def _habit(**drawn: tuple[float, ...]) -> Fate:
    def fate(director: "Director") -> None:
        for name, values in drawn.items():
            setattr(director.world.model.habits, name, director.dice.choice(values))

    return fate


def _packed_habit(**drawn: tuple[float, ...]) -> Fate:
    return partial(_both, _packages, _habit(**drawn))


def _hidden(director: "Director") -> None:
    """The session of a send without an answer is shown no more, and KSeF may need longer than it could last."""
    _line("lost_after", "send")(director)
    habits = director.world.model.habits
    director.world.network.weather.hides = 1.0
    habits.judging_s = 2.0
    habits.stuck, habits.stuck_s = director.dice.choice((0.0, 1.0, 1.0)), 120_000.0


def _wrong_receipts(director: "Director") -> None:
    """There are other documents, of which they may be."""
    _habit(wrong_upo=(0.5, 1.0), upo_after_close=(0.0, 1.0))(director)
    director.horizon = 4.0
    for _ in range(2):
        director.at(director.drop)


def _copies(director: "Director") -> None:
    """Each send arrives twice, at once or up to half a minute later, and KSeF judges the copies differently."""
    dice, world, habits = director.dice, director.world, director.world.model.habits
    world.network.weather.only |= frozenset({"send"})
    world.network.weather.twice, world.network.weather.twice_lost = 1.0, dice.choice((0.3, 1.0))
    director.horizon = 4.0
    habits.judging_s, habits.final_s = dice.choice((0.2, 2.0, 15.0)), dice.choice((0.2, 3.0))
    habits.list_lag_s = dice.choice((0.0, 6.0, 30.0))
    habits.verdicts = ((dice.choice((405, 435, 500, 550, 410)), 0.5),)
    for _ in range(dice.choice((0, 2, 4))):  # of so many in a session the list is read, not the status of each
        director.at(director.drop)


def _same_number(director: "Director") -> None:
    director.world.model.habits.no_extensions = director.dice.choice((0.0, 1.0))
    for _ in range(3):
        director.at(director.other_program)


def _late_copies(director: "Director") -> None:
    """The second copy comes late, and the session that it is for cannot be closed at once."""
    _copies(director)
    weather = director.world.network.weather
    weather.only |= frozenset({"close"})
    weather.lost_before, weather.twice_lost = 0.3, 0.0
    director.world.model.habits.judging_s = 0.2


def _suppliers(director: "Director") -> None:
    director.world.receive_every = 60.0
    director.world.model.habits.package = director.dice.choice((2, 3, 10_000))
    for _ in range(director.dice.choice((2, 3))):
        director.at(director.supplier)
    if director.dice.random() < 0.5:
        director.at(director.dice.choice((director.kill_agent, director.crash_at_commit)))


# -- what happens in the town --------------------------------------------------------------------------------------


def _soon(name: str, times: int = 1) -> Fate:
    def fate(director: "Director") -> None:
        for _ in range(times):
            director.at(getattr(director, name))

    return fate


def _haste(director: "Director") -> None:
    """Somebody holds or withdraws a document between what the agent read and what it writes from that."""
    disk = director.world.disk
    disk.meddle, disk.meddler = 0.1, director.change_of_mind


def _haste_with_packages(director: "Director") -> None:
    _packages(director)
    _haste(director)


def _folders(director: "Director") -> None:
    world = director.world
    world.returns = world.folders = True
    director.into_folders = 1.0
    for _ in range(director.dice.choice((1, 2))):
        director.at(director.dice.choice((director.gateway_dies, director.gateway_dies, director.kill_gateway)))


def _returns(director: "Director") -> None:
    director.world.returns = True
    director.at(director.dice.choice((director.gateway_dies, director.kill_gateway)))


def _dying_workers(director: "Director") -> None:
    director.world.worker_deaths = 0.3


def _midnight(director: "Director") -> None:
    director.world.start = director.world.start.replace(hour=22, minute=59, second=58)


def _slow_disk(director: "Director") -> None:
    director.world.disk.slow = 3.0
    director.at(director.crash_at_commit)


FATES: tuple[tuple[str, Fate], ...] = (
    ("K01", _line("lost_before", "send")),
    ("K01", _line("lost_after", "send")),
    ("K01", _by_package("lost_after", "close_batch")),
    ("F01", _soon("crash_at_commit")),
    ("K01", _line("late", "send")),
    ("K02", _copies),
    ("D04", _soon("again", 2)),
    ("F12", _haste_with_packages),
    ("K01", _line("crash", "send", "close")),
    ("K05", _same_number),
    ("D01", _folders),
    ("K01", _line("html_after", "send")),
    ("K08", _verdicts(405, 500, 550)),
    ("F19", _dying_workers),
    ("K01", _line("cut", "send", "status", "listed")),
    ("K15", _suppliers),
    ("K04", _line("banned", "send", "status", "listed", "session")),
    ("F04", _soon("disk_full", 2)),
    ("K01", _by_package("crash", "close_batch", "upload", "open_batch")),
    ("K09", _hidden),
    ("K10", _soon("forget_tokens")),
    ("K14", _wrong_receipts),
    ("K02", _copies),
    ("F01", _returns),
    ("K01", _by_package("lost_before", "close_batch", "upload", "open_batch")),
    ("K06", _verdicts(410, 430, 435, 450)),
    ("F13", _soon("freeze")),
    ("K01", _by_package("html_after", "close_batch", "listed")),
    ("K03", _line("refused", "send", "open", "status", "session", "listed", "redeem")),
    ("K07", _habit(stuck=(0.5, 1.0), stuck_s=(30.0, 600.0, 7200.0), list_lag_s=(0.0, 6.0))),
    ("F12", _haste),
    ("K11", _soon("rotate_keys")),
    ("K01", _packed_habit(package_fails=(0.7, 1.0))),
    ("K04", _few_sends),
    ("K08", _late_copies),
    ("F14", _soon("clock_jump")),
    ("K01", _packed_habit(false_440=(1.0,), packed_twice=(0.0, 0.5), list_lag_s=(0.0, 6.0))),
    ("F01", _soon("kill_agent", 2)),
    ("K10", _line("unauthorised", "send", "open", "status", "session", "listed", "rate_limits")),
    ("K01", _line("lost_after", "open", "close", "listed", "session")),
    ("I15", _soon("slip", 3)),
    ("K02", _copies),
    ("F15", _midnight),
    ("K03", _down),
    ("F02", _slow_disk),
    ("K09", _line("session_trouble", "send")),
    ("F01", _soon("restart_agent")),
    ("K09", _soon("hide_session", 2)),
    ("K03", _line("html", "send", "open", "close", "status", "session", "listed")),
)  # fmt: skip
