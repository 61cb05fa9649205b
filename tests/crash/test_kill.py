"""SIGKILL at named points and at random instants: nothing lost, nothing twice, nobody else's, all by itself (F01)."""

import ast
import json
import os
import random
import signal
from pathlib import Path

import pytest

from spool import crashpoint
from tests.crash.town import Case, Town, run

ROOT = Path(__file__).resolve().parents[2]
DOUBT = ("send.answered", "doubt.begun"), ("send.answered", "doubt.found")
"""A document is in doubt only after a kill between intent and answer: these follow one another."""
_ELSEWHERE = ("doubt.", "package.", "mirror.taken")
"""Points that a round does not pass by itself; packages have `test_kill_package`, copies `test_kill_recall`."""
IN_CI = 2
"""Kills of each program in an ordinary run, and two more of the agent."""


@pytest.mark.parametrize("asked", ["intake.committed:2", "intake.committed:2:ab"])
def test_a_point_is_reached_the_nth_time(asked: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the named point counts, with a prefix only its own; at the n-th passing the process kills itself."""
    died: list[tuple[int, int]] = []
    monkeypatch.setattr("os.kill", lambda pid, number: died.append((pid, number)))
    monkeypatch.setenv(crashpoint.VARIABLE, asked)
    monkeypatch.setattr(crashpoint, "_crash", crashpoint._armed())
    for point, key in (("intake.committed", "abc"), ("intake.read", "abc"), ("intake.read", "abd")):
        crashpoint.reached(point, key)
    assert died == []
    crashpoint.reached("intake.committed", "abd")
    assert died == [(os.getpid(), signal.SIGKILL)]


@pytest.mark.parametrize("wrong", ["intake.commited:1", "intake.committed", "intake.committed:0", "x"])
def test_a_misspelt_point_is_an_error(wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that asks for no point of ours must not pass because nothing was killed."""
    monkeypatch.setenv(crashpoint.VARIABLE, wrong)
    with pytest.raises(ValueError, match="CRASH_AT"):
        crashpoint._armed()


def test_every_point_has_its_place_and_its_name() -> None:
    """The table of crash points and the calls in the product name the same points."""
    called = set()
    for part in ("agent", "gateway", "spool"):
        for path in (ROOT / part).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "reached":
                    called.add(ast.literal_eval(node.args[0]))
    called.discard(None)
    assert called == crashpoint.POINTS.keys()


def drawn(dice: random.Random, *, everything: bool) -> list[tuple[str, Case]]:
    """The cases: all points several times, or a few of each program; and kills at no point at all."""
    cases = []
    for role, points in (("gateway", crashpoint.GATEWAY), ("agent", crashpoint.AGENT)):
        named = [Case(point, n) for point in points if not point.startswith(_ELSEWHERE) for n in (1, 2)]
        named += [Case(point, n) for point in crashpoint.BOTH for n in range(1, 16)]
        random_ones = [Case("", n) for n in range(1, 21)]
        dice.shuffle(named)
        chosen = named + random_ones if everything else [*named[: IN_CI - 1], dice.choice(random_ones)]
        if role == "agent":
            doubts = DOUBT if everything else [dice.choice(DOUBT)]
            chosen += [Case(point, 1) for pair in doubts for point in pair]
        cases += [(role, case) for case in chosen]
    return cases


@pytest.mark.timeout(3600)
def test_fault_F01_killed_anywhere_nothing_is_lost_or_doubled(town: Town, pytestconfig: pytest.Config) -> None:
    """After every kill and restart: each drop in KSeF once, posted once, its results in its own folder, `sluza check`
    clean, here and against KSeF's register (I1-I11, I13, I15-I18)."""
    everything, seed = pytestconfig.getoption("--crash-all"), pytestconfig.getoption("--crash-seed")
    seed = random.randrange(1_000_000) if seed is None else seed
    print(f"--crash-seed {seed}")
    cases = drawn(random.Random(seed), everything=everything)
    missed = run(town, cases)
    fired = town.gateway.fired + town.agent.fired
    print(f"{len(fired)} kills in {town.rounds} rounds, {len(missed)} not reached: {missed}")
    assert len(fired) + len(missed) == len(cases)
    done = town.command("check", "--against-ksef", "--elsewhere-ok", "--json")
    answer = json.loads(done.stdout)
    assert (done.returncode, answer["findings"]) == (0, []), done.stderr
    assert [case for case in missed if case.n == 1 and not case.point.startswith(_ELSEWHERE)] == []
