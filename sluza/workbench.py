"""What most verbs need: the settings of this machine and its spool, opened once and closed again."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gateway import settings as gateway_settings
from spool import process, settings
from spool.access import FILE, Spool
from spool.clock import Clock, system_clock
from spool.domain.environments import SANDBOX
from spool.domain.errors import ConfigError, SluzaError, SpoolError
from spool.domain.ledger import ALIVE
from spool.domain.municipality import Unit, no_unit
from spool.looking import Looking


@dataclass(frozen=True)
class Bench:
    """Settings, spool and clock of one command."""

    settings: gateway_settings.GatewaySettings
    spool: Spool
    clock: Clock

    def unit(self, unit_id: str) -> Unit:
        """The unit of this id. Raises ConfigError when it is not configured."""
        found = self.settings.shared.municipality.units.get(unit_id)
        if found is None:
            raise no_unit(unit_id)
        return found


def read_settings(config: str | None) -> gateway_settings.GatewaySettings:
    """The configuration that this command works with. Raises ConfigError."""
    shared, root = settings.read(settings.find_config(config))
    return gateway_settings.read(shared, root)


def spool_path(shared: settings.Settings) -> Path:
    """Where the spool of this configuration lies."""
    return shared.paths.state / FILE


def begun(shared: settings.Settings) -> Path:
    """The file of the spool. Raises ConfigError when Śluza has never run here."""
    path = spool_path(shared)
    if not path.exists():
        raise ConfigError(f"Nie ma jeszcze spoolu {path}.", "Najpierw proszę uruchomić: sluza gateway")
    return path


@contextlib.contextmanager
def bench(config: str | None) -> Iterator[Bench]:
    """Open the spool for one command. Raises ConfigError when Śluza has never run here."""
    found = read_settings(config)
    path = begun(found.shared)
    spool = Spool(path, reserve=found.shared.paths.reserve)
    try:
        yield Bench(found, spool, clock_of(found.shared, spool))
    finally:
        spool.close()


@contextlib.contextmanager
def looking(config: str | None) -> Iterator[tuple[gateway_settings.GatewaySettings, Looking, Clock]]:
    """Open the spool for a command that only reads, even a damaged one. Raises SpoolError when it cannot be used."""
    found = read_settings(config)
    spool = Looking(spool_path(found.shared))
    try:
        yield found, spool, clock_of(found.shared, spool)
    finally:
        spool.close()


def clock_of(shared: settings.Settings, spool: Spool | Looking) -> Clock:
    """The clock that the processes live by: in a training set-up the sandbox's, also for a command not told so."""
    if shared.clock_url:
        return process.clock_for(shared.clock_url)
    contexts = shared.municipality.contexts.values()
    try:
        alive = spool.read_now(lambda store: store.condition("", ALIVE))
    except SpoolError:
        return system_clock  # damaged: the command itself will say it
    if alive is None or any(context.environment != SANDBOX.name for context in contexts):
        return system_clock
    try:
        return process.clock_for(str(alive.value.get("clock_url", "")))
    except SluzaError:
        return system_clock  # the training is over and its sandbox gone
