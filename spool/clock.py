"""Where wall time comes from: the system, or, for a training set-up only, the sandbox's clock (DESIGN 4.3)."""

import json
import threading
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

Clock = Callable[[], datetime]
"""Gives the present instant, UTC with an offset. Rules never call one: `now` is handed to them."""


def system_clock() -> datetime:
    """The machine's own time."""
    return datetime.now(UTC)


class SandboxClock:
    """The sandbox's time, kept as an offset to ours and refreshed in the background every `every_s` seconds."""

    def __init__(self, url: str, every_s: float = 0.5) -> None:
        """`url` answers `{"now": ISO}`; raises OSError when it cannot be read the first time."""
        self._url = url
        self._every_s = every_s
        self._offset = self._ask()
        self._stop = threading.Event()
        threading.Thread(target=self._follow, name="sandbox-clock", daemon=True).start()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self._offset

    def close(self) -> None:
        """Stop following."""
        self._stop.set()

    def _ask(self) -> timedelta:
        before = datetime.now(UTC)
        with urllib.request.urlopen(self._url, timeout=5) as answer:  # noqa: S310 - loopback training set-up only
            remote = datetime.fromisoformat(json.load(answer)["now"])
        return remote - before

    def _follow(self) -> None:
        while not self._stop.wait(self._every_s):
            try:
                offset = self._ask()
            except (OSError, ValueError, KeyError):
                continue  # a restarting sandbox: time goes on with the last offset
            if abs(offset - self._offset) > timedelta(milliseconds=200):
                self._offset = offset
