"""Watches over gateway and agent beside supervisord, which only sees that a process ended (decision 0039).

supervisord starts it as an event listener: its stdin and stdout are supervisord's protocol, so it speaks on stderr. It

- ends what hangs, by the rules of `spool.domain.pulse`: a program from its first moment to its last, and supervisord;
- lets what ends again and again, or cannot be started at all (FATAL), rest a minute between two tries;
- has it told to people, once: that, and a program that supervisord leaves alone because of its configuration;
- ends both when supervisord has died.

It reads no disk and waits for nobody longer than a moment. Telling is a process of its own (`sluza alerts stopped`),
because mail waits. The programs watch over it in turn (`spool.pulse.live`).
"""

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from supervisor import childutils

from spool import pulse
from spool.domain.exits import Exit
from spool.domain.pulse import QUIET, fails
from spool.domain.stopped import PROGRAMS, Why

SUPERVISOR = "supervisord"
_LOOK_EVERY_S = 1.0
_REST_LOOKS, _TELL_AGAIN_LOOKS, _TELL_LOOKS, _TELL_TRIES = 60, 60, 150, 60
_ANSWER_S = 3.0
"""supervisord answers at once, or is frozen: then it is judged like the others, and must not freeze us."""


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

    pid: int = 0
    ended: deque[int] = field(default_factory=lambda: deque(maxlen=10))
    told: set[Why] = field(default_factory=set)
    start_at: int | None = None


class Overseer:
    """One per supervisord. `rpc` is supervisord's own interface; `run` the directory with the pulses."""

    def __init__(self, run: Path, rpc: Any, supervisor: int) -> None:
        self._run, self._rpc, self._supervisor = run, rpc, supervisor
        self._programs = {name: Program() for name in PROGRAMS}
        self._judges = {name: pulse.Judge(name) for name in (*PROGRAMS, SUPERVISOR)}
        self._tellings: list[Telling] = []
        self._now, self._ticks = 0, 0

    def look(self) -> None:
        """Once a second: pulses, programs that are to be started again, messages."""
        self._now += 1
        for name, program in self._programs.items():
            found = pulse.read(self._run, name)
            beats = found is not None and program.pid in (0, found[0])
            pid, beat = found if found and beats else (program.pid, QUIET)
            judged = self._judges[name].look(pid, beat, parent=self._supervisor)
            if judged and beats and not fails(program.ended, self._now):
                program.told.clear()
            if program.start_at is not None and self._now >= program.start_at and self._ask("startProcess", name):
                program.start_at = None
        self._judges[SUPERVISOR].look(self._supervisor, str(self._ticks), parent=None)
        self._tell()

    def learn(self) -> None:
        """Which processes there are, when supervisord has started us anew; of later ones it tells itself."""
        for name, program in self._programs.items():
            with contextlib.suppress(OSError, childutils.xmlrpclib.Error):  # it starts only now, or hangs
                program.pid = self._rpc.supervisor.getProcessInfo(name)["pid"]

    def _ask(self, what: str, name: str) -> bool:
        """Of supervisord, not waited for; False when it does not answer. A refusal means that it is so already."""
        try:
            getattr(self._rpc.supervisor, what)(name, False)
        except childutils.xmlrpclib.Fault:
            return True
        except OSError:
            return False
        return True

    def hear(self, event: str, payload: dict[str, str]) -> None:
        """What supervisord says."""
        if event.startswith("TICK"):
            self._ticks += 1
        elif (name := payload.get("processname", "")) in PROGRAMS:
            self._programs[name].pid = int(payload["pid"]) if event == "PROCESS_STATE_RUNNING" else 0
            if event == "PROCESS_STATE_EXITED" and payload["expected"] == "1":
                self._have_told(name, Why.CONFIGURATION)
            elif event == "PROCESS_STATE_EXITED":
                self._programs[name].ended.append(self._now)
                if fails(self._programs[name].ended, self._now):
                    self._rest(name)
            elif event == "PROCESS_STATE_FATAL":
                self._rest(name)

    def orphaned(self) -> None:
        """supervisord has died: its programs end with it, also where no systemd would kill them (the demo)."""
        for program in self._programs.values():
            if program.pid > 0 and pulse.threads(program.pid):
                pulse.send(program.pid, signal.SIGTERM)

    def _rest(self, name: str) -> None:
        """Not another try at once: it would take the processor from the one that works."""
        self._ask("stopProcess", name)
        self._programs[name].start_at = self._now + _REST_LOOKS
        self._have_told(name, Why.FAILING)

    def _have_told(self, name: str, why: Why) -> None:
        told = self._programs[name].told
        if why not in told:
            told.add(why)
            pulse.say(f"{name}: {why.value}")
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


def main() -> int:
    """Until supervisord closes the line. Only supervisord starts it."""
    socket.setdefaulttimeout(_ANSWER_S)
    run = Path(os.environ[pulse.RUN])
    overseer = Overseer(run, childutils.getRPCInterface(os.environ), os.getppid())
    overseer.learn()
    childutils.listener.ready()
    with pulse.pulse(pulse.OVERSEER) as beat:
        _watch(overseer, beat)
    return Exit.OK


def _watch(overseer: Overseer, beat: Callable[[], int]) -> None:
    following = time.monotonic() + _LOOK_EVERY_S
    while True:
        if select.select([sys.stdin], [], [], max(0.0, following - time.monotonic()))[0]:
            line = sys.stdin.readline()
            if not line:
                overseer.orphaned()
                return
            header = childutils.get_headers(line)
            payload = childutils.get_headers(sys.stdin.read(int(header["len"])))
            overseer.hear(header["eventname"], payload)
            childutils.listener.ok()
            childutils.listener.ready()
        if time.monotonic() >= following:
            following = time.monotonic() + _LOOK_EVERY_S
            beat()
            overseer.look()


if __name__ == "__main__":
    sys.exit(main())
