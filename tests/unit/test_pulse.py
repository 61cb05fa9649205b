"""Which process hangs and which is only busy; what the overseer does about it."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sluza import overseer
from sluza.overseer import Overseer
from spool import pulse
from spool.domain.pulse import BUSY_LOOKS, FROZEN_LOOKS, IDLE_LOOKS, QUIET, QUIET_IDLE_LOOKS, Doing, Watched, doing
from spool.domain.stopped import PROGRAMS, Why, sentences, subject

_SLEEPS = "import time; print(flush=True); time.sleep(600)"


def after(count: int, what: Doing, watched: Watched | None = None) -> Watched:
    """A process after so many looks at the same pulse."""
    watched = watched or Watched(7, "1")
    for _ in range(count):
        watched = watched.seen(7, "1", what)
    return watched


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        (["S", "S", "S"], Doing.IDLE),
        (["T", "T"], Doing.FROZEN),
        (["t"], Doing.FROZEN),
        (["S", "R"], Doing.BUSY),
        (["T", "D"], Doing.DISK),
        (["S", "D", "R"], Doing.DISK),
    ],
)
def test_what_threads_do(states: list[str], expected: Doing) -> None:
    """A thread that waits for the disk explains everything, one that computes explains a slow loop."""
    assert doing(states) is expected


@pytest.mark.parametrize(
    ("what", "limit"), [(Doing.FROZEN, FROZEN_LOOKS), (Doing.IDLE, IDLE_LOOKS), (Doing.BUSY, BUSY_LOOKS)]
)
def test_a_hang_is_so_many_looks(what: Doing, limit: int) -> None:
    """One look fewer is none; a pulse in between begins the count anew, and so does another process."""
    before = after(limit - 1, what)
    assert not before.hangs
    assert after(1, what, before).hangs
    assert not before.seen(7, "2", what).hangs
    assert before.seen(8, "1", what) == Watched(8, "1")


def test_a_slow_disk_is_no_hang() -> None:
    """Waiting for the disk counts nothing, however long; a long transaction beside it neither."""
    assert not after(100 * BUSY_LOOKS, Doing.DISK).hangs
    busy = after(IDLE_LOOKS * 2, Doing.BUSY)
    assert not busy.hangs
    assert busy.idle == 0


async def test_the_pulse_is_there_while_the_loop_turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It names this process, changes, and goes when the program is told to stop; without a directory there is none."""
    monkeypatch.setenv(pulse.RUN, str(tmp_path))
    monkeypatch.setattr(pulse, "_EVERY_S", 0.0)
    stop = asyncio.Event()
    beating = asyncio.ensure_future(pulse.live("gateway", stop.is_set))
    seen = []
    for _ in range(3):
        await asyncio.sleep(0)
        seen.append(pulse.read(tmp_path, "gateway"))
    assert seen == [(os.getpid(), "1"), (os.getpid(), "2"), (os.getpid(), "3")]
    stop.set()
    await beating
    assert pulse.read(tmp_path, "gateway") is None
    monkeypatch.setenv(pulse.RUN, str(tmp_path / "absent"))
    await pulse.live("gateway", iter([False, True]).__next__)


