"""The agent's process: settings, spool, clock, one office per context; stops between steps on SIGTERM or SIGINT."""

import argparse
import asyncio
import json
import logging
import signal
import sys

import structlog

from agent import settings as agent_settings
from agent.ksef.transport import Transport
from agent.office import Bell, House, Office
from agent.settings import AgentSettings
from spool import settings as shared_settings
from spool.access import FILE, Spool
from spool.clock import Clock, SandboxClock, system_clock
from spool.domain.errors import ConfigError, SluzaError
from spool.lock import RoleLock
from spool.workers import Workers

OK, FAILED, BAD_CONFIG = 0, 1, 2
_LOOK_EVERY_S = 0.25
_PATIENCE_SANDBOX_S = 1.0
"""Under the sandbox's clock time may jump: nobody waits longer than this without looking at it."""


def main(argv: list[str] | None = None) -> int:
    """Run until told to stop: 0 after a clean stop, 2 for a wrong configuration, 1 when the spool cannot be used."""
    parser = argparse.ArgumentParser(prog="agent", description="Śluza: wysyłka do KSeF i odbiór faktur")
    parser.add_argument("--config", help="plik konfiguracji TOML")
    options = parser.parse_args(argv)
    _log_to_stderr()
    try:
        shared, root = shared_settings.read(shared_settings.find_config(options.config))
        return asyncio.run(serve(agent_settings.read(shared, root)))
    except SluzaError as error:
        print(f"{error} {error.hint}".strip(), file=sys.stderr)
        return BAD_CONFIG if isinstance(error, ConfigError) else FAILED
    except KeyboardInterrupt:
        return OK
    except OSError as error:
        print(f"Agent nie może działać: {error.strerror or error}.", file=sys.stderr)
        return FAILED
    except Exception:
        structlog.get_logger().exception("crashed")
        print("Agent przerwał pracę z nieznanej przyczyny. Szczegóły są w dzienniku.", file=sys.stderr)
        return FAILED


async def serve(settings: AgentSettings) -> int:
    """Open everything, say ready, work, close everything."""
    state = settings.shared.paths.state
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock, clock = RoleLock(state, "agent"), _clock(settings)
    spool, workers = Spool(state / FILE), Workers(processes=1)
    try:
        network = settings.network
        async with Transport(proxy=network.proxy, extra_ca=network.extra_ca) as transport:
            patience = _PATIENCE_SANDBOX_S if settings.shared.clock_url else 30.0
            house = House(settings, spool, transport, workers, clock, Bell(), patience)
            await _work(house)
    finally:
        workers.close()
        spool.close()
        lock.release()
    return OK


async def _work(house: House) -> None:
    """All contexts at once, until a signal; the credentials are read before anything is promised."""
    offices = [Office(house, context) for context in house.settings.shared.municipality.contexts.values()]
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, house.bell.stop)
    print(json.dumps({"ready": True, "role": "agent"}), flush=True)
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(_watch(house, offices))
            for office in offices:
                group.create_task(office.work())
    except ExceptionGroup as many:  # one of them is enough to say what happened
        raise many.exceptions[0] from many


async def _watch(house: House, offices: list[Office]) -> None:
    """Ring when another process, or we ourselves, committed something; take over what a person lifted."""
    ear, seen = house.bell.listener(), -1
    while not house.bell.stopping:
        version = await house.spool.version()
        if version != seen:
            seen = version
            conditions = await house.spool.read(lambda store: store.conditions())
            for office in offices:
                office.contact.learn(conditions)
            house.bell.ring()
        ear.clear()
        await asyncio.sleep(_LOOK_EVERY_S)


def _clock(settings: AgentSettings) -> Clock:
    """The system's time, or for training the sandbox's. Raises ConfigError when that cannot be read."""
    url = settings.shared.clock_url
    if not url:
        return system_clock
    try:
        return SandboxClock(url)
    except (OSError, ValueError, KeyError) as error:
        raise ConfigError(f"Zegar piaskownicy ({url}) nie odpowiada.", "Proszę uruchomić piaskownicę.") from error


def _log_to_stderr() -> None:
    """One JSON object per line; new lines inside a value are escaped by JSON itself (faults X14)."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


if __name__ == "__main__":
    raise SystemExit(main())
