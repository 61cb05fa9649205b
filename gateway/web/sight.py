"""What one person sees of the spool. Every page reads through here, so the filter by unit stands in one place (I7).

Foreign and absent end in the same 404. What belongs to no unit, such as the central tray, only those see who see the
whole municipality.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from gateway.http.problems import HttpProblem
from gateway.web.parts import AdminParts, Viewer
from spool import papers, series
from spool.domain.accounts import Account, Right
from spool.domain.ledger import Document, Event, Received
from spool.domain.municipality import Unit
from spool.domain.states import State
from spool.domain.verification import Verdict
from spool.law import Rules
from spool.papers import Desk
from spool.store import Store
from spool.verification import Asked, verify

T = TypeVar("T")
_LONGEST_NUMBER = 18


@dataclass(frozen=True)
class Sight:
    """One person's view of one moment of the spool."""

    store: Store
    account: Account

    @property
    def _units(self) -> Sequence[str] | None:
        return None if self.account.whole_town else self.account.units

    def document(self, document_id: str) -> Document:
        """One document. Raises HttpProblem `not_found` for a foreign one as for an absent one."""
        try:
            found = self.store.document(document_id)
        except (KeyError, UnicodeEncodeError):
            raise HttpProblem("not_found") from None
        if not self.account.sees(found.unit):
            raise HttpProblem("not_found")
        return series.explained(self.store, found)

    def documents(self, *, text: str, states: Iterable[State], before: int, limit: int) -> list[Document]:
        """A page of documents, the newest first."""
        return self.store.find_documents(self._units, text=text, states=states, before=before, limit=limit)

    def due(self, limit: int) -> list[Document]:
        """What waits for its number, the nearest deadline first."""
        return [series.explained(self.store, d) for d in self.store.due_next(self._units, limit)]

    def received(self, ksef_number: str) -> Received:
        """One received invoice, as `document`."""
        try:
            found = self.store.received(ksef_number)
        except (KeyError, UnicodeEncodeError):
            raise HttpProblem("not_found") from None
        if not self.account.sees(found.unit):
            raise HttpProblem("not_found")
        return found

    def invoices(self, *, text: str, tray: bool, before: int, limit: int) -> list[Received]:
        """A page of received invoices, the newest first."""
        return self.store.find_received(self._units, text=text, tray=tray, before=before, limit=limit)

    def verify(self, asked: Asked, rules: Rules, now: datetime) -> tuple[Verdict, ...]:
        """What the codes on a paper lead to; another unit's invoice is as one that does not exist."""
        return verify(self.store, asked, self._units, rules, now)

    def papers(self, rules: Rules, now: datetime, *, before: int, limit: int) -> list[Desk]:
        """A page of purchases outside KSeF, the newest first, each with where it stands for this person."""
        found = self.store.papers(self._units, before=before, limit=limit)
        return [papers.look(self.store, paper, self._units, rules, now) for paper in found]

    def paper(self, paper_id: str, rules: Rules, now: datetime) -> tuple[Desk, list[Event]]:
        """One purchase outside KSeF with what happened to it; foreign and absent as with `document`."""
        try:
            found = self.store.paper(_number(paper_id), self._units)
        except KeyError:
            raise HttpProblem("not_found") from None
        desk = papers.look(self.store, found, self._units, rules, now)
        return desk, papers.history(self.store, desk)

    def history(self, document: Document | Received) -> list[Event]:
        """What happened to something that this person sees."""
        return self.store.history(document.id if isinstance(document, Document) else document.ksef_number)

    def memo(self, document: Document) -> str | None:
        """The draft of the memo about the order of numbers, if there is one."""
        return series.memo(self.store, document.id)

    def events(self, *, before: int, limit: int, subject: str) -> list[Event]:
        """The audit trail of the whole municipality."""
        if not self.account.may(Right.LOOK_AT_TOWN):
            raise HttpProblem("not_allowed")
        return self.store.events(before=before, limit=limit, subject=subject)

    def body(self, sha256: str) -> bytes:
        """The exact bytes of something that was looked up here."""
        return self.store.body(sha256)


def _number(text: str) -> int:
    """The number of an entry; 0, which no entry has, for what is none."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _LONGEST_NUMBER else 0


async def look(parts: AdminParts, viewer: Viewer, work: Callable[[Sight], T]) -> T:
    """Read on one snapshot what this person may see."""
    return await parts.spool.read(lambda store: work(Sight(store, viewer.account)))


def units_of(parts: AdminParts, viewer: Viewer) -> list[Unit]:
    """The configured units that this person sees."""
    return [unit for unit in parts.municipality.units.values() if viewer.account.sees(unit.id)]
