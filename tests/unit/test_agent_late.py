"""Answers that come twice, late or in another order: by their attempt they count, or they move nothing (faults K02)."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest

from agent import verdict
from agent.ksef.api import NoAnswer, Pending, Reading
from spool.access import FILE, Spool
from spool.domain.catalogue import problem
from spool.domain.ledger import Document
from spool.domain.municipality import Municipality
from spool.domain.outcomes import Accepted, Later, Outcome, Refused, Unknown
from spool.domain.states import State
from spool.law import Law, Rules
from spool.store import Store
from tests.documents import new

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
AFTER = NOW + timedelta(minutes=5)
RULES = Rules(Law(), Municipality("Gmina", "5080014460", {}, {}))
WRONG = Refused((problem("ksef_refused", description="Błąd", status=450, details=""),))
Answer = Callable[[Store, Document], None]
_FRESH = count()


@pytest.fixture(scope="module")
def spool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Spool]:
    """One spool for all cases, each with a document of its own."""
    opened = Spool(tmp_path_factory.mktemp("late") / FILE)
    yield opened
    opened.close()


def _number(document: Document) -> str:
    """The KSeF number of this document."""
    return f"5080014460-20261120-{document.seq:012X}-7F"


def _accept(store: Store, asked: Document) -> None:
    """KSeF's status of a registered document, read by us."""
    _read(Accepted(_number(asked), NOW))(store, asked)


def _read(outcome: Outcome | Pending) -> Answer:
    """KSeF's status of the document, read by us."""
    return lambda store, asked: verdict.settle(store, RULES, asked, Reading(outcome, "invoice:200"), AFTER, 0.5)


ANSWERS: dict[str, Answer] = {
    "a reference": lambda store, asked: verdict.submitted(store, asked, "EE-1", AFTER),
    "not heard": lambda store, asked: verdict.not_sent(store, asked, _no(Later("Nic się nie stało.")), AFTER, 0.5),
    "no answer": lambda store, asked: verdict.not_sent(store, asked, _no(Unknown("?")), AFTER, 0.5),
    "pending": _read(Pending()),
    "accepted": _accept,
    "refused": _read(WRONG),
    "again": _read(Later("Jeszcze raz.")),
    "held": _read(Later("Człowiek.", person=True)),
    "not understood": _read(Unknown("?")),
    "absent": lambda store, asked: verdict.absent(store, asked, AFTER, 0.5, verdict.NOT_IN_SESSION),
    "adopted": lambda store, asked: verdict.accepted(store, RULES, asked, _number(asked), NOW, AFTER),
    "conflict": lambda store, asked: verdict.conflict(store, asked, "Inny dokument.", AFTER, _number(asked)),
}
"""Everything that KSeF can say about an attempt, as it is written down."""


def _no(outcome: Outcome) -> NoAnswer:
    return NoAnswer(Reading(outcome, "http:500"))


def _sent(store: Store, session: str = "20261120-SO-1") -> Document:
    """A document whose first attempt is under way; what is returned is what its lane knows of it."""
    name = f"late-{next(_FRESH)}"
    raw = f"<a>{name}</a>".encode()
    return store.begin_attempt(store.add(new(raw, NOW, number=name), raw, name, NOW), session, NOW)


def _taken(store: Store) -> Document:
    """Submitted in its first attempt; what is returned is what a reader of its status knows of it."""
    document = _sent(store)
    verdict.submitted(store, document, "EE-1", NOW)
    return store.document(document.id)


def _rows(store: Store, document: Document) -> tuple[Any, ...]:
    """What a late answer must leave as it is: state, number, columns, attempts, and the moves of the history."""
    attempts = store._db.execute("SELECT * FROM attempt WHERE document = ? ORDER BY id", (document.id,))
    history = [e for e in store.history(document.id) if e.move != "late_answer"]
    return store.document(document.id), [tuple(row) for row in attempts], history, store.conditions()


