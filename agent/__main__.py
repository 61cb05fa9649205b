"""The agent's process: settings, spool, clock, one office per context; stops between steps on SIGTERM or SIGINT."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from functools import partial

import structlog

from agent import settings as agent_settings
from agent.ksef.transport import Transport
from agent.latarnia import BEACON_TIMES, Beacon, beacons
from agent.law import keep_the_law
from agent.office import Bell, House, Office
from agent.settings import AgentSettings
from spool import process, pulse, worlds
from spool.domain.errors import NoRoom
from spool.domain.exits import Exit
from spool.domain.ledger import ALIVE, ALIVE_EVERY_S
from spool.hands import Hands
from spool.store import Store
from spool.workers import Workers

ROLE = "agent"
_LOOK_EVERY_S = 0.25
_NO_ROOM_S = 10.0
_PATIENCE_SANDBOX_S = 1.0
"""Under the sandbox's clock time may jump: nobody waits longer than this without looking at it."""

_log = structlog.get_logger("agent")


def main(argv: Sequence[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT; returns the exit code. What a person must mend is one Polish sentence on stderr."""
    return process.run(
        ROLE,
        "Śluza: wysyłka do KSeF i odbiór faktur",
        argv,
        lambda shared, root: serve(agent_settings.read(shared, root)),
    )


async def serve(settings: AgentSettings) -> int:
    """Open everything, say ready, work, close everything."""
    paths, clock = settings.shared.paths, process.clock_for(settings.shared.clock_url)
    with process.desk(paths, ROLE, clock) as spool:
        spool.verify()
        spool.write_now(lambda store: worlds.settle(store, settings.shared.municipality, clock()))
        workers, network = Workers(processes=1), settings.network
        hands = Hands(paths.state, ROLE, spool, clock)
        try:
            await hands.begin()
            async with Transport(proxy=network.proxy, extra_ca=network.extra_ca) as transport:
                patience = _PATIENCE_SANDBOX_S if settings.shared.clock_url else 30.0
                house = House(settings, spool, transport, workers, clock, Bell(), patience, hands)
                async with Transport(proxy=network.proxy, extra_ca=network.extra_ca, timeouts=BEACON_TIMES) as outside:
                    await _work(house, beacons(house, outside))
        finally:
            workers.close()
            hands.close()
    return Exit.OK


async def _work(house: House, listeners: list[Beacon]) -> None:
    """All contexts at once, until a signal; the credentials are read before anything is promised."""
    offices = [Office(house, context) for context in house.settings.shared.municipality.contexts.values()]
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, house.bell.stop)
    print(json.dumps({"ready": True, "role": ROLE}), flush=True)
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(_watch(house, offices))
            if pulse.wanted():
                group.create_task(pulse.live(ROLE, lambda: house.bell.stopping))
            group.create_task(_with_room(house, lambda: _beat(house)))
            group.create_task(_with_room(house, lambda: keep_the_law(house)))
            for beacon in listeners:
                group.create_task(_with_room(house, beacon.listen))
            for office in offices:
                group.create_task(_with_room(house, office.work))
    except ExceptionGroup as many:  # one of them is enough to say what happened
        raise many.exceptions[0] from many


async def _with_room(house: House, part: Callable[[], Awaitable[None]]) -> None:
    """One part of the program; what a full disk stopped begins again, and the other parts go on meanwhile (faults F04).

    Once the reserve is spent, too, nothing can be written by anybody; the program waits, and needs no start for that.
    """
    ear = house.bell.listener()
    while True:
        try:
            return await part()
        except NoRoom as short:
            _log.warning("no_room", error=str(short))
        await house.bell.rest(ear, _NO_ROOM_S, wake=False)
        if house.bell.stopping:
            return None


async def _beat(house: House) -> None:
    """Say once in a while that the agent lives, so that the pages can tell when it does not (invariant I12)."""
    ear, last = house.bell.listener(), None
    while not house.bell.stopping:
        now = house.clock()
        if last is None or abs(now - last) >= timedelta(seconds=ALIVE_EVERY_S):
            last = now
            clock_url = house.settings.shared.clock_url
            await house.spool.write(partial(_alive, now=now, clock_url=clock_url))
        ear.clear()
        await house.bell.rest(ear, min(house.patience, ALIVE_EVERY_S), wake=True)


def _alive(store: Store, now: datetime, clock_url: str) -> None:
    """By what clock it lives is said, too: a command without SLUZA_CLOCK_URL must not judge by another."""
    store.set_condition("", ALIVE, {"pid": os.getpid(), "clock_url": clock_url}, now)


async def _watch(house: House, offices: list[Office]) -> None:
    """Ring when another process, or we ourselves, committed something; take over what a person lifted."""
    ear, seen = house.bell.listener(), -1
    while not house.bell.stopping:
        if (lost := house.spool.lost) is not None:
            raise lost
        version = await house.spool.version()
        if version != seen:
            seen = version
            conditions = await house.spool.read(lambda store: store.conditions())
            for office in offices:
                office.contact.learn(conditions)
            house.bell.ring()
        ear.clear()
        await asyncio.sleep(_LOOK_EVERY_S)


if __name__ == "__main__":
    sys.exit(main())
