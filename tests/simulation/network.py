"""The way to KSeF: the interface of `agent.ksef.transport.Transport`, with delays and faults from the dice.

A request that has left may arrive although its sender died or gave up; an answer may be lost, late or cut. What the
agent asks and hears is told to the rules (`Watch`), which know the truth of the model.
"""

import asyncio
import hashlib
import json
from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, Protocol, Self
from urllib.parse import urlsplit

from agent.ksef.api import Download, NoAnswer
from agent.ksef.errors import broken, garbled, read_http
from agent.ksef.transport import Answer
from tests.simulation.ksef_answers import HTML, Answers, Refusal, Reply, route
from tests.simulation.loop import OWNER, Process, SimLoop

TOTAL_S, FRESH_S = 90.0, 600.0
_DOUBTFUL = frozenset({"lost_before", "lost_after", "late", "html_after", "cut", "crash"})


@dataclass
class Weather:
    """How the network and the front door of KSeF are in one schedule: shares of calls, or seconds.

    `twice_lost`: of the calls that are delivered twice, those whose answer is lost as well.
    """

    lost_before: float = 0.0
    lost_after: float = 0.0
    refused: float = 0.0
    late: float = 0.0
    late_s: float = 200.0
    html: float = 0.0
    html_after: float = 0.0
    banned: float = 0.0
    ban_s: int = 30
    unauthorised: float = 0.0
    session_trouble: float = 0.0
    cut: float = 0.0
    twice: float = 0.0
    twice_lost: float = 0.0
    slow_s: float = 0.05
    crash: float = 0.0
    hides: float = 0.0
    only: frozenset[str] = frozenset()
    down: list[tuple[float, float, str]] = field(default_factory=list)


@dataclass
class Call:
    """One request of one process. `posts` are the sends of documents that it makes, `heard` that a list is whole."""

    method: str
    path: str
    headers: Mapping[str, str]
    params: Mapping[str, Any]
    content: bytes
    group: str
    name: str
    parts: tuple[str, ...]
    owner: Process | None
    at: float
    sha256: str = ""
    posts: tuple[Any, ...] = ()
    heard: bool = False

    def __str__(self) -> str:
        return f"{self.name}({', '.join(self.parts)})"


class Watching(Protocol):
    """Who hears of everything on the network."""

    def asked(self, call: Call) -> None:
        """The agent begins a call."""

    def doubled(self, call: Call) -> None:
        """The line delivers it a second time: at once, or much later."""

    def vanished(self, call: Call, proof: str = "") -> None:
        """It will never arrive; `proof` if the agent can tell."""

    def arrived(self, call: Call, reply: Reply) -> None:
        """KSeF has dealt with it; the answer may still be lost."""

    def answered(self, call: Call, reply: Reply) -> None:
        """The agent hears the answer."""


