"""One log alert per thing that is wrong, not one per look at it; ready for the operator, one line, no foreign data."""

import structlog

from spool.domain.catalogue import printable

_log = structlog.get_logger("gateway.folders")
_LONGEST_NAME = 200


class Alerts:
    """Remembers, for one unit, what has been said. Keys are tuples whose second part is the file name, if any."""

    def __init__(self, unit: str) -> None:
        self._unit = unit
        self._said: set[tuple[str, ...]] = set()

    def once(self, key: tuple[str, ...], event: str, sentence: str, **facts: object) -> None:
        """Log this the first time it is true."""
        if key in self._said:
            return
        self._said.add(key)
        shown = {name: printable(value, _LONGEST_NAME) for name, value in facts.items()}
        _log.warning(event, unit=self._unit, message=sentence, **shown)

    def over(self, key: tuple[str, ...]) -> None:
        """Forget one thing, because it is in order again."""
        self._said.discard(key)

    def forget(self, name: str) -> None:
        """The file is gone: what is said about the next one of this name is news again."""
        self._said = {key for key in self._said if key[1:2] != (name,)}
