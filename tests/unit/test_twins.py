"""Which verdict counts when one session has the same bytes twice: every order of every pair, as a table (K08, I2)."""

from datetime import UTC, datetime
from itertools import pairwise, permutations

import pytest

from agent.ksef.api import InvoiceStatus, Reading
from agent.ksef.errors import Kind, read_status
from agent.twins import List, by_bytes, counts
from spool.domain.outcomes import Accepted

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
MINE, OTHER = "a" * 64, "b" * 64
LETS_GO = (405, 410, 415, 435, 500, 550)


def _entry(code: int, reference: str = "", sha256: str = MINE) -> InvoiceStatus:
    reading = read_status(Kind.INVOICE, {"code": code})
    if code == 200:  # with a number it is more than pending
        reading = Reading(Accepted("5080014460-20261126-000000000001-00", NOW), "invoice:200")
    return InvoiceStatus(reference or f"ref-{code}", sha256, reading)


@pytest.mark.parametrize("no", [*LETS_GO, 430, 450])
@pytest.mark.parametrize("twin", [200, 100, 150, 440, 499])
def test_inv_I2_no_verdict_that_gives_the_bytes_back_outranks_its_twin(no: int, twin: int) -> None:
    """Accepted, undecided, duplicate or not understood: whatever the order of the list, the other entry speaks."""
    for order in permutations((_entry(no), _entry(twin))):
        said = by_bytes(order)[MINE]
        assert said.reference == f"ref-{twin}"
        assert counts(said, List.READ)


def test_fault_K08_accepted_is_accepted() -> None:
    """Of accepted, duplicate, undecided and refused the number is taken; of the rest, the one that says most."""
    ranked = (200, 440, 150, 499, 450, 550)
    for first, second in pairwise(ranked):
        assert by_bytes([_entry(second), _entry(first)])[MINE].reference == f"ref-{first}"


@pytest.mark.parametrize("code", LETS_GO)
def test_fault_K08_a_verdict_that_lets_the_bytes_go_again_needs_the_final_list(code: int) -> None:
    """A list that may still grow may still show another entry; a session that is over shows all it has."""
    assert [counts(_entry(code), known) for known in List] == [False, False, True]


@pytest.mark.parametrize("code", [430, 450])
def test_fault_K08_refused_content_needs_one_look_at_the_list(code: int) -> None:
    """Content is wrong in every copy of it; only an accepted or undecided one beside it is looked for."""
    assert [counts(_entry(code), known) for known in List] == [False, True, True]


def test_fault_K02_entries_of_settled_attempts_and_of_other_bytes_say_nothing() -> None:
    """An earlier attempt in the same session has its verdict already; another document's is not ours."""
    entries = [_entry(550, "old"), _entry(200, "other", OTHER), _entry(150, "new")]
    assert by_bytes(entries, {"old"})[MINE].reference == "new"
    assert by_bytes(entries)[OTHER].reference == "other"
    assert MINE not in by_bytes([_entry(550, "old")], {"old"})
