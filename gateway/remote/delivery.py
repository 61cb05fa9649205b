"""Dropped file → gateway: in pieces, going on where the line broke, with the answer of the front door at the end.

The file on this computer is removed by whoever asked, and only after an answer that names the hash of these very bytes
(faults D12). Sending the same bytes again, after a crash or a lost answer, is answered with the same document.
"""

from collections.abc import Callable
from time import monotonic
from typing import Any
from urllib.parse import quote

from gateway.folders.door import Answer, DoorClosedError, Kind
from gateway.remote.errors import LineDownError, LineError, RefusedError
from gateway.remote.gate import Gate
from gateway.remote.line import Line, Reply
from spool.bodies import sha256_hex
from spool.crashpoint import reached
from spool.domain.errors import Problem
from spool.domain.municipality import Unit
from spool.domain.states import State

FIRST_PIECE = 16_384
_SMALLEST, _LARGEST = 4_096, 1_000_000
_PIECE_TAKES_S = 8.0
"""A piece is as large as the line carries in so many seconds: below every patience on both sides."""
_NEW_OFFSETS = 5


class NotConfirmedError(Exception):
    """An answer about this file that confirms nothing: the file stays and waits by itself, the line is in order."""


class RemoteDoor:
    """`gateway.folders.door.Door` over the line."""

    def __init__(self, line: Line, gate: Gate, delivered: Callable[[], None]) -> None:
        """`delivered` is called when the gateway has something new of us: its results will follow soon."""
        self._line = line
        self._gate = gate
        self._delivered = delivered
        self._piece = FIRST_PIECE

    async def accept(self, unit: Unit, raw: bytes, label: str, *, offline24: bool, may_wait: bool) -> list[Answer]:  # noqa: ARG002 - the token says whose it is
        """Raises DoorClosedError while there is no line."""
        self._gate.pass_or_wait()
        sha256 = sha256_hex(raw)
        reached("remote.read", sha256)
        query = {"size": len(raw), "offline24": _word(offline24), "may_wait": _word(may_wait)}
        headers = {"X-File-Name": quote(label, safe=""), "Content-Type": "application/octet-stream"}
        try:
            reply = await self._send(raw, sha256, query, headers)
        except LineError as error:
            self._piece = max(_SMALLEST, self._piece // 4)  # what was under way when it broke is lost
            raise DoorClosedError(self._gate.close(error)) from error
        self._gate.heard()
        reached("remote.acknowledged", sha256)
        self._delivered()
        return _answers(reply)

    async def _send(self, raw: bytes, sha256: str, query: dict[str, Any], headers: dict[str, str]) -> Reply:
        """Piece by piece until the gateway has it all and says what became of it."""
        path, offset, asked = f"/v1/uploads/{sha256}", 0, 0
        if len(raw) > self._piece:
            offset = _received(await self._line.call("GET", path))
        while True:
            # Not PUT: aiohttp would send a piece whose connection broke again by itself, from an offset that is past.
            piece, began = raw[offset : offset + self._piece], monotonic()
            try:
                reply = await self._line.call("POST", path, query | {"offset": offset}, data=piece, headers=headers)
            except RefusedError as refused:
                if refused.code not in {"upload_offset", "upload_damaged"}:
                    return _final(Reply(refused.status, dict(refused.body), refused.sha256), sha256)
                asked += 1
                if asked > _NEW_OFFSETS:
                    raise LineDownError("Bramka i ten komputer nie mogą uzgodnić, ile pliku już przesłano.") from None
                offset = _received(Reply(refused.status, dict(refused.body)))
                continue
            self._measure(len(piece), monotonic() - began)
            if "received" not in reply.body:
                return _final(reply, sha256)
            offset = _received(reply)
            reached("remote.piece", sha256)

    def _measure(self, count: int, seconds: float) -> None:
        if count:
            wanted = int(count / max(seconds, 0.001) * _PIECE_TAKES_S)
            self._piece = max(_SMALLEST, min(wanted, _LARGEST))


def _received(reply: Reply) -> int:
    value = reply.body.get("received")
    if not isinstance(value, int):
        raise LineDownError("Bramka odpowiedziała niezrozumiale. Czy to właściwy adres i zgodna wersja programu?")
    return value


def _final(reply: Reply, sha256: str) -> Reply:
    """The end of a delivery must name these very bytes, whatever became of them. Raises NotConfirmedError."""
    if reply.sha256 != sha256:
        title = str(reply.body.get("title") or "Bramka nie potwierdziła skrótu pliku.")
        raise NotConfirmedError(f"Plik nie został przyjęty. {title} {reply.body.get('detail') or ''}".strip())
    return reply


def _answers(reply: Reply) -> list[Answer]:
    """In the words of the folder."""
    body = reply.body
    if (entries := body.get("documents")) is not None:
        return [_entry(entry) for entry in entries]
    problems = tuple(_problem(p) for p in body.get("errors") or ())
    if reply.status == 422 and body.get("code") == "incomplete":
        return [Answer("incomplete", problems)]
    state = State(body["state"]) if body.get("state") else None
    if reply.status >= 400:
        return [Answer("refused", problems or (_whole(body),), str(body.get("id") or ""), state=state)]
    kind: Kind = "new" if reply.status == 202 else "same"
    return [Answer(kind, (), str(body.get("id") or ""), state=state)]


def _entry(entry: dict[str, Any]) -> Answer:
    """One file of an archive: refused or not, the gateway keeps it and will say so."""
    name = str(entry.get("name") or "")
    if entry.get("errors") is not None:
        return Answer("refused", tuple(_problem(p) for p in entry["errors"]), "-", state=State.REFUSED, name=name)
    return Answer("new", (), str(entry.get("id") or "-"), state=State(entry["state"]), name=name)


def _problem(said: dict[str, Any]) -> Problem:
    line = said.get("line")
    return Problem(
        str(said.get("code") or "refused"), str(said.get("message") or ""), str(said.get("hint") or ""),
        str(said.get("field") or ""), line if isinstance(line, int) else None,
    )  # fmt: skip


def _whole(body: dict[str, Any]) -> Problem:
    """A refusal of the delivery as such."""
    return Problem(str(body.get("code") or "refused"), str(body.get("title") or ""), str(body.get("detail") or ""))


def _word(flag: bool) -> str:
    return "true" if flag else "false"