ENDS: dict[str, Callable[[Store, Document], Any]] = {
    "delivered": lambda store, d: (
        ANSWERS["accepted"](store, d),
        store.move(d.id, State.DELIVERED, AFTER, "gateway", "Oddano."),
    ),
    "refused": lambda store, d: ANSWERS["refused"](store, d),
    "withdrawn": lambda store, d: (
        ANSWERS["held"](store, d),
        store.move(d.id, State.WITHDRAWN, AFTER, "jan", "Wycofano."),
    ),
    "ceased": lambda store, d: (
        ANSWERS["again"](store, d),
        store.move(d.id, State.CEASED, AFTER, "spool", "Obowiązek wygasł."),
    ),
    "accepted": lambda store, d: ANSWERS["accepted"](store, d),
    "in conflict": lambda store, d: (
        ANSWERS["not understood"](store, d),
        ANSWERS["conflict"](store, store.document(d.id)),
    ),
}
"""Ways in which a document has left the attempt behind."""


@pytest.mark.parametrize("end", ENDS)
async def test_fault_K02_a_late_answer_moves_no_ended_document(spool: Spool, end: str) -> None:
    """Whatever the answer says: not back into the queue, not to another number, not a second event of one kind."""

    def job(store: Store) -> None:
        for name, answer in ANSWERS.items():
            asked = _taken(store)
            ENDS[end](store, asked)
            before = _rows(store, asked)
            for _ in range(2):
                answer(store, asked)
            assert _rows(store, asked) == before, name
            assert [e.move for e in store.history(asked.id)].count("late_answer") == 1, name

    await spool.write(job)


@pytest.mark.parametrize("newer", ["under way", "in doubt", "submitted"])
async def test_fault_K02_an_answer_settles_no_other_attempt(spool: Spool, newer: str) -> None:
    """The first attempt was proven absent and the same bytes went again: its late answer is not the second's."""

    def case(store: Store, name: str, answer: Answer) -> None:
        first = _sent(store)
        ANSWERS["no answer"](store, first)
        doubted = store.document(first.id)
        ANSWERS["absent"](store, doubted)
        second = store.begin_attempt(store.document(first.id), "20261120-SO-2", AFTER)
        if newer == "in doubt":
            ANSWERS["no answer"](store, second)
        elif newer == "submitted":
            verdict.submitted(store, second, "EE-2", AFTER)
        before = _rows(store, first)
        for asked in (first, doubted):
            answer(store, asked)
        assert _rows(store, first) == before, name

    await spool.write(lambda store: [case(store, name, answer) for name, answer in ANSWERS.items()])


async def test_fault_K02_the_same_answer_twice_is_one(spool: Spool) -> None:
    """Duplicated on the way: the second copy changes nothing and breaks nothing."""

    def job(store: Store) -> None:
        for name in ("a reference", "accepted", "adopted", "refused", "again"):
            asked = _sent(store) if name == "a reference" else _taken(store)
            ANSWERS[name](store, asked)
            before = _rows(store, asked)
            ANSWERS[name](store, asked)
            assert _rows(store, asked) == before, name

    await spool.write(job)


async def test_fault_K02_a_status_that_overtakes_the_next_one_changes_nothing(spool: Spool) -> None:
    """Read as "in progress", then as accepted, and the first answer arrives last: the number stays."""

    def job(store: Store) -> Document:
        asked = _taken(store)
        ANSWERS["accepted"](store, asked)
        ANSWERS["pending"](store, asked)
        return store.document(asked.id)

    done = await spool.write(job)
    assert (done.state, done.ksef_number) == (State.ACCEPTED, _number(done))
    assert done.next_action_at == AFTER


async def test_fault_K02_a_late_number_is_told_to_people(spool: Spool) -> None:
    """KSeF's late "accepted" for a document that was withdrawn: nothing moves, its number is in the history."""

    def job(store: Store) -> None:
        asked = _taken(store)
        ENDS["withdrawn"](store, asked)
        ANSWERS["accepted"](store, asked)
        (told,) = [e for e in store.history(asked.id) if e.move == "late_answer"]
        assert dict(told.data) == {"session": "20261120-SO-1", "ksef_number": _number(asked)}

    await spool.write(job)


async def test_fault_K02_an_open_attempt_takes_its_answer(spool: Spool) -> None:
    """The other side: an answer that is slow but is this attempt's own is believed, also after a doubt."""

    def job(store: Store) -> Document:
        sent = _sent(store)
        ANSWERS["no answer"](store, sent)
        verdict.submitted(store, store.document(sent.id), "EE-1", AFTER)
        ANSWERS["accepted"](store, store.document(sent.id))
        return store.document(sent.id)

    done = await spool.write(job)
    assert (done.state, done.ksef_number, done.invoice_ref) == (State.ACCEPTED, _number(done), "EE-1")
