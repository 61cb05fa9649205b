"""The second proof of absence as arithmetic: what one answer of the register may prove, and what it never may (K01)."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.absence import CLOCKS_APART, REACH, STORED_WITHIN, Look, attempt_over, provable, proves
from agent.ksef import query
from agent.ksef.api import Found, NoAnswer
from spool.access import FILE, Spool
from spool.domain.document import Facts, FormCode, ThirdParty
from spool.domain.ledger import Session
from spool.domain.municipality import Context, ContextType
from spool.store import Store
from tests.documents import document, new

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
URL = "https://ksef.test/v2"
SESSION = Session("20261125-SO-1", "gmina", FormCode.FA3, NOW - 48 * HOUR, NOW - 36 * HOUR, None, None, ksef=URL)
ENDED = NOW - 47 * HOUR
GOOD = Look(Found((), complete=True, hwm=NOW), NOW - REACH, NOW)


def _seen(**changes: Any) -> Look:
    return replace(GOOD, found=replace(GOOD.found, **changes))


def test_fault_K01_final_register_proves() -> None:
    """Whole, with a mark after the end of the attempt, searched from before it: proven."""
    assert proves(GOOD, SESSION, ENDED)


@pytest.mark.parametrize(
    "look",
    [
        _seen(hwm=None),
        _seen(complete=False),
        _seen(hwm=attempt_over(SESSION, ENDED)),
        _seen(hwm=NOW + 2 * CLOCKS_APART),
        replace(GOOD, ksef_now=None),
        replace(GOOD, since=SESSION.opened_at),
    ],
    ids=["no mark", "not whole", "mark not later", "mark from the future", "no time of KSeF", "searched too late"],
)
def test_fault_K01_anything_less_proves_nothing(look: Look) -> None:
    """Each condition by itself is needed."""
    assert not proves(look, SESSION, ENDED)


@given(st.integers(-100_000, 100_000), st.integers(-100_000, 100_000), st.integers(-1000, 1000))
def test_fault_K01_no_clock_of_ours_shortens_the_wait(ended: int, opened: int, mark: int) -> None:
    """Whatever our clock said at opening and end: proof only with a mark a day after KSeF's own end of the session."""
    session = replace(SESSION, opened_at=NOW + timedelta(minutes=opened))
    look = _seen(hwm=NOW + timedelta(minutes=mark))
    if proves(look, session, NOW + timedelta(minutes=ended)):
        assert look.found.hwm is not None
        assert look.found.hwm > session.valid_until + STORED_WITHIN


FACTS = Facts(seller_nip="5265877635", number="FV/1")
OWN = Context("gmina", ContextType.NIP, "5265877635", "test", URL, "", "")
SCHOOL = replace(OWN, value="1111111111")
UNIT = replace(OWN, type=ContextType.INTERNAL_ID, value="5265877635-12345")
NAMED = (ThirdParty("7", "1111111111", ""), ThirdParty("7", "", "5265877635-12345"))


@pytest.mark.parametrize(
    ("context", "facts", "session", "wanted"),
    [
        (OWN, {}, SESSION, True),
        (OWN, {"number": "FV  1"}, SESSION, False),
        (OWN, {"number": ""}, SESSION, False),
        (OWN, {}, replace(SESSION, ksef=""), False),
        (OWN, {}, replace(SESSION, ksef="https://other.test/v2"), False),
        (SCHOOL, {}, SESSION, False),
        (SCHOOL, {"third_parties": NAMED}, SESSION, True),
        (UNIT, {}, SESSION, False),
        (UNIT, {"third_parties": NAMED}, SESSION, True),
    ],
)
def test_fault_K01_only_where_we_would_see_it(
    context: Context, facts: dict[str, Any], session: Session, wanted: bool
) -> None:
    """Another KSeF, a number with odd spaces, a context that the invoice does not name: an empty list says nothing."""
    assert provable(context, document(replace(FACTS, **facts), NOW), session) is wanted


ROW = {"ksefNumber": "N", "invoiceHash": "A" * 43 + "=", "invoiceType": "Vat", "invoiceNumber": "FV/1"}
WHOLE = {"invoices": [ROW], "hasMore": False, "isTruncated": False, "permanentStorageHwmDate": "2026-11-26T12:00:00Z"}


def test_answer_of_the_register_is_read() -> None:
    """A whole answer carries its rows and its mark."""
    seen = query.found(WHOLE)
    assert (seen.complete, seen.hwm, [i.ksef_number for i in seen.invoices]) == (True, NOW, ["N"])


@pytest.mark.parametrize("body", [{}, WHOLE | {"invoices": None}, WHOLE | {"invoices": ["x"]}])
def test_fault_K01_answer_without_a_list_is_no_empty_list(body: dict[str, Any]) -> None:
    """What the SDK's model would read as "nothing found" is a garbled answer."""
    with pytest.raises(NoAnswer):
        query.found(body)


@pytest.mark.parametrize(
    "change",
    [{"hasMore": True}, {"isTruncated": True}, {"hasMore": None}, {"isTruncated": "no"},
     {"invoices": [ROW | {"invoiceHash": None}]}, {"invoices": [ROW | {"ksefNumber": None}]}],
)  # fmt: skip
def test_fault_K01_answer_with_gaps_is_not_whole(change: dict[str, Any]) -> None:
    """More pages, a truncation, or a row that cannot be compared: nothing is proven absent by it."""
    assert not query.found(WHOLE | change).complete


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    """An empty spool."""
    opened = Spool(tmp_path / FILE)
    yield opened
    opened.close()


@pytest.mark.parametrize(
    ("reference", "outcome", "wanted"),
    [(None, "unknown", False), ("EE-1", "unknown", True), ("EE-1", "submitted", True), (None, "accepted", True),
     ("EE-1", "later", False), (None, "absent", False)],
)  # fmt: skip
async def test_fault_K01_what_ksef_took_in(spool: Spool, reference: str | None, outcome: str, wanted: bool) -> None:
    """A reference without a verdict, or a number: KSeF has these bytes. A retryable verdict: it handed them back."""

    def job(store: Store) -> bool:
        document = store.add(new(b"<a/>", NOW), b"<a/>", "a", NOW)
        document = store.begin_attempt(document, "20261120-SO-1", NOW)
        store.end_attempt(document.id, outcome, NOW, reference)
        return store.taken_in(document)

    assert await spool.write(job) is wanted


async def test_inv_I6_same_bytes_elsewhere_are_in_doubt(spool: Spool) -> None:
    """Another unit's attempt with these bytes has no known end: their absence is not proven for this one alone."""

    def job(store: Store) -> bool:
        first, second = (
            store.add(new(b"<a/>", NOW, number=unit, unit=unit), b"<a/>", "a", NOW) for unit in ("sp1", "sp2")
        )
        store.begin_attempt(first, "20261120-SO-1", NOW)
        store.begin_attempt(second, "20261120-SO-1", NOW)
        store.end_attempt(second.id, "unknown", NOW)
        return store.taken_in(second)

    assert await spool.write(job)
