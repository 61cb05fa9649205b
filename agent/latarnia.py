"""Listening to Latarnia, the ministry's status beacon (protocol §18): polite, archived raw, and never obeyed blindly.

What it says is kept as evidence and becomes announcements (`spool.outages`); that it cannot be reached, or shows
something that we do not understand, changes nothing. Whether to try sending is decided by KSeF itself, never here.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import structlog

from agent.ksef.api import NoAnswer
from agent.ksef.errors import garbled
from agent.ksef.transport import Timeouts, Transport
from agent.office import House
from spool import outages
from spool.crashpoint import reached
from spool.store import Store

CONDITION = "latarnia"
BEACON_TIMES = Timeouts(connect=10, read=15, total=30)
_NAME = "Latarni"
_MOST_MESSAGES = 2000
_WORDS = frozenset({"AVAILABLE", "MAINTENANCE", "FAILURE", "TOTAL_FAILURE"})

_log = structlog.get_logger("agent.latarnia")


class Beacon:
    """One environment's beacon. Its condition in the spool belongs to no context and says when it was last heard."""

    def __init__(self, house: House, transport: Transport, environment: str, url: str) -> None:
        self.environment = environment
        self._house = house
        self._transport = transport
        self._url = url
        self._said: dict[str, Any] | None = None

    async def listen(self) -> None:
        """Ask, keep, wait; until the bell says stop. No answer is an answer, too: it is written down once."""
        house = self._house
        ear = house.bell.listener()
        while not house.bell.stopping:
            await self.step()
            await house.bell.rest(ear, house.settings.latarnia.every_seconds, wake=False)

    async def step(self) -> None:
        """One look at status and messages, in one commit."""
        try:
            word, messages = await self._ask()
        except NoAnswer as no:
            _log.warning("no_answer", environment=self.environment, code=no.code)
            await self._tell({"ok": False, "status": "", "detail": no.reading.reason})
            return
        now = self._house.clock()
        reached("latarnia.heard", self.environment)
        changed = await self._house.spool.write(lambda store: outages.hear(store, self.environment, messages, now))
        if changed:
            reached("latarnia.stored", self.environment)
            _log.info("announced", environment=self.environment, announcements=changed)
        await self._tell({"ok": True, "status": word, "detail": ""})

    async def _ask(self) -> tuple[str, list[Mapping[str, Any]]]:
        """The status word (empty if unknown to us) and every message shown, each once."""
        status = await self._get("status")
        listed = await self._get("messages")
        if not isinstance(status, dict) or not isinstance(listed, list):
            raise garbled("inny układ danych", who=_NAME)
        running = status.get("messages")
        shown = [*listed, *(running if isinstance(running, list) else [])]
        messages: list[Mapping[str, Any]] = [m for m in shown if isinstance(m, dict)]
        if len(messages) > _MOST_MESSAGES:
            raise garbled("za dużo komunikatów", who=_NAME)
        word = str(status.get("status"))
        return word if word in _WORDS else "", messages

    async def _get(self, path: str) -> Any:
        answer = await self._transport.request("GET", f"{self._url}/{path}", headers={"Accept": "application/json"})
        if answer.status != 200:
            raise garbled(f"HTTP {answer.status}", who=_NAME)
        try:
            return json.loads(answer.content)
        except (ValueError, RecursionError) as error:
            raise garbled("to nie jest JSON", who=_NAME) from error

    async def _tell(self, said: dict[str, Any]) -> None:
        """Write what the beacon says when that changed; `since` is when it began to say so."""
        if self._said == said:
            return
        now = self._house.clock()
        name = f"{CONDITION}:{self.environment}"
        await self._house.spool.write(lambda store: _set(store, name, said, now))
        self._said = said


def _set(store: Store, name: str, said: dict[str, Any], now: datetime) -> None:
    before = store.condition("", name)
    since = before.value.get("since") if before and before.value.get("ok") == said["ok"] else None
    store.set_condition("", name, said | {"since": since or now.isoformat()}, now)


def beacons(house: House, transport: Transport) -> list[Beacon]:
    """One listener for each environment in use that has a beacon; over a line of its own, because the Date header of
    Latarnia is not KSeF's clock."""
    found = {
        context.environment: context.latarnia_url
        for context in house.settings.shared.municipality.contexts.values()
        if context.latarnia_url
    }
    return [Beacon(house, transport, environment, url) for environment, url in found.items()]
