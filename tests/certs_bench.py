"""`sluza certs` as an administrator runs it, on a state directory of its own, against a real sandbox."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from sluza.cli.certs import certs
from spool import settings
from spool.domain.municipality import Context
from tests import credentials
from tests.integration.agent_rig import NIP

CONFIG = """
[municipality]
name = "Gmina Przykładowa"
nip = "{nip}"
[paths]
state = "state"
folders = "folders"
[receive]
since = 2026-11-01
{keys}
[[context]]
id = "gmina"
type = "{kind}"
value = "{value}"
environment = "sandbox"
url = "{url}/v2"
{fields}
[[unit]]
id = "ug"
name = "Urząd Gminy"
context = "gmina"
"""


@dataclass
class Desk:
    """One installation: its directory and the sandbox that its only context leads to."""

    directory: Path
    sandbox_url: str = "http://127.0.0.1:1"
    fields: str = ""
    keys: str = ""
    kind: str = "nip"
    value: str = NIP

    def configure(self, **changes: str) -> Path:
        """Write the configuration."""
        vars(self).update(changes)
        (self.directory / "state").mkdir(mode=0o700, exist_ok=True)
        path = self.directory / "sluza.toml"
        own = {"kind": self.kind, "value": self.value, "fields": self.fields, "keys": self.keys}
        path.write_text(CONFIG.format(nip=NIP, url=self.sandbox_url, **own), encoding="utf-8")
        return path

    def run(self, *words: str) -> Result:
        """One command; an error of ours that `main` would turn into a sentence is in `exception`."""
        return CliRunner().invoke(certs, [words[0], "--config", str(self.configure()), *words[1:]], obj=None)

    def json(self, *words: str) -> Any:
        """What a program gets."""
        done = self.run(*words, "--json")
        assert done.stdout, done.exception
        return json.loads(done.stdout)

    def refused(self, *words: str) -> str:
        """Exit code 1, one sentence with a cure, no traceback; returns the code."""
        told = self.json(*words)
        done = self.run(*words)
        assert done.exit_code == 1, done.output
        assert told["ok"] is False
        assert told["message"]
        assert told["hint"]
        assert "Traceback" not in done.output
        assert told["message"].split(" (")[0] in " ".join(done.stderr.split())
        return str(told["code"])

    @property
    def context(self) -> Context:
        """As the programs read it."""
        shared, _ = settings.read(self.configure())
        return shared.municipality.contexts["gmina"]

    def kept(self, name: str) -> Path:
        """A file of the safe."""
        return self.directory / "state" / "keys" / "gmina" / name

    def seal(self, name: str = "pieczec", **about: Any) -> tuple[Path, Path]:
        """Somebody's certificate and key, as files that came from elsewhere."""
        return credentials.seal(about.pop("nip", NIP), **about).write_pem(self.directory, name)

    def configure_seal(self) -> None:
        """The context logs in with a seal that is named in the configuration."""
        cert, key = self.seal(until=datetime.now(UTC) + timedelta(days=400))
        self.configure(fields=f'auth_cert = "{cert}"\nauth_key = "{key}"')
