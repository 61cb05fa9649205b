"""Fixtures of the contract tests: a fresh simulator per test, its answers held against the OpenAPI file."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sandbox_kit import SHARED, Box, Server
from sandbox_openapi import Contract

from sandbox.authority import Authority
from sandbox.clock import Clock
from sandbox.store import Store


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Keys made once for all simulators of the run."""
    store = Store(tmp_path_factory.mktemp("authority") / "keys.db")
    Authority(store, Clock().now_ms())
    saved = store.get_meta("authority")
    store.close()
    return saved


@pytest.fixture(scope="session")
def openapi() -> Any:
    """The OpenAPI 2.9.0 file, or None where ../shared is not there."""
    path = SHARED / "open-api-2.9.0.json"
    return json.loads(path.read_text()) if path.is_file() else None


@pytest.fixture
def start(tmp_path: Path, authority: Any, openapi: Any) -> Iterator[Callable[..., Box]]:
    """Start simulators; every JSON answer they give is held against the OpenAPI file at the end."""
    running: list[Server] = []
    contract = Contract(openapi)

    def begin(data: Path = tmp_path / "data", **options: Any) -> Box:
        data.mkdir(parents=True, exist_ok=True)
        if not (data / "sandbox.db").exists():
            store = Store(data / "sandbox.db")
            store.set_meta("authority", authority)
            store.close()
        running.append(Server(data, contract, **options))
        return running[-1].box

    yield begin
    for server in running:
        if server.alive:
            server.stop()
    contract.verify()


@pytest.fixture
def box(start: Callable[..., Box]) -> Box:
    """One simulator, profile test, fast, without request limits (polling would hit them)."""
    simulator = start()
    simulator.switch(rate_limits="off")
    return simulator


@pytest.fixture
def storage_host(monkeypatch: pytest.MonkeyPatch) -> str:
    """A public-looking host name that leads to this machine (S2)."""
    name = "storage.sandbox-ksef.example"
    real = socket.getaddrinfo

    def resolve(host: Any, *rest: Any, **more: Any) -> Any:
        return real("127.0.0.1" if host in (name, name.encode()) else host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return name
