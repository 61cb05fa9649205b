"""Watches over gateway and agent beside supervisord, which only sees that a process ended (decision 0039).

supervisord starts it as an event listener: its stdin and stdout are supervisord's protocol, so it speaks on stderr. It

- ends what hangs, by the rules of `spool.domain.pulse`: first so that Python writes where it hung, then for good;
- lets what ends again and again, or cannot be started at all (FATAL), rest a minute between two tries;
- has it told to people, once: that, and a program that supervisord leaves alone because of its configuration;
- ends both when supervisord has died.

It reads no disk and waits for nobody. Telling is a process of its own (`sluza alerts stopped`), because mail waits.
"""

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from supervisor import childutils

from spool import pulse
from spool.domain.exits import Exit
from spool.domain.pulse import Watched, doing, fails
from spool.domain.stopped import PROGRAMS, Why

SUPERVISOR = "supervisord"
_LOOK_EVERY_S = 1.0
_REST_LOOKS, _TELL_AGAIN_LOOKS, _TELL_LOOKS, _TELL_TRIES = 60, 60, 150, 60
_LAST_LOOKS = 2
"""Between the signal that asks for the stacks and the one that cannot be refused."""


@dataclass
class Telling:
    """One message about one program, until it went or was tried often enough."""

    program: str
    why: Why
    running: subprocess.Popen[bytes] | None = None
    since: int = 0
    tries: int = 0


@dataclass
class Program:
    """What is remembered about one program; numbers are looks."""

    watched: Watched = field(default_factory=Watched)
    ended: deque[int] = field(default_factory=lambda: deque(maxlen=10))
    told: set[Why] = field(default_factory=set)
    start_at: int | None = None
    doomed_at: int | None = None


class Overseer:
    """One per supervisord. `rpc` is supervisord's own interface; `run` the directory with the pulses."""

    def __init__(self, run: Path, rpc: Any, supervisor: int) -> None:
        self._run, self._rpc, self._supervisor = run, rpc, supervisor
        self._programs = {name: Program() for name in (*PROGRAMS, SUPERVISOR)}
        self._tellings: list[Telling] = []
        self._now, self._ticks = 0, 0

    def look(self) -> None:
        """Once a second: pulses, programs that are to be started again, messages."""
        self._now += 1
        for name in PROGRAMS:
            program = self._programs[name]
            found = pulse.read(self._run, name)
            if found and self._judge(name, *found, parent=self._supervisor) and not fails(program.ended, self._now):
                program.told.clear()
            if program.start_at is not None and self._now >= program.start_at:
                program.start_at = None
                with contextlib.suppress(childutils.xmlrpclib.Fault):  # it is running already
                    self._rpc.supervisor.startProcess(name, False)
        self._judge(SUPERVISOR, self._supervisor, str(self._ticks), parent=None)
        self._tell()

    def _judge(self, name: str, pid: int, beat: str, parent: int | None) -> bool:
        """End what hangs; False when that is not a child of our supervisord, or it itself: numbers are given again."""
        alive, program = pulse.threads(pid), self._programs[name]
        if alive is None or parent not in (None, alive[0]):
            return False
        program.watched = program.watched.seen(pid, beat, doing(alive[1]))
        if not program.watched.hangs:
            program.doomed_at = None
        elif program.doomed_at is None:
            program.doomed_at = self._now
            _say(f"{name} ({pid}) nie daje znaku życia: {program.watched}; kończę go")
            _signal(pid, signal.SIGABRT)
        elif self._now - program.doomed_at >= _LAST_LOOKS:
            _signal(pid, signal.SIGKILL)
        return True

    def hear(self, event: str, payload: dict[str, str]) -> None:
        """What supervisord says."""
        if event.startswith("TICK"):
            self._ticks += 1
        elif (name := payload.get("processname", "")) in PROGRAMS:
            if event == "PROCESS_STATE_EXITED" and payload["expected"] == "1":
                self._have_told(name, Why.CONFIGURATION)
            elif event == "PROCESS_STATE_EXITED":
                self._programs[name].ended.append(self._now)
                if fails(self._programs[name].ended, self._now):
                    self._rest(name)
            elif event == "PROCESS_STATE_FATAL":
                self._rest(name)

    def orphaned(self) -> None:
        """supervisord has died: its programs end, too, because systemd starts nothing anew while one of them lives."""
        for name in PROGRAMS:
            watched = self._programs[name].watched
            if (found := pulse.read(self._run, name)) and found[0] == watched.pid and pulse.threads(watched.pid):
                _signal(watched.pid, signal.SIGTERM)

    def _rest(self, name: str) -> None:
        """Not another try at once: it would take the processor from the one that works."""
        with contextlib.suppress(childutils.xmlrpclib.Fault):  # it does not run, as it should be
            self._rpc.supervisor.stopProcess(name, False)
        self._programs[name].start_at = self._now + _REST_LOOKS
        self._have_told(name, Why.FAILING)

    def _have_told(self, name: str, why: Why) -> None:
        told = self._programs[name].told
        if why not in told:
            told.add(why)
            _say(f"{name}: {why.value}")
            self._tellings.append(Telling(name, why))

    def _tell(self) -> None:
        """One process for each message; where nobody takes it, again in a minute, for an hour."""
        for telling in self._tellings:
            if telling.running is None:
                if telling.tries == 0 or self._now - telling.since >= _TELL_AGAIN_LOOKS:
                    telling.since, telling.tries = self._now, telling.tries + 1
                    telling.running = subprocess.Popen(
                        [sys.executable, "-P", "-m", "sluza", "alerts", "stopped", telling.program, telling.why.value],
                        stdin=subprocess.DEVNULL, stdout=sys.stderr.fileno(), stderr=sys.stderr.fileno(),
                    )  # fmt: skip
            elif (code := telling.running.poll()) is not None:
                telling.running = None
                if code in {Exit.OK, Exit.USAGE}:  # told, or there is no way to tell anybody
                    telling.tries = _TELL_TRIES
            elif self._now - telling.since >= _TELL_LOOKS:
                telling.running.kill()
        self._tellings = [t for t in self._tellings if t.running is not None or t.tries < _TELL_TRIES]


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _say(sentence: str) -> None:
    with contextlib.suppress(OSError):
        print(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {sentence}", file=sys.stderr, flush=True)


def main() -> int:
    """Until supervisord closes the line. Only supervisord starts it."""
    overseer = Overseer(Path(os.environ[pulse.RUN]), childutils.getRPCInterface(os.environ), os.getppid())
    childutils.listener.ready()
    following = time.monotonic() + _LOOK_EVERY_S
    while True:
        if select.select([sys.stdin], [], [], max(0.0, following - time.monotonic()))[0]:
            line = sys.stdin.readline()
            if not line:
                overseer.orphaned()
                return Exit.OK
            header = childutils.get_headers(line)
            payload = childutils.get_headers(sys.stdin.read(int(header["len"])))
            overseer.hear(header["eventname"], payload)
            childutils.listener.ok()
            childutils.listener.ready()
        if time.monotonic() >= following:
            following = time.monotonic() + _LOOK_EVERY_S
            overseer.look()


if __name__ == "__main__":
    sys.exit(main())
