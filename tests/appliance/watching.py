"""What is killed, ended or frozen comes back by itself, within seconds; what cannot come back is told once."""

import re
import time

from tests.appliance import kit
from tests.appliance.kit import READY, Figures
from tests.appliance.machine import Machine

PROGRAMS = ("gateway", "agent")
_KILLS = (("KILL", "killed"), ("TERM", "ended"), ("STOP", "frozen"))
_AT_ONCE_S = 5.0
_NOTICED_S = {"KILL": _AT_ONCE_S, "TERM": 25.0, "STOP": 15.0}
"""What may pass before the start begins: systemd's pause; a program's own end; the looks that make a hang."""


def _find(name: str) -> str:
    """A shell command that says the process of one program; the brackets keep it from finding its own shell."""
    return f"pgrep -o -f '/opt/sluza/current/bin/sluza [{name[0]}]{name[1:]}\\b'"


def pid(machine: Machine, name: str) -> int:
    """The process of one program."""
    return int(machine.run(_find(name)))


def a_start(machine: Machine) -> float:
    """Seconds of an ordinary start on this machine, as busy as it is now: the measure of everything that comes back."""
    machine.run("systemctl stop sluza")
    begun = time.monotonic()
    machine.run("systemctl start sluza")
    machine.wait(READY, 120)
    return time.monotonic() - begun


def _in_time(machine: Machine, figures: Figures, what: str, taken: float, allowed: float) -> None:
    figures[f"{what}, ready again"] = f"{taken:.1f} s"
    if taken > allowed:
        journal = machine.run("cat /proc/loadavg; journalctl -u sluza -n 40 --no-pager; tail -20 /var/log/sluza/*.log")
        raise AssertionError(f"{what}: ready again after {taken:.0f} s, allowed {allowed:.0f} s\n{journal}")


def _another(name: str, old: int) -> str:
    """A shell condition: another process of that name has a pulse, and the old one has gone."""
    return f"read -r p _ < /run/sluza/{name}.pulse && test $p != {old} && test -d /proc/$p && ! test -d /proc/{old}"


def kills_and_hangs(machine: Machine, figures: Figures) -> None:
    """Killed, ended from outside, frozen: each program is back within seconds, and no worker of the old one stays."""
    start = a_start(machine)
    figures["an ordinary start"] = f"{start:.1f} s"
    hangs = _hangs_seen(machine)
    for name in PROGRAMS:
        for how, word in _KILLS:
            old = pid(machine, name)
            machine.run(f"kill -{how} {old}")
            taken = machine.wait(_another(name, old), 120)
            _in_time(machine, figures, f"{name} {word}", taken, start + _NOTICED_S[how])
    time.sleep(2)
    assert machine.run("pgrep -P 1 -f multiprocessing", check=False) == "", "a worker without its program"
    assert _hangs_seen(machine) - hangs == len(PROGRAMS)


def _hangs_seen(machine: Machine) -> int:
    return len(re.findall("nie daje znaku życia", kit.read(machine, "/var/log/sluza/overseer.log")))


def hangs_at_the_start(machine: Machine, figures: Figures) -> None:
    """Frozen before it was ready: nobody has heard of this process but supervisord, and it is ended all the same."""
    start = a_start(machine)
    for name in PROGRAMS:
        old = pid(machine, name)
        born = f"until p=$({_find(name)}) && test $p != {old}; do sleep 0.05; done"
        frozen = machine.run(f"kill -KILL {old}; {born}; kill -STOP $p; echo $p")
        assert not kit.read(machine, f"/run/sluza/{name}.pulse").startswith(f"{frozen} "), "it was ready already"
        taken = machine.wait(_another(name, int(frozen)), 120)
        _in_time(machine, figures, f"{name} frozen in its start", taken, start + _NOTICED_S["STOP"])


def the_watchers(machine: Machine, figures: Figures) -> None:
    """supervisord or the overseer killed, ended or frozen: everything is there again within seconds."""
    start = a_start(machine)
    for how, word in _KILLS:
        old = machine.run("systemctl show -P MainPID sluza")
        machine.run(f"kill -{how} {old}")
        new = f"m=$(systemctl show -P MainPID sluza); test $m != 0 && test $m != {old} && {READY}"
        _in_time(machine, figures, f"supervisord {word}", machine.wait(new, 120), start + _NOTICED_S[how])
    machine.wait("test -e /run/sluza/overseer.pulse", 20)
    for how, word in _KILLS:
        old = machine.run("cut -d' ' -f1 /run/sluza/overseer.pulse")
        programs = [pid(machine, name) for name in PROGRAMS]
        machine.run(f"kill -{how} {old}")
        taken = machine.wait(_another("overseer", int(old)), 120)
        _in_time(machine, figures, f"overseer {word}", taken, start + _NOTICED_S[how])
        assert [pid(machine, name) for name in PROGRAMS] == programs, "the programs work on meanwhile"
    machine.run(READY)


def told(machine: Machine, _figures: Figures) -> None:
    """A gateway that cannot start is told once to people, tried every minute, and there again when it can."""
    machine.run("rm -f /root/told; systemctl stop sluza")
    machine.run("systemd-run --quiet --unit=obcy python3 -m http.server 8443")
    machine.run("systemctl start sluza")
    machine.wait("grep -q stopped /root/told", 120)
    assert "(gateway) nie działa" in kit.read(machine, "/root/told")
    machine.run("systemctl stop obcy")
    machine.wait(READY, 90)
    assert kit.read(machine, "/root/told").count('"stopped"') == 1
