"""The whole simulator as one object: clock, memory, keys, switches; handlers reach it through the request."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from sandbox.authority import Authority
from sandbox.clock import Clock
from sandbox.faults import Faults
from sandbox.limits import Limiter
from sandbox.store import Store
from sandbox.switches import Switches


@dataclass
class World:
    """Everything a handler may need; `files` holds uploaded parts and export parts."""

    profile: str
    storage_base: str | None
    clock: Clock
    store: Store
    switches: Switches
    authority: Authority
    limiter: Limiter
    faults: Faults
    files: Path
    requests: dict[str, int] = field(default_factory=dict)
    bench: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "sandbox-bench"))
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    building: dict[str, asyncio.Lock] = field(default_factory=dict)

    @property
    def now(self) -> int:
        """Simulated now in milliseconds."""
        return self.clock.now_ms()

    async def off_loop(self, work: Any, *values: Any) -> Any:
        """Run CPU-heavy work on the one bench thread (libxml2 objects live there, one at a time)."""
        return await asyncio.get_running_loop().run_in_executor(self.bench, work, *values)

    def start(self, work: Any) -> None:
        """Run a coroutine in the background and keep it from being collected."""
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def accepts_self_signed(self) -> bool:
        """Profile test accepts certificates of any issuer; the switch `accept_self_signed` overrides."""
        chosen = self.switches["accept_self_signed"]
        return self.profile == "test" if chosen is None else bool(chosen)


WORLD: web.AppKey[World] = web.AppKey("world", World)


def world_of(request: web.Request) -> World:
    """The simulator behind a request."""
    return request.app[WORLD]


def make_world(data: Path, *, profile: str, speed: str, storage_base: str | None) -> World:
    """Open or found the simulator kept in a directory."""
    data.mkdir(parents=True, exist_ok=True)
    files = data / "files"
    files.mkdir(exist_ok=True)
    store = Store(data / "sandbox.db")
    clock = Clock(store.get_meta("clock_offset_ms", 0))
    return World(
        profile=profile,
        storage_base=storage_base,
        clock=clock,
        store=store,
        switches=Switches(store, speed),
        authority=Authority(store, clock.now_ms()),
        limiter=Limiter(),
        faults=Faults(store),
        files=files,
    )
