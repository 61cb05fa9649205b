"""What a schedule is about: most defects need several things together that a mixture of everything seldom brings.

The number of a schedule says its theme, so that every run of some length has all of them. A theme changes what was
drawn for the mixture; it adds nothing that could not happen there.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from tests.simulation.network import Weather

if TYPE_CHECKING:
    from tests.simulation.schedule import Director

_DOUBTS = ("lost_before", "lost_after", "late", "html_after", "cut", "crash", "twice")


def mixed(_director: "Director") -> None:
    """As drawn."""


def packages(director: "Director") -> None:
    """Everything goes by package, and what goes wrong has to do with packages."""
    dice, world, habits = director.dice, director.world, director.world.model.habits
    director.horizon = dice.choice((8.0, 15.0, 30.0))
    if dice.random() < 0.6:
        director.attachments = 1.0
    else:
        world.network.answers.limits["invoiceSend"] = (1, 2, 4)
    habits.unpacking_s = dice.choice((0.5, 5.0, 5.0, 400.0))
    habits.false_440 = dice.choice((0.0, 0.0, 1.0))
    habits.package_fails = dice.choice((0.0, 0.0, 0.0, 0.7))
    habits.packed_twice = dice.choice((0.0, 0.0, 0.5))
    habits.verdicts = ((dice.choice((405, 500, 550)), dice.choice((0.0, 0.4))),)
    weather = world.network.weather = Weather(slow_s=dice.choice((0.02, 0.3)), late_s=60.0)
    about = dice.choice(("close_batch", "close_batch", "upload", "open_batch", "listed", "session"))
    weather.only = frozenset({about})
    for name in dice.sample(_DOUBTS, dice.choice((0, 1, 2))):
        setattr(weather, name, dice.choice((0.3, 0.6)))
    world.disk.meddle = dice.choice((0.0, 0.0, 0.005, 0.02))
    for _ in range(dice.choice((2, 4, 6))):
        director.at(director.drop)
    for _ in range(dice.choice((0, 0, 1, 2))):
        director.at(
            dice.choice((director.kill_agent, director.crash_at_commit, director.person, director.hide_session))
        )


def doubt(director: "Director") -> None:
    """Most sends get no answer; sessions are hidden, other programs take numbers, people lose patience."""
    dice, world, habits = director.dice, director.world, director.world.model.habits
    weather = world.network.weather = Weather(slow_s=dice.choice((0.02, 0.3, 1.5)), late_s=dice.choice((5.0, 200.0)))
    weather.only = frozenset({"send"})
    for name in dice.sample(_DOUBTS, dice.choice((1, 1, 2))):
        setattr(weather, name, 0.5)
    weather.hides = dice.choice((0.0, 0.0, 1.0))
    habits.judging_s = dice.choice((2.0, 15.0))
    habits.list_lag_s = dice.choice((0.0, 6.0, 30.0))
    if dice.random() < 0.5:
        habits.verdicts = ((dice.choice((405, 435, 500, 550, 410)), 0.5),)
    world.disk.meddle = dice.choice((0.0, 0.0, 0.01))
    for _ in range(dice.choice((1, 2, 4, 6))):
        director.at(dice.choice((director.person, director.person, director.again)))


def copies(director: "Director") -> None:
    """The line delivers sends twice, at once or later, and KSeF judges the copies differently."""
    dice, world, habits = director.dice, director.world, director.world.model.habits
    weather = world.network.weather = Weather(slow_s=dice.choice((0.02, 0.3)), late_s=dice.choice((5.0, 30.0)))
    weather.only = frozenset({"send"})
    weather.twice = 0.8
    weather.lost_after = dice.choice((0.0, 0.0, 0.2))
    habits.judging_s = dice.choice((0.5, 2.0, 15.0))
    habits.final_s = dice.choice((0.2, 3.0))
    habits.list_lag_s = dice.choice((0.0, 6.0, 30.0))
    habits.verdicts = ((dice.choice((405, 435, 500, 550, 410)), dice.choice((0.4, 0.7))),)


def folders(director: "Director") -> None:
    """KSeF is well; the town writes into its folders, and the gateway dies at its commits."""
    dice, world = director.dice, director.world
    world.returns = world.folders = True
    world.network.weather = Weather(slow_s=0.02)
    world.model.habits.judging_s = 0.2
    world.disk.slow = dice.choice((0.0, 0.5))
    director.horizon = dice.choice((8.0, 15.0))
    director.into_folders = 1.0
    for _ in range(dice.choice((1, 2, 3))):
        director.at(director.drop)
    for _ in range(dice.choice((0, 1, 1, 2, 3))):
        director.at(dice.choice((director.gateway_dies, director.gateway_dies, director.kill_gateway, director.again)))


THEMES: tuple[Callable[["Director"], None], ...] = (
    packages, doubt, mixed, folders, packages, copies, doubt, mixed,
)  # fmt: skip
