"""Commands of `sluza` on the spool of a rig: their configuration, and the sandbox's clock."""

import asyncio

from click import Command
from click.testing import CliRunner, Result

from sluza.samples import MUNICIPALITY_NIP
from spool.domain.ledger import ALIVE
from tests.integration.agent_rig import Rig

CONFIG = """
[municipality]
name = "Gmina Przykładowa"
nip = "{nip}"

[paths]
state = "{state}"
folders = "{state}/folders"

[[context]]
id = "gmina"
value = "{nip}"
environment = "sandbox"
url = "{url}/v2"
auth_cert = "{cert}"
auth_key = "{key}"

[[unit]]
id = "sp1"
name = "Szkoła Podstawowa nr 1"
context = "gmina"

[receive]
since = 2026-11-01
"""


async def command_on(rig: Rig, command: Command, *words: str) -> Result:
    """The command beside whatever runs, by the sandbox's clock."""
    clock_url, now = f"{rig.sandbox.url}/sandbox/clock", rig.clock()
    await rig.spool.write(lambda store: store.set_condition("", ALIVE, {"clock_url": clock_url}, now))
    config, context = rig.state.parent / "sluza.toml", rig.context
    values = {"url": rig.sandbox.url, "cert": context.auth_cert, "key": context.auth_key}
    config.write_text(CONFIG.format(nip=MUNICIPALITY_NIP, state=rig.state, **values), encoding="utf-8")
    return await asyncio.to_thread(lambda: CliRunner().invoke(command, ["--config", str(config), *words], obj=None))
