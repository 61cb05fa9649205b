"""A bench for remote units: a real drop-point, a bad line, and the client of the school on its own computer."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from yarl import URL

from gateway.folders import layout
from gateway.folders.settling import Patience
from gateway.remote.client import Client, Settings
from gateway.remote.line import Bounds
from gateway.remote.memory import Memory
from spool.domain.ledger import Document
from spool.domain.states import State
from tests import http_bench
from tests.folders_bench import until
from tests.http_bench import NOW, SCHOOL, TOKENS, remote_town, running
from tests.proxy import BadLine, bad_line

UPO = b'<?xml version="1.0" encoding="UTF-8"?><Potwierdzenie/>'
QUICK = Bounds(connect_s=2, quiet_s=2, whole_s=20)


@dataclass
class Computer:
    """The school's own computer: its folders, its program, its clock."""

    home: Path
    port: int
    token: str = TOKENS[SCHOOL]
    unit: str = SCHOOL
    now: datetime = NOW
    options: dict[str, Any] = field(default_factory=dict)
    client: Client | None = None

    @property
    def folder(self) -> Path:
        return self.home / "faktury" / self.unit

    def settings(self) -> Settings:
        token = self.home / "token"
        token.write_text(self.token + "\n")
        token.chmod(0o600)
        given: dict[str, Any] = {
            "bounds": QUICK, "patience": Patience(0.1, 0.5, 0.5), "rescan_s": 0.3, "poll_s": 0.2, "beat_s": 0.5,
            "look_s": 0.1, "again_s": (0.1, 0.2, 0.4),
        }  # fmt: skip
        server = URL(f"http://127.0.0.1:{self.port}")
        return Settings(server, token, self.home / "faktury", None, self.home / "stan", **(given | self.options))

    @asynccontextmanager
    async def on(self) -> AsyncIterator["Computer"]:
        """The program runs; what ends it fails the test."""
        self.home.mkdir(exist_ok=True)
        stop, memory = asyncio.Event(), Memory(self.home / "stan")
        self.client = Client(self.settings(), memory, lambda: self.now)
        task = asyncio.ensure_future(self.client.run(stop))
        try:
            yield self
        finally:
            stop.set()
            await asyncio.wait_for(task, 60)
            memory.close()

    async def ready(self) -> None:
        """The folders are there."""
        await until(lambda: (self.folder / layout.REGISTERS).is_dir())

    def drop(self, name: str, raw: bytes, *, offline24: bool = False) -> Path:
        """As a careful program does."""
        folder = self.folder / layout.OUTBOX / (layout.OFFLINE24 if offline24 else "")
        working = folder / ".praca.tmp"
        working.write_bytes(raw)
        os.utime(working, (self.now.timestamp(), self.now.timestamp()))
        return working.rename(folder / name)

    def lying(self, folder: str) -> list[str]:
        return sorted(p.name for p in (self.folder / folder).rglob("*") if p.is_file())

    def json(self, pattern: str) -> dict[str, Any]:
        found = list(self.folder.glob(pattern))
        assert len(found) == 1, (pattern, found)  # what `until` waits through
        said: dict[str, Any] = json.loads(found[0].read_text(encoding="utf-8"))
        return said

    def text(self, name: str) -> str:
        return (self.folder / name).read_bytes().decode("utf-8-sig")


@dataclass
class World:
    """All of it."""

    gateway: http_bench.Bench
    line: BadLine
    school: Computer

    def documents(self, unit: str = SCHOOL) -> list[Document]:
        return self.gateway.spool.read_now(lambda store: store.documents(unit=unit, limit=10_000))

    def only(self) -> Document:
        (document,) = self.documents()
        return document

    async def number(self, document: Document, *, upo: bool = True) -> None:
        """As the agent does; the delivery is left to the unit's computer."""
        await self.gateway.number(document.id)
        if upo:
            await self.gateway.spool.write(
                lambda store: store.touch(document.id, NOW, upo_sha256=store.put_body(UPO + document.id.encode()))
            )

    async def state_is(self, state: State, seconds: float = 60) -> None:
        await until(lambda: self.only().state is state, seconds)


@asynccontextmanager
async def world(tmp_path: Path, **options: Any) -> AsyncIterator[World]:
    """A gateway, a line, and a computer that is not switched on yet."""
    (tmp_path / "gmina").mkdir()
    async with running(tmp_path / "gmina", town=remote_town()) as gateway, bad_line(gateway.port) as line:
        yield World(gateway, line, Computer(tmp_path / "szkola", line.port, options=options))


__all__ = ["Computer", "World", "until", "world"]
