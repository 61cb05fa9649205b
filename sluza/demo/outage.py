"""The chapter of the outage: KSeF fails, invoices wait with their new deadline, the failure ends, everything drains."""

import json
import urllib.request
from collections.abc import Callable, Iterable
from datetime import date, datetime
from enum import Enum
from pathlib import Path
from typing import Any, Protocol

from sluza.demo.stage import Stage
from spool.domain.calendar import working_day_after
from spool.domain.terms import FAILURE_DAYS


class Waiting(Protocol):
    """What the chapter needs of an act of the story."""

    unit: str
    name: str
    said: str

    @property
    def stem(self) -> str:
        """The name of our files about it."""


class Phase(Enum):
    """Where the chapter is."""

    BEFORE = "before"
    FAILING = "failing"
    ENDED = "ended"
    OVER = "over"


class Outage:
    """Turns KSeF off and on again; `running` from the failure's announcement on."""

    def __init__(self, stage: Stage, today: date) -> None:
        self._stage = stage
        self._today = today
        self.phase = Phase.BEFORE

    @property
    def running(self) -> bool:
        """True from the moment the failure was announced."""
        return self.phase is not Phase.BEFORE

    def advance(self, acts: Iterable[Waiting], may_begin: Callable[[], bool]) -> None:
        """One look; each phase ends when the units' folders say what they must."""
        told = {act.name: self._told(act) for act in acts}
        if self.phase is Phase.BEFORE:
            if may_begin():
                self._control("POST", "faults", {"endpoint": "ksef", "kind": "http_503"})
                self._control("POST", "latarnia", {"status": "FAILURE", "title": "Awaria KSeF (pokaz)"})
                self.phase = Phase.FAILING
        elif self.phase is Phase.FAILING:
            if all(self._waits_with_paper(act, told[act.name]) for act in acts):
                self._control("POST", "latarnia", {"status": "AVAILABLE"})
                self.phase = Phase.ENDED
        elif self.phase is Phase.ENDED and all(self._has_its_date(act, told[act.name]) for act in acts):
            self._control("DELETE", "faults", None)
            self.phase = Phase.OVER

    def _told(self, act: Waiting) -> dict[str, Any]:
        path = self._folder(act) / f"{act.stem}.json"
        try:
            found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found

    def _folder(self, act: Waiting) -> Path:
        return self._stage.folders / act.unit / "w-toku"

    def _waits_with_paper(self, act: Waiting, told: dict[str, Any]) -> bool:
        """Issued in a failure, no date yet, the paper with both codes is there."""
        paper = (self._folder(act) / f"{act.stem}.pdf").exists()
        if told.get("mode") == "failure" and told["due_safe"] is None and told["kod2_url"] and paper:
            act.said = "awaria KSeF: czeka, wydruk z KODEM I i II gotowy"
            return True
        return False

    def _has_its_date(self, act: Waiting, told: dict[str, Any]) -> bool:
        """The seventh working day after the end (art. 106nf(4))."""
        due = told.get("due_safe")
        if not due or datetime.fromisoformat(due).date() != working_day_after(self._today, FAILURE_DAYS):
            return False
        act.said = f"awaria zakończona: termin {datetime.fromisoformat(due):%d.%m.%Y}"
        return True

    def _control(self, method: str, name: str, body: dict[str, Any] | None) -> None:
        """One of the sandbox's controls."""
        content = None if body is None else json.dumps(body).encode()
        url, headers = f"{self._stage.sandbox_url}/sandbox/{name}", {"Content-Type": "application/json"}
        request = urllib.request.Request(url, content, headers, method=method)  # noqa: S310 - loopback
        with urllib.request.urlopen(request, timeout=10):  # noqa: S310
            pass
