"""What the status page and `sluza status` say, from a real spool: who lingers where nobody should."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.web.health import findings
from gateway.web.snapshot import take
from spool import outages
from spool.access import FILE, Spool
from spool.domain.announcements import Category
from spool.domain.document import Facts, Mode
from spool.domain.ledger import ALIVE, Document, NewDocument
from spool.domain.states import State
from spool.store import Store
from tests.documents import due as deadline_of

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
DUE = NOW + timedelta(days=400)


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    found = Spool(tmp_path / FILE)
    yield found
    found.close()


def add(spool: Spool, number: str, due: datetime | None = DUE, unit: str = "sp1") -> Document:
    facts = Facts(seller_nip="5080014460", kind="VAT", number=number)
    raw = number.encode()

    def work(store: Store) -> Document:
        sha256 = store.put_body(raw)
        new = NewDocument(
            unit, "gmina", "http", f"{number}.xml", sha256, len(raw), facts, Mode.ONLINE, NOW, State.QUEUED,
            due=deadline_of(due, NOW) if due else None,
        )  # fmt: skip
        return store.add(new, raw, number, NOW)

    return spool.write_now(work)


def submit(spool: Spool, document: Document, at: datetime, state: State = State.SUBMITTED) -> None:
    def work(store: Store) -> None:
        store.begin_attempt(document, "S", at)
        store.move(document.id, state, at, "agent", "x")

    spool.write_now(work)


def number(spool: Spool, document: Document, at: datetime) -> None:
    submit(spool, document, at)
    spool.write_now(
        lambda s: s.move(document.id, State.ACCEPTED, at, "agent", "x", ksef_number=document.id, acquisition_date=at)
    )


def said(spool: Spool, at: datetime, alive: datetime | None = None) -> list[str]:
    """The sentences at that moment, with an agent that lives and a KSeF that answers."""

    def look(store: Store) -> list[str]:
        store.set_condition("", ALIVE, {"pid": 1}, alive or at)
        store.set_condition("gmina", "reachable", {"ok": True}, at)
        return [f.sentence for f in findings(take(store, ["gmina"], at, {"sp1"}))]

    return spool.write_now(look)


def test_numbered_without_upo_or_results_for_an_hour(spool: Spool) -> None:
    """First the receipt is missing, then the folder; before an hour is over nothing is said."""
    document = add(spool, "A1")
    number(spool, document, NOW)
    assert said(spool, NOW + timedelta(minutes=59)) == []
    (sentence,) = said(spool, NOW + timedelta(minutes=61))
    assert "UPO jeszcze nie pobrano" in sentence
    spool.write_now(lambda s: s.touch(document.id, NOW, upo_sha256=s.put_body(b"upo")))
    (sentence,) = said(spool, NOW + timedelta(minutes=61))
    assert "brak ich w folderze" in sentence


def test_every_document_without_an_answer_counts(spool: Spool) -> None:
    """One that goes on does not hide another one; the time runs from the last attempt."""
    first, second, third = (add(spool, name) for name in ("F1", "F2", "F3"))
    submit(spool, first, NOW)
    submit(spool, second, NOW + timedelta(minutes=20))
    submit(spool, third, NOW, State.UNKNOWN)
    spool.write_now(lambda s: s.touch(first.id, NOW + timedelta(minutes=29), invoice_ref="r"))
    texts = " ".join(said(spool, NOW + timedelta(minutes=31)))
    assert "1 faktura: KSeF przetwarza od ponad 30 minut" in texts
    assert "1 faktura: wynik wysyłki jest nieznany od ponad 30 minut" in texts
    assert "2 faktury: KSeF przetwarza" in " ".join(said(spool, NOW + timedelta(minutes=51)))


def test_a_live_document_without_a_deadline(spool: Spool) -> None:
    add(spool, "C1", due=None)
    assert "1 faktura bez terminu przesłania" in " ".join(said(spool, NOW))


def test_receiving_that_has_stopped(spool: Spool) -> None:
    """Two hours, or four times the interval that the agent wrote."""
    spool.write_now(lambda s: s.set_condition("gmina", "last_received", {"new": 0}, NOW))
    assert said(spool, NOW + timedelta(minutes=119)) == []
    (sentence,) = said(spool, NOW + timedelta(minutes=121))
    assert "nie odbierano od dziś 10:00" in sentence
    spool.write_now(lambda s: s.set_condition("gmina", "last_received", {"every_seconds": 3600}, NOW))
    assert said(spool, NOW + timedelta(hours=3, minutes=59)) == []
    assert said(spool, NOW + timedelta(hours=4, minutes=1)) != []


def test_a_sign_of_life_from_the_future_is_none(spool: Spool) -> None:
    """The clock was set back and the agent is dead: it must not count as alive until the old time comes again."""
    assert said(spool, NOW, alive=NOW + timedelta(seconds=60)) == []
    (sentence,) = said(spool, NOW, alive=NOW + timedelta(days=20))
    assert "Nie wiadomo, czy program wysyłający (agent) działa" in sentence


def test_documents_of_a_unit_that_is_gone(spool: Spool) -> None:
    add(spool, "G1", unit="zamknieta")
    assert "jednostki „zamknieta” nie ma już w konfiguracji" in " ".join(said(spool, NOW))


def test_the_questions_use_the_small_indexes(spool: Spool) -> None:
    """Asked every second by an open page: by state or by what is unshown, never through all documents."""
    asked: list[str] = []
    spool.write_now(lambda s: s._db.set_trace_callback(asked.append))
    said(spool, NOW)
    spool.write_now(lambda s: s.unshown(5, ["sp1"]))
    spool.write_now(lambda s: s._db.set_trace_callback(None))
    questions = [q for q in asked if " FROM document" in " ".join(q.split()) and "GROUP BY state" not in q]
    questions = [q for q in questions if " AS near\n" not in q]  # the queue itself, in order of its deadline
    assert len(questions) >= 4
    for question in questions:
        plan = spool.read_now(lambda s, q=question: [r["detail"] for r in s._db.execute(f"EXPLAIN QUERY PLAN {q}")])
        assert any(f"document_{n}" in plan[0] for n in ("work", "unshown", "due", "owed", "undated", "refused")), (
            question,
            plan,
        )


def test_a_duty_that_ceased_for_nothing_is_an_alarm(spool: Spool) -> None:
    """The total failure was cancelled: nobody sends these by themselves, so a person is told until none is left."""
    document = add(spool, "FV/1")

    def work(store: Store) -> None:
        outages.add(store, "prod", Category.TOTAL_FAILURE, NOW, NOW, name="Anna", link="x")
        outages.confirm(store, "reczny-1", NOW, name="Anna")
        store.touch(document.id, NOW, due_because="reczny-1 (wersja 2)")
        store.move(document.id, State.CEASED, NOW, "spool", "x")
        outages.cancel(store, "reczny-1", NOW, name="Anna", reason="")

    spool.write_now(work)
    told = [f.sentence for f in spool.read_now(lambda s: findings(take(s, ["gmina"], NOW, {"sp1"})))]
    assert any("1 faktura: obowiązek przesłania uznano za wygasły" in sentence for sentence in told)
