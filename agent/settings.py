"""The agent's tables of the configuration file: [receive], [network], [latarnia]."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from spool.settings import Settings
from spool.toml import Table

POLITE_BEACON_S = 60
"""Latarnia has no published limit; a look a minute is enough for notices that open terms of days."""
POLITE_SECONDS = 900
"""KSeF asks for at least 15 minutes between two looks per subject type (protocol §9.2)."""


@dataclass(frozen=True)
class Receive:
    """Received invoices from this day on; `every_seconds` below 900 only against the sandbox."""

    since: date
    every_seconds: float


@dataclass(frozen=True)
class Network:
    """The way out: an HTTP proxy, and the one extra CA that is trusted (faults X24)."""

    proxy: str
    extra_ca: Path | None


@dataclass(frozen=True)
class Latarnia:
    """How often the status beacon is asked; below a minute only against the sandbox."""

    every_seconds: float


@dataclass(frozen=True)
class AgentSettings:
    """What the agent needs beside the shared settings."""

    shared: Settings
    receive: Receive
    network: Network
    latarnia: Latarnia


def read(shared: Settings, root: Table) -> AgentSettings:
    """The agent's own tables. Raises ConfigError by field name."""
    real = any(c.environment != "sandbox" for c in shared.municipality.contexts.values())
    return AgentSettings(
        shared,
        _receive(real, root.table("receive")),
        _network(root.table("network")),
        _latarnia(real, root.table("latarnia")),
    )


def _latarnia(real: bool, table: Table) -> Latarnia:
    latarnia = Latarnia(table.number("every_seconds", POLITE_BEACON_S, POLITE_BEACON_S if real else 0.2, 3600))
    table.done()
    return latarnia


def _receive(real: bool, table: Table) -> Receive:
    receive = Receive(
        table.day("since"), table.number("every_seconds", POLITE_SECONDS, POLITE_SECONDS if real else 0.2, 86400)
    )
    table.done()
    return receive


def _network(table: Table) -> Network:
    network = Network(table.text("proxy", ""), table.path("extra_ca"))
    table.done()
    return network
