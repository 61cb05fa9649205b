"""What an administrator does, in this order, on one machine without any network. Each story says what must hold."""

import re
import time
from collections.abc import Callable

from tests.appliance import kit
from tests.appliance.kit import AS, INSTALL, KIT, READY, RUNS, Figures
from tests.appliance.machine import SOURCE, Machine
from tests.appliance.upgrades import back_with_new_documents, failing_upgrade, interrupted, upgrade_and_back
from tests.appliance.watching import hangs_at_the_start, kills_and_hangs, the_watchers, told

_SUPERVISORCTL = "/opt/sluza/current/bin/supervisorctl -s unix:///run/sluza/supervisor.sock"


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
    machine.run(f"{RUNS} && {READY}")
    analysed = machine.run("systemd-analyze security sluza --no-pager | tail -1")
    figures["exposure"] = re.findall(r"\d+\.\d", analysed)[0]
    assert float(figures["exposure"]) <= 1.5
    programs = machine.run(f"{_SUPERVISORCTL} status", check=False)
    assert sorted(line.split()[0] for line in programs.splitlines()) == ["agent", "gateway", "overseer", "sandbox"]
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
    machine.run(RUNS)


def said_once(machine: Machine, _figures: Figures) -> None:
    """A configuration that was broken on the server is said in the journal once, and the service rests."""
    machine.run("cp -p /etc/sluza/sluza.toml /root/good.toml && echo bzdura = 1 >> /etc/sluza/sluza.toml")
    _rests(machine, "bzdura")
    machine.run("cp -p /root/good.toml /etc/sluza/sluza.toml && systemctl restart sluza")
    machine.wait(READY, 60)


def _rests(machine: Machine, said: str) -> None:
    """Started now, the service ends, says this once, and is not started again."""
    since = machine.run("date '+%F %T'; sleep 1").splitlines()[0]
    machine.run("systemctl restart sluza", check=False)
    time.sleep(12)  # longer than RestartSec and a look at the configuration
    assert machine.run("systemctl is-failed sluza", check=False) == "failed", said
    journal = machine.run(f"journalctl -u sluza --since '{since}' --no-pager")
    assert journal.count(said) == 1, f"{said}\n{journal}"


def unfit_certificates(machine: Machine, _figures: Figures) -> None:
    """A key that everybody may read, the other type, another's key: said once, no start. One that has expired holds
    the sending and nothing else: files are taken in, people are told, and a good one is taken up without a restart."""
    place = "cd /etc/sluza && install -m 0640 -o root -g sluza"
    machine.run("chmod 0644 /etc/sluza/pieczec.key")
    _rests(machine, "Plik może czytać każdy użytkownik systemu: /etc/sluza/pieczec.key")
    machine.run(f"{place} {KIT}/offline.crt pieczec.pem && {place} {KIT}/offline.key pieczec.key")
    _rests(machine, "jest typu Offline i nie służy do logowania")
    machine.run(f"{place} {KIT}/pieczec.pem pieczec.pem")
    _rests(machine, "Klucz i certyfikat nie należą do siebie")
    machine.run(f"{place} {KIT}/expired.crt pieczec.pem && {place} {KIT}/expired.key pieczec.key")
    machine.run("systemctl restart sluza")
    machine.wait(READY, 120)
    process = machine.run("systemctl show -P MainPID sluza")
    stem = kit.drop(machine, "FV/5/2026")
    machine.wait(kit.known("FV/5/2026"), 60)
    said = machine.run(f"cd / && {AS} status", check=False)
    assert "ważnoś" in said, said
    time.sleep(10)
    assert kit.in_ksef(machine, "FV/5/2026") == 0
    machine.run(f"{place} {KIT}/pieczec.pem pieczec.pem && {place} {KIT}/pieczec.key pieczec.key")
    machine.wait(f"ls /dane/foldery/sp1/wyslane/*/{stem}.upo.xml", 300)
    assert machine.run("systemctl show -P MainPID sluza") == process


def shares(machine: Machine, _figures: Figures) -> None:
    """One line in smb.conf after a copy of it; what was shared still is; a unit's user writes, and only there."""
    machine.run("printf '\\n[stary]\\npath = /srv\\n' >> /etc/samba/smb.conf; mkdir -p /run/samba")
    said = machine.run(f"cd {SOURCE} && ./install.sh --shares")
    password = kit.password_of(said, "smb-sp1")
    assert machine.run("grep -c '^include = /etc/samba/sluza.conf$' /etc/samba/smb.conf") == "1"
    assert machine.run("ls /etc/samba/smb.conf.przed-sluza-* | wc -l") == "1"
    assert "[stary]" in machine.run("testparm -s 2>/dev/null")
    machine.run("ip link set lo up 2>/dev/null; systemctl restart smbd", check=False)
    stem = kit.write(machine, "FV/4/2026")
    put = kit.put(password, stem)
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
    machine.run(f"{RUNS} && {READY}")
    machine.run(kit.known("FV/1/2026", "DELIVERED"))
    machine.run(f"cd {SOURCE} && ./install.sh --uninstall --purge")
    gone = "ls -d /etc/sluza /var/lib/sluza /var/log/sluza /opt/sluza 2>/dev/null; id sluza 2>/dev/null"
    assert machine.run(gone, check=False) == ""


STORIES: tuple[Callable[[Machine, Figures], None], ...] = (
    install, again, wrong_configuration, said_once, unfit_certificates, kills_and_hangs, hangs_at_the_start,
    the_watchers, told, failing_upgrade, interrupted, upgrade_and_back, back_with_new_documents, shares, uninstall,
)  # fmt: skip