class Supervisor:
    """Remembers what it was asked to do."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.pids: dict[str, int] = {}
        self.refuses: OSError | None = None
        self.supervisor = self

    def getProcessInfo(self, name: str) -> dict[str, int]:
        """What runs."""
        self._answer()
        return {"pid": self.pids.get(name, 0)}

    def _answer(self) -> None:
        if self.refuses:
            raise self.refuses

    def startProcess(self, name: str, wait: bool) -> None:
        """Start."""
        assert not wait
        self._answer()
        self.asked.append(("start", name))

    def stopProcess(self, name: str, wait: bool) -> None:
        """Stop."""
        assert not wait
        self._answer()
        self.asked.append(("stop", name))


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """A child of ours that does nothing."""
    with subprocess.Popen([sys.executable, "-c", _SLEEPS], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        yield child
        child.kill()


def freeze(child: subprocess.Popen[bytes]) -> None:
    """Stopped, and the kernel has said so."""
    os.kill(child.pid, signal.SIGSTOP)
    assert os.WIFSTOPPED(os.waitpid(child.pid, os.WUNTRACED)[1])


def beats(run: Path, pid: int, number: int) -> None:
    """The pulse of the gateway as its process would leave it."""
    pulse.path_of(run, "gateway").write_text(f"{pid} {number}", encoding="ascii")


def watching(run: Path, monkeypatch: pytest.MonkeyPatch, parent: int) -> tuple[Overseer, Supervisor, list[Any]]:
    """An overseer whose supervisord is `parent`; what it told."""
    told: list[Any] = []

    class Said:
        """A message that nobody takes."""

        def __init__(self, command: list[str], **_options: Any) -> None:
            told.append(command[-2:])

        def poll(self) -> int:
            """Refused."""
            return 1

    monkeypatch.setattr(overseer.subprocess, "Popen", Said)
    rpc = Supervisor()
    return Overseer(run, rpc, parent), rpc, told


def test_a_frozen_process_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sleeper: subprocess.Popen[bytes]
) -> None:
    """It cannot say a word any more, so the signal that needs no consent ends it; one whose pulse goes on lives."""
    watch, _, _ = watching(tmp_path, monkeypatch, os.getpid())
    for number in range(IDLE_LOOKS * 2):
        beats(tmp_path, sleeper.pid, number)
        look(watch)
    assert sleeper.poll() is None
    freeze(sleeper)
    for _ in range(FROZEN_LOOKS + 10):
        look(watch)
    assert sleeper.wait(10) == -signal.SIGKILL


def test_a_process_that_waits_for_ever_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sleeper: subprocess.Popen[bytes]
) -> None:
    """The first signal lets Python write where it hangs."""
    watch, _, _ = watching(tmp_path, monkeypatch, os.getpid())
    monkeypatch.setattr(pulse, "threads", lambda _: (os.getpid(), ["S", "S"]))
    beats(tmp_path, sleeper.pid, 1)
    for _ in range(IDLE_LOOKS + 1):
        look(watch)
    assert sleeper.wait(10) == -signal.SIGABRT


def test_what_the_kernel_says_of_a_process(sleeper: subprocess.Popen[bytes]) -> None:
    """Its parent and a letter for each thread; a process that ended has nothing any more, waited for or not."""
    freeze(sleeper)
    assert pulse.threads(sleeper.pid) == (os.getpid(), ["T"])
    sleeper.kill()
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)
    assert pulse.threads(sleeper.pid) is None
    sleeper.wait()
    assert pulse.threads(sleeper.pid) is None


def test_programs_end_with_their_supervisord(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sleeper: subprocess.Popen[bytes]
) -> None:
    """The one that supervisord named is asked to end, ready or not; a number that only lies in a file is nobody's."""
    watch, _, _ = watching(tmp_path, monkeypatch, os.getpid())
    beats(tmp_path, sleeper.pid, 1)
    watch.orphaned()
    assert sleeper.poll() is None
    runs(watch, sleeper.pid)
    watch.orphaned()
    assert sleeper.wait(10) == -signal.SIGTERM


def test_what_freezes_before_it_is_ready_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sleeper: subprocess.Popen[bytes]
) -> None:
    """supervisord names the process; the pulse in the file is that of the one before."""
    watch, _, _ = watching(tmp_path, monkeypatch, os.getpid())
    beats(tmp_path, sleeper.pid + 1, 1)
    runs(watch, sleeper.pid)
    freeze(sleeper)
    for _ in range(FROZEN_LOOKS + 10):
        look(watch)
    assert sleeper.wait(10) == -signal.SIGKILL


def test_an_overseer_started_anew_asks_what_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sleeper: subprocess.Popen[bytes]
) -> None:
    """A program that freezes before it is ready is seen by an overseer, too, that was not there when it started."""
    watch, rpc, _ = watching(tmp_path, monkeypatch, os.getpid())
    rpc.pids["gateway"] = sleeper.pid
    watch.learn()
    monkeypatch.setattr(pulse, "threads", lambda pid: (os.getpid(), ["T"]) if pid == sleeper.pid else None)
    for _ in range(FROZEN_LOOKS + 1):
        look(watch)
    assert sleeper.wait(10) == -signal.SIGABRT


def test_a_long_start_is_no_hang() -> None:
    """Without a pulse a program may compute and wait for its disk as long as it likes; only waiting is counted."""
    starting = Watched(7, QUIET)
    for _ in range(100 * BUSY_LOOKS):
        starting = starting.seen(7, QUIET, Doing.BUSY).seen(7, QUIET, Doing.DISK)
    assert not starting.hangs
    for _ in range(QUIET_IDLE_LOOKS - 1):
        starting = starting.seen(7, QUIET, Doing.IDLE)
    assert not starting.hangs
    assert starting.seen(7, QUIET, Doing.IDLE).hangs


