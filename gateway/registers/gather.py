"""Spool → the rows of one monthly register, page by page, in bounded memory.

What a register shows of an invoice's content is read in a worker once and kept by its hash (`store.keep_books`). A
document that breaks its reader is in the register all the same, and says so.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import structlog

from spool.access import Spool
from spool.clock import Clock, system_clock
from spool.domain.announcements import Announcement
from spool.domain.book import UNREADABLE, Book
from spool.domain.errors import SluzaError
from spool.domain.municipality import Municipality
from spool.domain.register_rows import IssuedEntry, ReceivedEntry, issued_row, paper_row, received_row
from spool.domain.registers import RECEIVED, Row
from spool.domain.retention import Classes
from spool.law import Law, Rules
from spool.papers import Desk, look
from spool.rows import stamp
from spool.store import Store
from spool.store.registers import FIRST_POSITION, WHOLE, IssuedLine, Position, ReceivedLine
from spool.workers import Workers
from spool.xml.register_facts import read_books

PAGE = 100
"""So few, because the event loop, which answers units, makes the rows of a page in one go: about ten milliseconds."""
_RECEIVED_ON = RECEIVED.keys.index("received_on")
_TOGETHER = 50
_TOGETHER_BYTES = 4_000_000
_Line = TypeVar("_Line", IssuedLine, ReceivedLine)

_log = structlog.get_logger("gateway.registers")


@dataclass(frozen=True)
class Sources:
    """What the rows of a register are made from."""

    spool: Spool
    workers: Workers
    municipality: Municipality
    classes: Classes
    law: Law = field(default_factory=Law)
    clock: Clock = system_clock


def rows(sources: Sources, kind: str, unit: str, month: str) -> AsyncIterator[Row]:
    """The rows of `issued`, `received` or `paper` of one unit, or of the municipality (`WHOLE`), for a month RRRR-MM.

    The municipality's are those of its units, one after the other, and at the end the central tray's.
    """
    return _KINDS[kind](sources, unit, month)


async def _issued(sources: Sources, unit: str, month: str) -> AsyncIterator[Row]:
    units = [unit] if unit != WHOLE else await sources.spool.read(lambda store: store.issued_units(month))
    for one in units:
        after = FIRST_POSITION
        while page := await sources.spool.read(_issued_page(one, month, after)):
            books = await _books(sources, page, [line.document.sha256 for line in page])
            for line, book in zip(page, books, strict=True):
                entry = IssuedEntry(line.document, book, line.upo_at, line.retention)
                yield issued_row(entry, sources.municipality, sources.classes)
            last = page[-1].document
            assert last.issue_date is not None
            after = (last.issue_date.isoformat(), last.seq)


def _issued_page(unit: str, month: str, after: Position) -> Callable[[Store], list[IssuedLine]]:
    return lambda store: store.issued_lines(unit, month, after, PAGE)


async def _received(sources: Sources, unit: str, month: str) -> AsyncIterator[Row]:
    periods = await sources.spool.read(_periods)
    every = await sources.spool.read(lambda store: store.received_units(month)) if unit == WHOLE else [unit]
    for one in every:
        after = FIRST_POSITION
        while page := await sources.spool.read(_received_page(one, month, after)):
            books = await _books(sources, page, [line.invoice.sha256 for line in page])
            for line, book in zip(page, books, strict=True):
                entry = ReceivedEntry(line.invoice, book, line.entered, line.retention)
                row = received_row(entry, sources.municipality, sources.classes, periods)
                if str(row[_RECEIVED_ON]).startswith(month):  # not that of the number day where the real one counts
                    yield row
            last = page[-1].invoice
            after = (stamp(last.acquisition_date), last.cursor)


def _received_page(unit: str | None, month: str, after: Position) -> Callable[[Store], list[ReceivedLine]]:
    return lambda store: store.received_lines(unit, month, after, PAGE)


async def _papers(sources: Sources, unit: str, month: str) -> AsyncIterator[Row]:
    """A unit's own register shows of KSeF only what is the unit's."""
    after = FIRST_POSITION
    while page := await sources.spool.read(_papers_page(sources, unit, month, after)):
        for desk in page:
            yield paper_row(desk.paper, desk.standing, desk.invoice, sources.municipality, sources.classes)
        after = (page[-1].paper.received_on.isoformat(), page[-1].paper.id)


def _papers_page(sources: Sources, unit: str, month: str, after: Position) -> Callable[[Store], list[Desk]]:
    one, rules = None if unit == WHOLE else unit, Rules(sources.law, sources.municipality)
    units, now = (one,) if one else None, sources.clock()
    return lambda store: [look(store, p, units, rules, now) for p in store.paper_lines(one, month, after, PAGE)]


_KINDS = {"issued": _issued, "received": _received, "paper": _papers}


def _periods(store: Store) -> tuple[Announcement, ...]:
    return tuple(o.announcement for o in store.outages() if o.acts)


async def _books(sources: Sources, page: Sequence[_Line], hashes: list[str]) -> list[Book]:
    """The book of each line; those that nobody has read yet are read, and kept."""
    missing = list(dict.fromkeys(sha for line, sha in zip(page, hashes, strict=True) if line.book is None))
    found: dict[str, Book] = {}
    while missing:
        raws, missing = await _some(sources, missing)
        found |= await _read(sources.workers, raws)
    if found:
        await sources.spool.write(lambda store: store.keep_books(found))
    return [line.book or found.get(sha, UNREADABLE) for line, sha in zip(page, hashes, strict=True)]


async def _some(sources: Sources, missing: list[str]) -> tuple[dict[str, bytes], list[str]]:
    """The next bodies, at most so many bytes of them that they may be sent to a worker together, and what is left."""
    raws: dict[str, bytes] = {}
    size = 0
    for position, sha256 in enumerate(missing):
        if position == _TOGETHER or size >= _TOGETHER_BYTES:
            return raws, missing[position:]
        raw = await _body(sources, sha256)
        if raw is not None:
            raws[sha256] = raw
            size += len(raw)
    return raws, []


async def _body(sources: Sources, sha256: str) -> bytes | None:
    """The bytes, or None where they are damaged: `sluza check` tells of that, and the register goes on."""
    try:
        return await sources.spool.read(lambda store: store.body(sha256))
    except SluzaError as error:
        _log.error("register_body_damaged", sha256=sha256, cause=str(error))
        return None


async def _read(workers: Workers, raws: dict[str, bytes]) -> dict[str, Book]:
    """All of them in one piece of work; when that breaks, each by itself, so that one costs only itself."""
    try:
        return dict(zip(raws, await workers.run(read_books, list(raws.values())), strict=True))
    except Exception as error:  # time, memory or a bug, of a document of anybody
        if len(raws) > 1:
            found: dict[str, Book] = {}
            for sha256, raw in raws.items():
                found |= await _read(workers, {sha256: raw})
            return found
        _log.warning("register_unreadable", sha256=next(iter(raws), ""), error=type(error).__name__)
        return dict.fromkeys(raws, UNREADABLE)
