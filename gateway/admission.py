"""What only the spool can tell about a judged document: the same again, a number taken, an original not yet numbered.

Runs inside the one transaction that also stores the row. Here the document gets its legal mode, its deadline and, in
an offline mode, KOD II: this is the moment of issue (deadlines §0).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from gateway import originals
from gateway.names import LONGEST, distinct, safe_stem
from gateway.seals import Seal
from gateway.settings import Policies
from spool import law
from spool.domain.catalogue import problem
from spool.domain.document import Mode
from spool.domain.environments import TRAINING
from spool.domain.errors import PUT_AWAY, MoveRefused, Problem
from spool.domain.ledger import Document, Kod2, NewDocument
from spool.domain.modes import Issue
from spool.domain.policies import OFFLINE24
from spool.domain.series import place
from spool.domain.states import HOLDS_NUMBER, State
from spool.law import Rules
from spool.store import Store

_TWIN = {True: "known_in_earnest", False: "known_from_training"}
"""The problem of bytes that this spool has from another world: by them alone nobody could tell the two apart."""
_ONLY_A_PERSON = frozenset({State.QUARANTINED, State.CEASED})


@dataclass(frozen=True)
class Verdict:
    """What became of one document.

    `new`: durable and accepted. `same`: these bytes were here before, nothing is sent. `refused`: `problems` say why;
    `document` is its row, None only for what is not kept (too big, a reused key, a broken archive); a row that a
    person put away stays as it is. `incomplete`: looks half-written; nothing was stored.
    """

    kind: Literal["new", "same", "refused", "incomplete"]
    name: str
    document: Document | None = None
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True)
class Judged:
    """One document after judgement of its bytes, before the commit."""

    raw: bytes
    name: str
    new: NewDocument


@dataclass(frozen=True)
class Admission:
    """The rest of the judgement, with the spool at hand."""

    policies: Policies
    rules: Rules
    seal: Seal

    def take(self, store: Store, judged: Judged, now: datetime) -> Verdict:
        """DESIGN 4.4, "The same again", then what the spool knows of it, then the row."""
        new = self._placed(judged.new)
        twins = store.twins(new.sha256)
        if any(twin.facts.training != new.facts.training for twin in twins):
            return Verdict("refused", judged.name, problems=(problem(_TWIN[bool(new.facts.training)]),))
        known = next((twin for twin in twins if twin.unit == new.unit), None)
        if known and known.state in HOLDS_NUMBER:
            store.log(known.id, "duplicate", now, new.actor, _again(judged.name))
            return Verdict("same", judged.name, known)
        if known and known.state in _ONLY_A_PERSON:
            store.log(known.id, "duplicate", now, new.actor, _again(judged.name))
            return Verdict("refused", judged.name, known, (problem(PUT_AWAY),))
        if new.corrects:
            _need_correctable(store, new)
        elif known and store.rejected_offline(known):
            new = _as_issued_before(new, known)
        steps: tuple[Callable[[NewDocument], NewDocument], ...] = (
            lambda n: _check_unique(store, n, twins),
            lambda n: originals.check(store, n, self.rules.municipality),
            lambda n: self._issue(store, n, now),
        )
        for step in steps:
            if new.state is not State.REFUSED:
                new = step(new)
        stem = _file_stem(store, new)
        document = store.take_again(known, new, stem, now) if known else store.add(new, judged.raw, stem, now)
        if new.state is State.REFUSED:
            return Verdict("refused", judged.name, document, new.problems)
        if law.cease(store, document, now):
            document = store.document(document.id)
        return Verdict("new", judged.name, document)

    def _placed(self, new: NewDocument) -> NewDocument:
        """With its place in a numbering series of its unit."""
        unit = self.rules.municipality.units.get(new.unit)
        found = place(unit, new.facts.number_key) if unit else new.place
        return new if found == new.place else replace(new, place=found)

    def _offline24(self, unit_id: str) -> str:
        """What the order says of offline24 on wish: the unit's own, else the municipality's (S11)."""
        unit = self.rules.municipality.units.get(unit_id)
        own = unit.policies.get(OFFLINE24.name) if unit else None
        return (own or self.policies.offline24).value

    def _issue(self, store: Store, new: NewDocument, now: datetime) -> NewDocument:
        """Legal mode, deadline, first state and KOD II; refused where the mayor's order does not allow offline24.

        The deadline is that of the commit: midnight, or an announcement, may have come since the document was judged,
        and long since a technical correction's original was issued.
        """
        assert new.facts.issue_date is not None, "the schema demands P_1"
        issue = Issue(new.facts.issue_date, new.asked_at, new.wish)
        due = self.rules.deadline(
            issue, self.rules.announcements(store, new.context, issue.date), max(now, new.asked_at)
        )
        # What was issued already, and its technical correction, stay so, whatever order and certificate say by now.
        issued = bool(new.corrects) or new.kod2 is not None
        wished = due.mode is Mode.OFFLINE24 and new.wish is Mode.OFFLINE24 and not issued
        if wished and self._offline24(new.unit) != "allowed":
            return new.refused([problem("offline24_not_allowed")])
        kod2 = (new.kod2 or self.seal(new.context, new.facts.seller_nip, new.sha256)) if due.mode.offline else None
        if wished and kod2 is None:
            return new.refused([problem("offline24_no_certificate")])
        return replace(new, due=law.without_term(due) if new.facts.training else due, kod2=kod2)


def _need_correctable(store: Store, new: NewDocument) -> None:
    """Only what KSeF itself rejected after it was sent offline, and only once (protocol §11). Raises MoveRefused."""
    original = store.of_bytes(new.unit, new.corrects)
    if original is None or new.sha256 == new.corrects or not store.correctable(original):
        found = problem("correction_of_nothing")
        raise MoveRefused(found.message, found.hint)


def _as_issued_before(new: NewDocument, known: Document) -> NewDocument:
    """These bytes were issued in an offline mode, and a buyer may hold their codes: the same issue, the same term."""
    kod2 = Kod2(known.kod2_url, known.cert_serial) if known.kod2_url else None
    return replace(new, wish=known.wish, asked_at=known.asked_at, corrects=known.corrects, kod2=kod2)


def _again(name: str) -> str:
    return f"Ten sam plik przyszedł ponownie ({name})." if name else "Ten sam plik przyszedł ponownie."


def _check_unique(store: Store, new: NewDocument, twins: list[Document]) -> NewDocument:
    """Refuse bytes or a business number that a live or numbered document holds; another unit's stays unnamed (I7)."""
    if any(twin.unit != new.unit and twin.state in HOLDS_NUMBER for twin in twins):
        return new.refused([problem("duplicate_in_municipality", field="Fa/P_2")])
    holder = store.holder(new.facts.seller_nip, new.facts.kind, new.facts.number_key)
    if holder is None:
        return new
    if holder.unit != new.unit:
        return new.refused([problem("duplicate_in_municipality", field="Fa/P_2")])
    taken = problem(
        "number_taken",
        field="Fa/P_2",
        number=new.facts.number,
        first_name=holder.source_name or holder.name,
        first_date=f"{holder.created_at:%d.%m.%Y}",
    )
    return new.refused([taken])


def _file_stem(store: Store, new: NewDocument) -> str:
    """The name of our files about it, empty for its id; another live document of the unit may have it already."""
    stem = safe_stem(new.source_name, "")
    if new.facts.training:
        stem = f"{TRAINING}-{stem or new.sha256[:16]}"[:LONGEST].rstrip(" .")
    return distinct(stem, new.sha256) if stem and store.name_taken(new.unit, stem) else stem
