"""What an administrator does, in this order, on one machine without any network. Each story says what must hold."""

import os
import re
import signal
import time
from collections.abc import Callable

from tests.appliance import kit
from tests.appliance.kit import KIT
from tests.appliance.machine import SOURCE, Machine

Figures = dict[str, str]
INSTALL = f"cd {SOURCE} && ./install.sh --wheels /root/wheels"
_RUNS = "systemctl is-active --quiet sluza"
_READY = " && ".join(f"read -r p _ < /run/sluza/{r}.pulse && test -d /proc/$p" for r in ("gateway", "agent"))
_AS = "runuser -u sluza -- /opt/sluza/current/bin/sluza"
_SUPERVISORCTL = "/opt/sluza/current/bin/supervisorctl -s unix:///run/sluza/supervisor.sock"
_PROGRAMS = r"/opt/sluza/current/bin/sluza {}\b"


def pid(machine: Machine, name: str) -> int:
    """The process of one program."""
    return int(machine.run(f"pgrep -o -f '{_PROGRAMS.format(name)}'"))


def install(machine: Machine, figures: Figures) -> None:
    """A configuration file, no network, no question: a running appliance, its account, an invoice through it."""
    kit.lay_out(machine)
    kit.place_keys(machine)
    begun = time.monotonic()
    said = machine.run(f"{INSTALL} --config {KIT}/sluza.toml")
    figures["install, no network"] = f"{time.monotonic() - begun:.0f} s"
    assert re.search(r"Hasło jednorazowe konta admin .*\n\S{8,}", said), said
    assert "8443" in said
    assert "127.0.0.1:8444" in said
    machine.run(f"{_RUNS} && {_READY}")
    analysed = machine.run("systemd-analyze security sluza --no-pager | tail -1")
    figures["exposure"] = re.findall(r"\d+\.\d", analysed)[0]
    assert float(figures["exposure"]) <= 1.5
    programs = machine.run(f"{_SUPERVISORCTL} status", check=False)
    assert sorted(line.split()[0] for line in programs.splitlines()) == ["agent", "gateway", "overseer"]
    kit.start_outside(machine)
    stem = kit.drop(machine, "FV/1/2026")
    figures["first invoice numbered"] = f"{machine.wait(f'ls /dane/foldery/sp1/wyslane/*/{stem}.upo.xml', 90):.0f} s"


def again(machine: Machine, _figures: Figures) -> None:
    """The same once more changes no file and restarts nothing."""
    places = ("/etc", "/opt/sluza", "/usr/local", "/srv", SOURCE)
    before, process = kit.listing(machine, *places), machine.run("systemctl show -P MainPID sluza")
    machine.run(INSTALL)
    machine.run(f"{INSTALL} --config {KIT}/sluza.toml")
    assert kit.listing(machine, *places) == before
    assert machine.run("systemctl show -P MainPID sluza") == process


def wrong_configuration(machine: Machine, _figures: Figures) -> None:
    """A file that the program does not accept is refused by field; the service works on with the old one."""
    before = kit.listing(machine, "/etc/sluza", "/opt/sluza")
    machine.run(f"sed s/5080014460/5080014461/ {KIT}/sluza.toml > /root/bad.toml")
    said = machine.run(f"{INSTALL} --config /root/bad.toml", check=False)
    assert "municipality.nip" in said, said
    assert "niczego nie zmieniono" in said
    assert kit.listing(machine, "/etc/sluza", "/opt/sluza") == before
    machine.run(_RUNS)


def said_once(machine: Machine, _figures: Figures) -> None:
    """A configuration that was broken on the server is said in the journal once, and the service rests."""
    machine.run("cp -p /etc/sluza/sluza.toml /root/good.toml && echo bzdura = 1 >> /etc/sluza/sluza.toml")
    since = machine.run("date '+%F %T'")
    machine.run("systemctl restart sluza", check=False)
    time.sleep(12)  # longer than RestartSec
    assert machine.run("systemctl is-failed sluza", check=False) == "failed"
    assert machine.run(f"journalctl -u sluza --since '{since}' | grep -c bzdura") == "1"
    machine.run("cp -p /root/good.toml /etc/sluza/sluza.toml && systemctl restart sluza")
    machine.wait(_READY, 60)


