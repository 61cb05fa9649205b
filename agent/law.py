"""Keeping deadlines true while the program runs: after each announcement, and when a new day begins in Warsaw."""

import structlog

from agent.office import House
from spool import law
from spool.crashpoint import reached
from spool.domain.built import too_early

_LOOK_EVERY_S = 10.0

_log = structlog.get_logger("agent.law")


async def keep_the_law(house: House) -> None:
    """Recompute whenever the spool changed or a little time has passed, chunk by chunk, until the bell says stop."""
    rules, ear = house.settings.shared.rules, house.bell.listener()
    while not house.bell.stopping:
        ear.clear()
        changed = 0
        while not house.bell.stopping:
            # Most looks find nothing to do, and reading is free; only then the writer is asked.
            now = house.clock()
            if too_early(now) or not await house.spool.read(lambda store: law.wanted(store, rules, now)):  # noqa: B023 - awaited at once
                break
            changed += await house.spool.write(lambda store: law.recompute(store, rules, now))  # noqa: B023
            reached("law.chunk")
        if changed:
            _log.info("deadlines_changed", documents=changed)
        await house.bell.rest(ear, min(house.patience, _LOOK_EVERY_S), wake=True)
