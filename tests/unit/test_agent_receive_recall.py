"""Receiving remembers over a restart when it asked."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from agent.receive import ASKED, Receive
from agent.settings import AgentSettings, Latarnia, Network
from agent.settings import Receive as ReceiveSettings
from spool.access import FILE, Spool
from spool.domain.municipality import Context, ContextType, Municipality
from spool.settings import Paths, Settings

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
CONTEXT = Context("gmina", ContextType.NIP, "5080014460", "sandbox", "http://127.0.0.1:1", "", "")


async def test_fault_K04_a_restart_does_not_ask_again_within_fifteen_minutes(tmp_path: Path) -> None:
    """What an earlier run asked counts, five minutes ago here; reading it breaks nothing."""
    kept = (NOW - timedelta(minutes=5)).isoformat()
    spool = Spool(tmp_path / "state" / FILE)
    try:
        asked = dict.fromkeys(("Subject2", "Subject3"), kept)
        spool.write_now(lambda store: store.set_condition("gmina", ASKED, asked, NOW))
        shared = Settings(tmp_path / "x", Municipality("G", CONTEXT.value), Paths(tmp_path, tmp_path), "")
        settings = AgentSettings(shared, ReceiveSettings(date(2026, 11, 1), 900), Network("", None), Latarnia(60))
        contact = SimpleNamespace(silence=lambda: 0.0)
        tools: Any = SimpleNamespace(context=CONTEXT, spool=spool, clock=lambda: NOW, contact=contact)
        receive = Receive(tools, SimpleNamespace(), settings)  # type: ignore[arg-type]
        assert await receive.step() == 30.0
        assert {at - NOW for at in receive._next.values()} == {timedelta(minutes=10)}
    finally:
        spool.close()