@pytest.mark.parametrize("answer", [OSError("timed out"), ConnectionRefusedError()])
def test_a_supervisord_that_does_not_answer_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: OSError
) -> None:
    """What is to be started again is not forgotten, and the overseer goes on."""
    watch, rpc, _ = watching(tmp_path, monkeypatch, os.getpid())
    rpc.refuses = answer
    watch.learn()
    watch.hear("PROCESS_STATE_FATAL", {"processname": "gateway", "from_state": "BACKOFF"})
    for _ in range(61):
        look(watch)
    assert rpc.asked == []
    rpc.refuses = None
    look(watch)
    assert rpc.asked == [("start", "gateway")]


async def test_each_program_looks_at_the_overseer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sleeper: subprocess.Popen[bytes]
) -> None:
    """A frozen overseer is ended by whom it watches over; supervisord starts it again."""
    monkeypatch.setenv(pulse.RUN, str(tmp_path))
    monkeypatch.setattr(pulse, "_EVERY_S", 0.0)
    monkeypatch.setattr(os, "getppid", os.getpid)  # the overseer is its brother
    pulse.path_of(tmp_path, pulse.OVERSEER).write_text(f"{sleeper.pid} 1", encoding="ascii")
    freeze(sleeper)
    looks = iter(range(2 * (FROZEN_LOOKS + 10)))
    await pulse.live("agent", lambda: next(looks, None) is None)
    assert sleeper.wait(10) == -signal.SIGKILL


def test_a_strangers_process_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sleeper: subprocess.Popen[bytes]
) -> None:
    """A number in an old file may belong to anybody by now: only children of this supervisord are judged."""
    watch, _, _ = watching(tmp_path, monkeypatch, os.getppid())
    monkeypatch.setattr(pulse, "threads", lambda _: (os.getpid(), ["T"]))
    beats(tmp_path, sleeper.pid, 1)
    for _ in range(IDLE_LOOKS * 2):
        look(watch)
    assert sleeper.poll() is None


def look(watch: Overseer) -> None:
    """One look of the overseer; supervisord itself lives."""
    watch.hear("TICK_5", {"when": "0"})
    watch.look()


def runs(watch: Overseer, pid: int) -> None:
    """supervisord says that the gateway runs."""
    watch.hear("PROCESS_STATE_RUNNING", {"processname": "gateway", "from_state": "STARTING", "pid": str(pid)})


def exits(watch: Overseer, name: str, expected: str) -> None:
    """supervisord says that a program ended."""
    watch.hear("PROCESS_STATE_EXITED", {"processname": name, "expected": expected, "pid": "7"})


def test_what_ends_again_and_again_rests_and_is_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The fifth end within ten minutes: a minute's rest before each further try, one message."""
    watch, rpc, told = watching(tmp_path, monkeypatch, os.getpid())
    for _ in range(4):
        exits(watch, "agent", "0")
    look(watch)
    assert (rpc.asked, told) == ([], [])
    for _ in range(2):
        exits(watch, "agent", "0")
        look(watch)
    assert rpc.asked == [("stop", "agent")] * 2
    assert told == [["agent", Why.FAILING]]
    for _ in range(59):
        look(watch)
    assert rpc.asked[2:] == [("start", "agent")]


def test_fatal_is_told_and_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What supervisord gave up is told at once and started in a minute; a message that nobody takes goes again."""
    watch, rpc, told = watching(tmp_path, monkeypatch, os.getpid())
    watch.hear("PROCESS_STATE_FATAL", {"processname": "gateway", "from_state": "BACKOFF"})
    for _ in range(62):
        look(watch)
    assert rpc.asked == [("stop", "gateway"), ("start", "gateway")]
    assert told == [["gateway", Why.FAILING]] * 2


def test_a_configuration_error_is_told_and_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """supervisord does not start it again, and neither do we; one message, even when two contexts are wrong."""
    watch, rpc, told = watching(tmp_path, monkeypatch, os.getpid())
    exits(watch, "gateway", "1")
    exits(watch, "gateway", "1")
    look(watch)
    for _ in range(300):
        look(watch)
    assert rpc.asked == []
    assert {tuple(one) for one in told} == {("gateway", Why.CONFIGURATION)}


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("why", list(Why))
def test_people_are_told_what_and_the_cure(program: str, why: Why) -> None:
    """The program by its name, what does not go on, and a command that helps."""
    assert f"({program}) nie działa" in subject(program)
    assert program in sentences(program, why)
    assert "sluza status" in sentences(program, why) or "sluza check-config" in sentences(program, why)
