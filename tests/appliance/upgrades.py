"""Another version: it comes up or is left again, it can be interrupted, and the way back loses no document."""

import os
import signal
import time

from tests.appliance import kit
from tests.appliance.kit import INSTALL, READY, RUNS, Figures
from tests.appliance.machine import SOURCE, Machine


def failing_upgrade(machine: Machine, _figures: Figures) -> None:
    """A new version that does not come up is left again by itself; its release does not stay."""
    before = machine.run("readlink /opt/sluza/current")
    kit.change(machine, "gateway/__main__.py", "    stop = asyncio.Event()\n", "    raise SystemExit(2)\n")
    said = machine.run(INSTALL, check=False)
    assert "Wracam do poprzedniej wersji" in said, said
    assert machine.run("readlink /opt/sluza/current") == before
    machine.run(f"{RUNS} && {READY}")
    assert len(machine.run("ls /opt/sluza/releases").split()) == 1
    kit.original(machine)


def interrupted(machine: Machine, _figures: Figures) -> None:
    """Ended in the middle, gently or not: the previous version runs, and the next run clears up and succeeds."""
    before = machine.run("readlink /opt/sluza/current")
    kit.change(machine, "gateway/__init__.py", '"""', '"""Another version. ')
    for how in ("INT", "TERM", "KILL"):
        running = machine.start(f"cd {SOURCE} && exec ./install.sh --wheels /root/wheels")
        machine.wait("test $(ls -d /opt/sluza/releases/*/lib/python3*/site-packages/lxml | wc -l) = 2", 120)
        os.killpg(running.pid, signal.Signals[f"SIG{how}"])  # as a terminal does, or a machine that runs out of memory
        running.communicate(timeout=120)
        assert running.returncode != 0
        assert machine.run("readlink /opt/sluza/current") == before
        machine.run(f"{RUNS} && {READY}")
        left = len(machine.run("ls /opt/sluza/releases").split())
        assert left == (2 if how == "KILL" else 1), (how, left)
        machine.run("while pgrep -f '[p]ip install'; do sleep 0.2; done", check=False)
    machine.run(INSTALL)
    assert machine.run("readlink /opt/sluza/previous") == before
    assert len(machine.run("ls /opt/sluza/releases").split()) == 2
    kit.original(machine)


def upgrade_and_back(machine: Machine, figures: Figures) -> None:
    """A version with a newer schema keeps a copy first. Back: the older program on that copy, and invoices go on."""
    migrations = "spool/migrations.py"
    kit.change(machine, migrations, "\n\ndef names()", f"{kit.STEP}\n\ndef names()")
    begun = time.monotonic()
    machine.run(INSTALL)
    figures["upgrade, no network"] = f"{time.monotonic() - begun:.0f} s"
    assert len(machine.run("ls /var/lib/sluza/before-upgrade/*.db").split()) == 1
    refused = machine.run("cd / && runuser -u sluza -- $(readlink /opt/sluza/previous)/bin/sluza status", check=False)
    assert "nowsza wersja programu" in refused, refused
    begun = time.monotonic()
    machine.run(f"cd {SOURCE} && ./install.sh --rollback")
    figures["rollback with the spool"] = f"{time.monotonic() - begun:.0f} s"
    machine.run(f"{RUNS} && {READY}")
    stem = kit.drop(machine, "FV/2/2026")
    machine.wait(f"ls /dane/foldery/sp1/wyslane/*/{stem}.upo.xml", 120)


def back_with_new_documents(machine: Machine, _figures: Figures) -> None:
    """What was taken in after the upgrade is not lost in passing: refused by name, or handed out on a person's word.

    It goes on where `upgrade_and_back` ends: both are to be named.
    """
    machine.run(INSTALL)
    stem = kit.drop(machine, "FV/3/2026")
    machine.wait(f"ls /dane/foldery/sp1/wyslane/*/{stem}.upo.xml", 120)
    said = machine.run(f"cd {SOURCE} && ./install.sh --rollback", check=False)
    assert "FV/3/2026" in said, said
    machine.run(f"{RUNS}")
    machine.wait(READY, 60)
    machine.run(f"cd {SOURCE} && ./install.sh --rollback --give-up")
    handed = machine.run(f"ls /var/lib/sluza/after-upgrade-*/sp1/{stem}.xml")
    machine.run(f"install -o sluza -g sluza {handed} /dane/foldery/sp1/do-wyslania/")
    machine.wait(f"! ls /dane/foldery/sp1/do-wyslania/{stem}.xml", 60)
    machine.wait(kit.known("FV/3/2026"), 60)
    assert kit.in_ksef(machine, "FV/3/2026") == 1
    kit.original(machine)