class Network:
    """Between the agent and the model."""

    def __init__(self, loop: SimLoop, dice: Random, answers: Answers, watch: Watching) -> None:
        self.loop, self.dice, self.answers, self.watch = loop, dice, answers, watch
        self.weather = Weather()
        self.on_doubt: Callable[[Call], None] = lambda _call: None

    async def exchange(self, call: Call, total_s: float = TOTAL_S) -> Reply:
        """One call, with whatever happens to it. Raises NoAnswer as the real transport does."""
        self.watch.asked(call)
        fault = self._fault(call)
        if fault in _DOUBTFUL and call.name in ("send", "close_batch") and self.dice.random() < self.weather.hides:
            self.loop.outside(2 * self.dice.random(), self.on_doubt, call)
        if fault in ("refused", "down_refused"):
            self.watch.vanished(call, "it never left")
            await asyncio.sleep(self._pause())
            raise broken(False, "ClientConnectorError", "connect")
        done: asyncio.Future[Reply | None] = self.loop.create_future()
        pause = self._pause()
        if fault == "late":
            pause += self.weather.late_s * self.dice.random()
        if fault in ("lost_before", "down_hangs"):
            self.watch.vanished(call)
            if fault == "lost_before" and self.dice.random() < 0.7:
                self.loop.outside(pause, _tell, done, None)
        else:
            self.loop.outside(pause, self._arrive, call, fault, done)
        try:
            async with asyncio.timeout(total_s):
                reply = await done
        except TimeoutError:
            raise broken(True, "przekroczony czas", "timeout") from None
        if reply is None:
            raise broken(True, "ServerDisconnectedError", "broken")
        self.watch.answered(call, reply)
        return reply

    def _pause(self) -> float:
        return self.weather.slow_s * self.dice.random() * (20 if self.dice.random() < 0.05 else 1)

    def _fault(self, call: Call) -> str:
        now, w = self.loop.time(), self.weather
        for start, end, how in w.down:
            if start <= now < end:
                return how
        if w.only and call.name not in w.only:
            return ""
        at = self.dice.random()
        for name in (
            "refused", "lost_before", "lost_after", "late", "html", "html_after", "banned", "unauthorised",
            "session_trouble", "cut", "twice", "crash",
        ):  # fmt: skip
            at -= getattr(w, name)
            if at < 0:
                return name
        return ""

    def _arrive(self, call: Call, fault: str, done: "asyncio.Future[Reply | None]") -> None:
        """At KSeF's door."""
        reply = self._before(call, fault)
        if reply is None:
            reply = self._handle(call)
            if fault == "twice" and call.method == "POST" and reply[0] < 300:  # a refusal is about both copies
                self.watch.doubled(call)
                late = self.dice.random() < 0.5
                self.loop.outside(self.weather.late_s * self.dice.random() * late, self._handle, call)
            if fault == "crash" and call.owner is not None:
                call.owner.alive = False
        if fault == "cut":
            reply = (reply[0], reply[1], reply[2][: len(reply[2]) // 2])
        if fault == "html_after":
            reply = (502, {}, HTML)
        lost = fault == "lost_after" or (fault == "twice" and self.dice.random() < self.weather.twice_lost)
        if lost and self.dice.random() < 0.3:
            return  # the line hangs until the sender gives up
        self.loop.outside(self._pause(), _tell, done, None if lost else reply)

    def _handle(self, call: Call) -> Reply:
        reply = self.answers.handle(call.method, call.path, call.headers, call.params, call.content)
        self.watch.arrived(call, reply)
        return reply

    def _before(self, call: Call, fault: str) -> Reply | None:
        """What is answered without KSeF having heard; None when it hears."""
        reply = None
        if fault == "html" or fault == "down_html":
            reply = (502, {}, HTML)
        elif fault == "banned" and call.group:
            reply = Refusal(429, after=1 + int(self.weather.ban_s * self.dice.random())).reply()
        elif fault == "unauthorised" and call.group not in ("", "anonymous"):
            reply = Refusal(401).reply()
        elif fault == "session_trouble" and call.name == "send":
            reply = Refusal(400, 21184).reply()
        if reply is not None:
            self.watch.vanished(call)
        return reply


def _tell(done: "asyncio.Future[Reply | None]", reply: Reply | None) -> None:
    if not done.done():
        done.set_result(reply)


class SimTransport:
    """What one life of a process has instead of `agent.ksef.transport.Transport`."""

    def __init__(self, network: Network, ksef_now: Any) -> None:
        self._net, self._ksef_now = network, ksef_now
        self._server: tuple[datetime, float] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Nothing to close."""

    def server_now(self) -> datetime | None:
        """KSeF's time, if it was heard lately."""
        now = self._net.loop.time()
        if self._server is None or now - self._server[1] > FRESH_S:
            return None
        return self._server[0] + timedelta(seconds=now - self._server[1])

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        params: Mapping[str, Any] | None = None,
        content: bytes | None = None,
    ) -> Answer:
        """One call; any HTTP status is an answer. Raises NoAnswer when there was none."""
        status, more, body = await self._exchange(method, url, headers, params or {}, content or b"")
        return Answer(status, more, body)

    async def download(self, url: str, target: Path, limit: int) -> Download:
        """A presigned address into a file."""
        status, _, body = await self._exchange("GET", url, {}, {}, b"")
        if status != 200:
            raise NoAnswer(read_http(status, body))
        if len(body) > limit:
            raise garbled("plik jest dłuższy, niż zapowiedziano")
        target.write_bytes(body)  # noqa: ASYNC240 - memory
        return Download(len(body), hashlib.sha256(body).digest())

    async def fetch(self, url: str) -> bytes:
        """What lies at a presigned address."""
        status, _, body = await self._exchange("GET", url, {}, {}, b"")
        if status != 200:
            raise NoAnswer(read_http(status, body))
        return body

    async def upload(self, url: str, file: Path, headers: Mapping[str, str]) -> None:
        """A file to a presigned address."""
        status, _, body = await self._exchange("PUT", url, headers, {}, file.read_bytes())  # noqa: ASYNC240 - memory
        if status not in (200, 201):
            raise NoAnswer(read_http(status, body))

    async def _exchange(
        self, method: str, url: str, headers: Mapping[str, str], params: Mapping[str, Any], content: bytes
    ) -> Reply:
        path = urlsplit(url).path.removeprefix("/v2")
        group, name, parts = route(method, path)
        call = Call(method, path, headers, params, content, group, name, parts, OWNER.get(), self._net.loop.time())
        if name == "send":
            call.sha256 = b64decode(json.loads(content)["invoiceHash"]).hex()
        reply = await self._net.exchange(call)
        self._server = self._ksef_now().replace(microsecond=0), self._net.loop.time()
        return reply
