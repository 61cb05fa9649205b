"""What lies in a drop folder and is no file: one alert for each unit, seen by the administrator (faults X09).

A link, a pipe or a device is left where it is and never opened. A subfolder is left as well, and with it the invoices
that somebody saved there and waits for; therefore it is told, not only logged. The alert is a condition in the spool:
there while such things lie there, gone by itself with the last of them (decision 0023).
"""

from collections.abc import Mapping

import structlog

from spool.access import Spool
from spool.clock import Clock
from spool.domain.catalogue import printable
from spool.domain.ledger import LEFT
from spool.store import Store

_NAMED = 5
_LONGEST_NAME = 80

_log = structlog.get_logger("gateway.folders")


class Leftovers:
    """Writes the alerts. One per process."""

    def __init__(self, spool: Spool, clock: Clock) -> None:
        self._spool = spool
        self._clock = clock
        self._told: dict[str, Mapping[str, str]] = {}

    async def tell(self, unit: str, found: Mapping[str, str]) -> None:
        """`found`: name → what it is, in Polish. Written when it changed; a full disk ends nothing."""
        if self._told.get(unit) == found:
            return
        kept, now = dict(found), self._clock()
        named = [f"„{printable(name, _LONGEST_NAME)}” ({what})" for name, what in sorted(kept.items())]

        def write(store: Store) -> None:
            before = store.condition("", LEFT + unit)
            if not named:
                if before is not None:
                    store.set_condition("", LEFT + unit, None, now)
                return
            since = before.value.get("since") if before else now.isoformat()
            value = {"since": since, "unit": unit, "count": len(named), "named": named[:_NAMED]}
            store.set_condition("", LEFT + unit, value, now)

        try:
            await self._spool.write(write)
        except Exception as error:  # the next scan tells it again
            _log.warning("leftovers_not_told", unit=unit, cause=type(error).__name__)
        else:
            self._told[unit] = kept
