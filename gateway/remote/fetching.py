"""Gateway → folders: every change that was not confirmed yet is fetched, filed durably, and then confirmed.

The gateway knows what this computer has confirmed; nothing is remembered here. A crash anywhere leads to the same
files again, and only then to the confirmation that makes a document DELIVERED (DESIGN 4.6).
"""

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import Executor
from datetime import datetime
from pathlib import Path
from time import monotonic
from typing import Any

import structlog

from gateway.folders import layout
from gateway.folders.alerts import Alerts
from gateway.folders.filing import Filing, Sheet
from gateway.remote.errors import BusyError, LineDownError, LineError, RefusedError
from gateway.remote.gate import Gate
from gateway.remote.line import Line
from spool import files
from spool.bodies import sha256_hex
from spool.crashpoint import reached

_PAGE = 20
_SOON_S = 20.0
_REGISTERS_EVERY_S = 300.0
_BOM = b"\xef\xbb\xbf"
_PURCHASES = frozenset({"received", "recalled"})
_log = structlog.get_logger("gateway.remote")


class Fetching:
    """Files what the gateway has for this unit. One per process."""

    def __init__(
        self, line: Line, gate: Gate, filing: Filing, unit: str, threads: Executor, poll_s: float, soon_s: float = 1.0
    ) -> None:
        """Ask every `poll_s` seconds, and every `soon_s` for a while after something was delivered."""
        self._line, self._gate, self._filing, self._unit, self._threads = line, gate, filing, unit, threads
        self._poll_s, self._soon_s = poll_s, soon_s
        self._soon_until = monotonic() + _SOON_S
        self._registers_at = 0.0
        self._alerts = Alerts(unit)
        self._wake = asyncio.Event()
        self.unwritable: str = ""

    def soon(self) -> None:
        """Results will follow: ask often for a while."""
        self._soon_until = monotonic() + _SOON_S
        self._wake.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`."""
        while not stop.is_set():
            await either(self._gate.wait_open(), stop)
            if stop.is_set():
                return
            try:
                await self._round()
                self._gate.heard()
            except LineError as error:
                self._gate.close(error)
                continue
            pause = self._soon_s if monotonic() < self._soon_until else self._poll_s
            self._wake.clear()
            await either(self._wake.wait(), stop, max(pause, self._soon_s))

    async def _round(self) -> None:
        """Every page of what is not confirmed, then the registers. Raises LineError."""
        after, failed = "", ""
        while True:
            query: dict[str, str | int] = {"limit": _PAGE} | ({"after": after} if after else {})
            page = (await self._line.call("GET", "/v1/changes", query)).body
            for change in page.get("changes", ()):
                failed = await self._file_or_later(change) or failed
            if not (after := str(page.get("next") or "")):
                break
        self.unwritable = failed
        if monotonic() >= self._registers_at:
            await self._registers()
            self._registers_at = monotonic() + _REGISTERS_EVERY_S

    async def _file_or_later(self, change: dict[str, Any]) -> str:
        """One change; what cannot be written holds up only itself (faults D11). Returns the sentence, if so."""
        key = str(change.get("id"))
        try:
            await self._file(change)
        except OSError as error:
            sentence = f"Nie można zapisać wyniku „{change.get('name')}”: {error.strerror or error}."
            self._alerts.once(("file", key), "result_not_written", sentence, id=key, error=error)
            return sentence
        except (KeyError, ValueError, TypeError) as error:
            raise LineDownError(
                "Bramka odpowiedziała niezrozumiale. Czy to właściwy adres i zgodna wersja programu?"
            ) from error
        except (BusyError, RefusedError) as error:  # about this one only: the others go on
            _log.info("result_later", id=key, message=error.text)
            return ""
        self._alerts.over(("file", key))
        return ""

    async def _file(self, change: dict[str, Any]) -> None:
        """Fetch, write durably, confirm."""
        sheet = _sheet(self._unit, change)
        reached("remote.begun", str(change["id"]))
        work, path = await self._work(sheet, change)
        reached("remote.fetched", str(change["id"]))
        await self._io(work)
        reached("remote.written", str(change["id"]))
        try:
            reply = await self._line.call("POST", f"{path}/ack", _ack_query(change))
        except RefusedError as refused:
            if refused.status == 404 and change["kind"] == "received":  # assigned to another while it was written
                await self._io(lambda: self._filing.take_away(sheet))
            raise
        if reply.body.get("sha256") != sheet.sha256:
            raise LineDownError("Bramka potwierdziła inny dokument, niż zapisano.")
        reached("remote.confirmed", str(change["id"]))

    async def _work(self, sheet: Sheet, change: dict[str, Any]) -> tuple[Callable[[], None], str]:
        """What is to be written, with everything that it needs fetched; and the address of the document."""
        filing, kind, key = self._filing, str(change["kind"]), str(change["id"])
        path = f"/v1/received/{key}" if kind in _PURCHASES else f"/v1/invoices/{key}"
        if kind == "renewed":
            return lambda: filing.rewrite_sent(sheet), path
        if kind == "recalled":
            return lambda: filing.take_away(sheet), path
        if kind == "waiting":
            pdf = None
            if change["picture"] and not filing.has_pending_copy(sheet):
                pdf = await self._pdf(path, kind)
            return lambda: _progress(filing, sheet, pdf), path
        raw = await self._exact(f"{path}/xml", sheet.sha256)
        pdf = await self._pdf(path, kind) if change["picture"] else None
        if kind == "received":
            return lambda: filing.received(sheet, raw, pdf), path
        if kind == "aside":
            return lambda: filing.put_aside(sheet, raw, pdf), path
        if kind != "delivered":
            raise ValueError(kind)
        upo = await self._exact(f"{path}/upo", str(change["upo_sha256"]))
        return lambda: filing.sent(sheet, raw, upo, pdf), path

    async def _exact(self, path: str, sha256: str) -> bytes:
        raw = await self._line.fetch(path)
        if sha256_hex(raw) != sha256:
            raise LineDownError("Bramka przysłała inną treść, niż zapowiedziała; zostanie pobrana jeszcze raz.")
        return raw

    async def _pdf(self, path: str, kind: str) -> bytes | None:
        """The copy for the folder; None where none can be drawn: it must not keep a number or a UPO from the unit."""
        for attempt in (1, 2):
            try:
                return await self._line.fetch(f"{path}/pdf", {} if kind == "received" else {"for": "folder"})
            except RefusedError as error:
                _log.warning("pdf_failed", path=path, attempt=attempt, message=error.text)
        return None

    async def _registers(self) -> None:
        """`rejestry/`, as they are on the gateway; a file that is open in Excel is written the next time."""
        for row in (await self._line.call("GET", "/v1/registers")).body.get("registers", ()):
            name, sha256 = str(row["name"]), str(row["sha256"])
            target = layout.require(self._filing.root, self._unit) / layout.REGISTERS / _plain_name(name)
            with contextlib.suppress(OSError):
                if await self._io(lambda t=target: _hash_of(t)) != sha256:  # type: ignore[misc]
                    raw = await self._exact(f"/v1/registers/{name}", sha256)
                    await self._io(lambda t=target, r=raw: files.write(t, r))  # type: ignore[misc]

    async def _io(self, work: Callable[[], Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


def _ack_query(change: dict[str, Any]) -> dict[str, str | int]:
    if change["kind"] in _PURCHASES:
        return {"gone": "true" if change["kind"] == "recalled" else "false"}
    return {"version": int(change["version"])}


def _progress(filing: Filing, sheet: Sheet, pdf: bytes | None) -> None:
    filing.progress(sheet)
    if pdf is not None:
        filing.pending_copy(sheet, pdf)


def _sheet(unit: str, change: dict[str, Any]) -> Sheet:
    """Raises KeyError, ValueError, TypeError for what our gateway cannot have said."""
    said, note, month = change["said"], change["note"], change["month_of"]
    if not isinstance(said, dict):
        raise TypeError("no result")
    return Sheet(
        unit,
        _plain_name(str(change["name"])),
        str(change["sha256"]),
        said,
        datetime.fromisoformat(month) if month else None,
        _BOM + note.encode("utf-8", "replace") if note else b"",
        picture=str(change["picture"] or ""),
    )


def _plain_name(name: str) -> str:
    """A name, never a path, whoever says it."""
    if not name or name.startswith(".") or any(c in '/\\:"<>|?*' or not c.isprintable() for c in name):
        raise ValueError("not a file name")
    return name


def _hash_of(path: Path) -> str:
    try:
        return sha256_hex(path.read_bytes())
    except FileNotFoundError:
        return ""


async def either(waiting: Any, stop: asyncio.Event, seconds: float | None = None) -> None:
    """Until the one, `stop`, or the time is over."""
    tasks = [asyncio.ensure_future(waiting), asyncio.ensure_future(stop.wait())]
    await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