def _back(machine: Machine, name: str, how: str) -> float:
    """Seconds until another process of that program is ready."""
    old = pid(machine, name)
    machine.run(f"kill -{how} {old}")
    condition = f"read -r p _ < /run/sluza/{name}.pulse && test $p != {old} && test -d /proc/$p"
    seconds = machine.wait(condition, 60)
    machine.wait(f"! test -d /proc/{old}", 10)
    return seconds


def kills_and_hangs(machine: Machine, figures: Figures) -> None:
    """Killed, ended from outside, frozen: each program is back within seconds, and no worker of the old one stays."""
    for name in ("gateway", "agent"):
        for how, word in (("KILL", "killed"), ("TERM", "ended"), ("STOP", "frozen")):
            figures[f"{name} {word}, ready again"] = f"{_back(machine, name, how):.1f} s"
    time.sleep(2)
    assert machine.run("pgrep -P 1 -f multiprocessing", check=False) == "", "a worker without its program"
    log = kit.read(machine, "/var/log/sluza/overseer.log")
    assert len(re.findall("nie daje znaku życia", log)) == 2, log


def the_watchers(machine: Machine, figures: Figures) -> None:
    """supervisord killed or frozen, the overseer killed: everything is there again."""
    for name, how, word in (("supervisord", "KILL", "killed"), ("supervisord", "STOP", "frozen")):
        old = machine.run("systemctl show -P MainPID sluza")
        begun = time.monotonic()
        machine.run(f"kill -{how} {old}")
        machine.wait(f"m=$(systemctl show -P MainPID sluza); test $m != 0 && test $m != {old} && {_READY}", 90)
        figures[f"{name} {word}, ready again"] = f"{time.monotonic() - begun:.1f} s"
    old = machine.run("pgrep -f sluza.overseer")
    machine.run(f"kill -KILL {old}")
    machine.wait(f"pgrep -f sluza.overseer | grep -vx {old}", 20)


def told(machine: Machine, _figures: Figures) -> None:
    """A gateway that cannot start is told once to people, tried every minute, and there again when it can."""
    machine.run("rm -f /root/told; systemctl stop sluza")
    machine.run("systemd-run --quiet --unit=obcy python3 -m http.server 8443")
    machine.run("systemctl start sluza")
    machine.wait("grep -q stopped /root/told", 120)
    assert "(gateway) nie działa" in kit.read(machine, "/root/told")
    machine.run("systemctl stop obcy")
    machine.wait(_READY, 90)
    assert kit.read(machine, "/root/told").count('"stopped"') == 1


def failing_upgrade(machine: Machine, _figures: Figures) -> None:
    """A new version that does not come up is left again by itself; its release does not stay."""
    before = machine.run("readlink /opt/sluza/current")
    kit.change(machine, "gateway/__main__.py", "    stop = asyncio.Event()\n", "    raise SystemExit(2)\n")
    said = machine.run(INSTALL, check=False)
    assert "Wracam do poprzedniej wersji" in said, said
    assert machine.run("readlink /opt/sluza/current") == before
    machine.run(f"{_RUNS} && {_READY}")
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
        machine.run(f"{_RUNS} && {_READY}")
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
    machine.run(f"{_RUNS} && {_READY}")
    stem = kit.drop(machine, "FV/2/2026")
    machine.wait(f"ls /dane/foldery/sp1/wyslane/*/{stem}.upo.xml", 120)


