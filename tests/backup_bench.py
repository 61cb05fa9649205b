"""A small town's spool with its configuration and keys, for tests of backups."""

import json
import os
import pickle
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from click.testing import CliRunner, Result

from sluza.__main__ import cli
from sluza.samples import MUNICIPALITY_NIP
from spool import identity, process
from spool.access import FILE, Spool
from spool.backup.make import Made, Plan, make
from spool.domain.ledger import Document
from spool.settings import Paths
from tests.documents import new

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
SECRET = "token-of-the-town-91"
CONFIG = f"""
[municipality]
name = "Gmina Przykładowa"
nip = "{MUNICIPALITY_NIP}"
[paths]
state = "state"
folders = "folders"
reserve_mb = 0
[[context]]
id = "gmina"
value = "{MUNICIPALITY_NIP}"
environment = "sandbox"
url = "http://127.0.0.1:9/v2"
token_file = "ksef.token"
[[unit]]
id = "sp1"
name = "Szkoła Podstawowa nr 1"
context = "gmina"
[receive]
since = 2026-11-01
[backup]
directory = "copies"
same_disk = true
"""


class Town:
    """Configuration, token and a spool with documents in `root`; backups go to `root/copies`."""

    def __init__(self, root: Path) -> None:
        self.root, self.state, self.copies = root, root / "state", root / "copies"
        self.config = root / "sluza.toml"
        self.copies.mkdir(parents=True)
        self.config.write_text(CONFIG, encoding="utf-8")
        (root / "ksef.token").write_text(SECRET, encoding="utf-8")
        (root / "ksef.token").chmod(0o600)
        self.documents: list[Document] = []
        with process.desk(Paths(self.state, root), "gateway", lambda: NOW):
            pass  # a program has been here: the spool knows whose it is
        tls = self.state / "tls"
        tls.mkdir(0o700)
        (tls / "ca.key").write_text("KEY OF THE CA", encoding="utf-8")
        self.put("FIRST")

    def plan(self, **changes: Any) -> Plan:
        """A backup without encryption, on the same disk, that keeps everything."""
        return replace(Plan(self.state, self.config, self.copies, "", True, None, NOW), **changes)

    def make(self, **changes: Any) -> Made:
        """Make it."""
        return make(self.plan(**changes))

    def put(self, number: str) -> Document:
        """Take in one more document."""
        raw = f"<Faktura>{number}</Faktura>".encode()
        spool = Spool(self.state / FILE)
        try:
            made = spool.write_now(lambda s: s.add(new(raw, NOW, number=number), raw, number, NOW))
        finally:
            spool.close()
        self.documents.append(made)
        return made

    def numbers(self, state: Path | None = None) -> list[str]:
        """The invoice numbers that a spool knows, in order of intake."""
        spool = Spool((state or self.state) / FILE)
        try:
            return [d.facts.number for d in spool.read_now(lambda s: s.documents(limit=1000))]
        finally:
            spool.close()

    def names(self) -> list[str]:
        """What lies where the backups go, hidden files as well."""
        return sorted(path.name for path in self.copies.iterdir())

    def sluza(self, *words: str) -> Result:
        """The command, by this configuration."""
        command = cli.get_command(click.Context(cli), words[0])
        return CliRunner().invoke(command, [*words[1:], "--config", str(self.config)], obj=None)

    def killed_at(self, point: str, code: str) -> None:
        """Run `code`, which knows `plan`, in a process that kills itself at this point."""
        begin = "import sys, pickle; plan = pickle.loads(bytes.fromhex(sys.argv[1])); "
        command = [sys.executable, "-c", begin + code, pickle.dumps(self.plan()).hex()]
        died = subprocess.run(command, env=os.environ | {"CRASH_AT": point}, capture_output=True, check=False)
        assert died.returncode == -signal.SIGKILL, died.stderr

    def restored_json(self, state: Path) -> dict[str, Any]:
        """What the next start finds."""
        return dict(json.loads((state / identity.RESTORED).read_bytes()))
