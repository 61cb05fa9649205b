"""The line of one context to KSeF: base address, bearer, budget. Knows HTTP, not the SDK."""

import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from agent.ksef.api import Download, NoAnswer, Reading
from agent.ksef.budget import Budget, Limits
from agent.ksef.errors import garbled, read_http
from agent.ksef.transport import Answer, Transport
from spool.clock import Clock
from spool.domain.outcomes import Later, Scope

T = TypeVar("T")
_MISREAD = (TypeError, ValueError, LookupError, AttributeError, RecursionError)


class Line:
    """Every call of a context goes through here, and comes back as a value or as NoAnswer."""

    def __init__(
        self,
        transport: Transport,
        url: str,
        budget: Budget,
        clock: Clock,
        sdk_errors: tuple[type[Exception], ...] = (),
    ) -> None:
        """`sdk_errors` are what the SDK on this line raises for an answer that it cannot read."""
        self._transport = transport
        self._url = url.rstrip("/")
        self._budget = budget
        self._clock = clock
        self._misread = _MISREAD + sdk_errors

    def wait(self, group: str, calls: int = 1) -> float:
        """Seconds until the budget has let so many calls of this group through."""
        return self._budget.wait(group, self._clock().timestamp(), calls)

    def learn(self, limits: Mapping[str, Limits]) -> None:
        """Take over the limits that KSeF told us."""
        self._budget.learn(limits)

    def seen_from(self, address: str) -> None:
        """The address under which KSeF sees us: it counts by it."""
        self._budget.seen_from(address)

    async def in_group(self, group: str, call: Callable[[], Awaitable[T]]) -> T:
        """Make one call of this group, or say how long to wait. Raises NoAnswer for everything but a value."""
        if (pause := self.wait(group)) > 0:
            raise NoAnswer(Reading(Later("Limit wywołań KSeF.", pause, Scope.CONTEXT), f"budget:{group}"))
        self._budget.spend(group, self._clock().timestamp())
        try:
            return await call()
        except NoAnswer as no:
            outcome = no.reading.outcome
            if no.code == "http:429" and isinstance(outcome, Later) and outcome.after_s is not None:
                self._budget.ban(group, outcome.after_s, self._clock().timestamp())
            raise
        except self._misread as error:
            raise garbled(type(error).__name__) from error

    async def request(
        self,
        method: str,
        path: str,
        expected: set[int],
        headers: Mapping[str, str],
        bearer: str | None = None,
        params: Mapping[str, Any] | None = None,
        content: bytes | None = None,
    ) -> Answer:
        """One request below the base address. Raises NoAnswer for every status but the expected ones."""
        sent = {"Accept": "application/json"} | dict(headers)
        if bearer:
            sent["Authorization"] = f"Bearer {bearer}"
        url = f"{self._url}/{path.lstrip('/')}"
        answer = await self._transport.request(method, url, headers=sent, params=params, content=content)
        if answer.status not in expected:
            raise NoAnswer(read_http(answer.status, answer.content, answer.headers.get("Retry-After")))
        return answer

    async def read(self, path: str, bearer: str) -> dict[str, Any]:
        """GET a JSON object as it is, where the SDK's model would insist on more than we need."""
        answer = await self.request("GET", path, {200}, {}, bearer)
        body = json.loads(answer.content)
        if not isinstance(body, dict):
            raise garbled("to nie jest obiekt JSON")
        return body

    async def download(self, url: str, target: Path, limit: int) -> Download:
        """Stream a presigned address into a file: no bearer, no budget (protocol §16.1)."""
        self._must_be_safe(url)
        return await self._transport.download(url, target, limit)

    async def fetch(self, url: str) -> bytes:
        """What lies at a presigned address, if it is no more than an answer may be."""
        self._must_be_safe(url)
        return await self._transport.fetch(url)

    async def upload(self, url: str, file: Path, headers: Mapping[str, str]) -> None:
        """Stream a file to a presigned address, with exactly the headers that KSeF named. Raises NoAnswer."""
        self._must_be_safe(url)
        await self._transport.upload(url, file, headers)

    def _must_be_safe(self, url: str) -> None:
        if self._url.startswith("https://") and not url.startswith("https://"):
            raise garbled("adres pobierania lub wysyłania bez TLS")