def back_with_new_documents(machine: Machine, _figures: Figures) -> None:
    """What was taken in after the upgrade is not lost in passing: refused by name, or handed out on a person's word."""
    machine.run(INSTALL)
    stem = kit.drop(machine, "FV/3/2026")
    machine.wait(f"ls /dane/foldery/sp1/wyslane/*/{stem}.upo.xml", 120)
    said = machine.run(f"cd {SOURCE} && ./install.sh --rollback", check=False)
    assert "FV/3/2026" in said, said
    machine.run(f"{_RUNS}")
    machine.wait(_READY, 60)
    machine.run(f"cd {SOURCE} && ./install.sh --rollback --give-up")
    handed = machine.run(f"ls /var/lib/sluza/after-upgrade-*/sp1/{stem}.xml")
    machine.run(f"install -o sluza -g sluza {handed} /dane/foldery/sp1/do-wyslania/")
    machine.wait(f"! ls /dane/foldery/sp1/do-wyslania/{stem}.xml", 60)
    machine.wait(f"cd / && {_AS} queue list --json | grep -q FV/3/2026", 60)
    ask = (
        f"import urllib.request as u; print(u.urlopen('http://127.0.0.1:{kit.SANDBOX}/sandbox/ledger').read().decode())"
    )
    assert machine.run(f'python3 -c "{ask}"').count('"FV/3/2026"') == 1
    kit.original(machine)


def shares(machine: Machine, _figures: Figures) -> None:
    """One line in smb.conf after a copy of it; what was shared still is; a unit's user writes, and only there."""
    machine.run("printf '\\n[stary]\\npath = /srv\\n' >> /etc/samba/smb.conf; mkdir -p /run/samba")
    said = machine.run(f"cd {SOURCE} && ./install.sh --shares")
    password = re.search(r"Konto smb-sp1, hasło .*: (\S+)", said)
    assert password, said
    assert machine.run("grep -c '^include = /etc/samba/sluza.conf$' /etc/samba/smb.conf") == "1"
    assert machine.run("ls /etc/samba/smb.conf.przed-sluza-* | wc -l") == "1"
    assert "[stary]" in machine.run("testparm -s 2>/dev/null")
    machine.run("ip link set lo up 2>/dev/null; systemctl restart smbd", check=False)
    stem = kit.write(machine, "FV/4/2026")
    put = f"smbclient -U 'smb-sp1%{password[1]}' //127.0.0.1/{{}} -c 'put /root/{stem}.xml {stem}.xml'"
    machine.wait(put.format("sp1_do-wyslania"), 20)
    machine.wait(f"ls /dane/foldery/sp1/wyslane/*/{stem}.upo.xml", 120)
    for elsewhere in ("sp1", "ug_do-wyslania"):
        assert "ACCESS_DENIED" in machine.run(put.format(elsewhere), check=False)
    machine.run(f"cd {SOURCE} && ./install.sh --shares")
    assert machine.run("grep -c 'sluza.conf' /etc/samba/smb.conf") == "1"


def uninstall(machine: Machine, _figures: Figures) -> None:
    """The program goes, the data stay, and an installation afterwards goes on with them; with --purge all goes."""
    before = kit.listing(machine, "/etc/sluza", "/dane")
    machine.run(f"cd {SOURCE} && ./install.sh --uninstall")
    assert (
        machine.run("ls -d /opt/sluza /etc/systemd/system/sluza.service /usr/local/bin/sluza 2>/dev/null", check=False)
        == ""
    )
    assert kit.listing(machine, "/etc/sluza", "/dane") == before
    assert "sluza.conf" not in machine.run("cat /etc/samba/smb.conf")
    machine.run(INSTALL)
    machine.run(f"{_RUNS} && {_READY}")
    assert "FV/1/2026" in machine.run(f"cd / && {_AS} queue list --state DELIVERED --json")
    machine.run(f"cd {SOURCE} && ./install.sh --uninstall --purge")
    gone = "ls -d /etc/sluza /var/lib/sluza /var/log/sluza /opt/sluza 2>/dev/null; id sluza 2>/dev/null"
    assert machine.run(gone, check=False) == ""


STORIES: tuple[Callable[[Machine, Figures], None], ...] = (
    install, again, wrong_configuration, said_once, kills_and_hangs, the_watchers, told, failing_upgrade, interrupted,
    upgrade_and_back, back_with_new_documents, shares, uninstall,
)  # fmt: skip
