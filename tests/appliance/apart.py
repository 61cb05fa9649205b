"""Stories that need a machine of their own, or two: the network, a person at the terminal, another server."""

import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from tests.appliance import kit
from tests.appliance.kit import AS, INSTALL, KIT, KSEF, READY, RUNS, Figures
from tests.appliance.machine import SOURCE, Machine
from tests.mail_server import free_port

_COPIES = "/kopie"


class Fresh(Protocol):
    """Makes a machine on which nothing was installed yet; one at a time."""

    def __call__(self, *, network: bool = False) -> Machine:
        """Not booted before it is entered."""


def from_the_network(fresh: Fresh, figures: Figures) -> None:
    """Packages from the index, Samba from Debian's archive, on a machine that has neither; then a file over SMB."""
    with fresh(network=True) as machine:
        machine.run("apt-get purge -y -qq samba samba-common samba-common-bin smbclient && ! command -v smbd")
        kit.lay_out(machine)
        kit.place_keys(machine)
        listen = f'[http]\nlisten = "127.0.0.1:{free_port()}"\n\n[admin]\nlisten = "127.0.0.1:{free_port()}"\n'
        text = kit.CONFIG.replace("[admin]\n", listen)  # the machine shares the network of the one that tests
        (machine.root / f"{KIT}/sluza.toml".lstrip("/")).write_text(text, encoding="utf-8")
        begun = time.monotonic()
        said = machine.run(f"cd {SOURCE} && ./install.sh --config {KIT}/sluza.toml --shares", seconds=900)
        figures["install from the network, with Samba"] = f"{time.monotonic() - begun:.0f} s"
        machine.run(f"{RUNS} && {READY}")
        password = kit.password_of(said, "smb-sp1")
        machine.run("apt-get install -y -qq --no-install-recommends smbclient", seconds=300)
        stem = kit.write(machine, "FV/1/2026")
        machine.wait(kit.put(password, stem).format("sp1_do-wyslania"), 20)
        machine.wait(kit.known("FV/1/2026"), 60)


def by_wizard(fresh: Fresh, _figures: Figures) -> None:
    """A person answers in a terminal, one answer is wrong; the programs start once the certificate is in its place."""
    with fresh() as machine:
        kit.lay_out(machine)
        answers = [
            ("Nazwa gminy", "Gmina Śluzowo"),
            ("NIP gminy", "508-001-44-61"),
            ("NIP gminy", "508-001-44-60"),
            ("Nazwa urzędu", ""),
            ("Środowisko KSeF", "test"),
            ("Plik certyfikatu", "/etc/sluza/pieczec.pem"),
            ("Plik klucza", "/etc/sluza/pieczec.key"),
            ("od dnia", "2026-11-01"),
            ("E-mail", ""),
        ]
        said = machine.talk(INSTALL, answers)
        assert "To nie jest NIP" in said, said
        assert "Śluza ruszy, gdy tam będzie" in said, said
        assert "powtórzyć: sudo ./install.sh" in said, said
        assert machine.run("systemctl is-active sluza", check=False) != "active"
        text = kit.read(machine, "/etc/sluza/sluza.toml")
        for line in ('name = "Gmina Śluzowo"', 'nip = "5080014460"', 'environment = "test"', "since = 2026-11-01"):
            assert f"\n{line}" in text, line
        kit.place_keys(machine)
        said = machine.talk(INSTALL, [])
        assert "Hasło jednorazowe konta admin" in said, said
        machine.run(f"{RUNS} && {READY}")


def another_server(fresh: Fresh, figures: Figures) -> None:
    """A lost server's backup on a new one: what KSeF got after the backup is found there, and nothing goes twice."""
    with tempfile.TemporaryDirectory(prefix="sluza-appliance-") as directory:
        kept = Path(directory)
        with fresh() as machine:
            number = _lost(machine, kept)
        with fresh() as machine:
            kit.lay_out(machine)
            kit.place_keys(machine)
            machine.run(f"{INSTALL} --config {KIT}/sluza.toml")
            for path in (_COPIES, KSEF):
                shutil.copytree(kept / path.lstrip("/"), machine.root / path.lstrip("/"))
            machine.run(f"chown -R sluza: {_COPIES} && systemctl stop sluza")
            machine.run(f"cd / && {AS} restore {_COPIES}/sluza-*.tar --state /var/lib/sluza")
            kit.start_ksef(machine)
            begun = time.monotonic()
            machine.run("systemctl start sluza")
            machine.wait(kit.known("FV/8/2026", "DELIVERED"), 180)
            figures["restored on another server, compared with KSeF"] = f"{time.monotonic() - begun:.0f} s"
            machine.run(f"cd / && {AS} reconcile")
            assert kit.numbered(machine, "FV/8/2026") == number
            stem = kit.drop(machine, "FV/9/2026")
            machine.wait(f"ls /dane/foldery/sp1/wyslane/*/{stem}.upo.xml", 120)
            for each in ("FV/1/2026", "FV/8/2026", "FV/9/2026"):
                assert kit.in_ksef(machine, each) == 1, each
            machine.run(f"cd / && {AS} check --against-ksef")


def _lost(machine: Machine, kept: Path) -> str:
    """A server whose backup knows an invoice only as waiting, while KSeF has it; returns its number there."""
    kit.lay_out(machine)
    kit.place_keys(machine)
    machine.run(f"{INSTALL} --config {KIT}/sluza.toml")
    kit.start_outside(machine)
    stem = kit.drop(machine, "FV/1/2026")
    machine.wait(f"ls /dane/foldery/sp1/wyslane/*/{stem}.upo.xml", 120)
    machine.run("systemctl stop piaskownica")
    stem = kit.drop(machine, "FV/8/2026")
    machine.wait(kit.known("FV/8/2026"), 60)
    machine.run(f"install -d -o sluza -g sluza {_COPIES} && cd / && {AS} backup --to {_COPIES} --same-disk")
    kit.start_ksef(machine)
    machine.wait(f"ls /dane/foldery/sp1/wyslane/*/{stem}.upo.xml", 180)
    number = kit.numbered(machine, "FV/8/2026")
    machine.run("systemctl stop piaskownica sluza")
    for path in (_COPIES, KSEF):
        shutil.copytree(machine.root / path.lstrip("/"), kept / path.lstrip("/"))
    return number


STORIES: tuple[Callable[[Fresh, Figures], None], ...] = (from_the_network, by_wizard, another_server)
