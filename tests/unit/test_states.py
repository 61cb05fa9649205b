"""The one table of moves (DESIGN 4.6)."""

import pytest

from spool.domain.states import FIRST, HOLDS_NUMBER, LABELS, LIVE, MOVES, TERMINAL, State, is_path, sources


def test_every_state_is_live_or_terminal() -> None:
    """Live and terminal states split the whole set."""
    assert set(State) == LIVE | TERMINAL
    assert not LIVE & TERMINAL


def test_every_state_has_moves_and_a_polish_label() -> None:
    """The table and the labels cover every state."""
    assert set(MOVES) == set(LABELS) == set(State)


@pytest.mark.parametrize("target", [State.WITHDRAWN, State.CEASED, State.QUARANTINED])
def test_an_attempt_without_verdict_never_ends_early(target: State) -> None:
    """WITHDRAWN, CEASED and QUARANTINED are reached only from QUEUED, WAITING or HELD."""
    assert sources(target) == {State.QUEUED, State.WAITING, State.HELD}


def test_terminal_states_lead_back_only_to_the_queue() -> None:
    """The recorded ways back lead to QUEUED; DELIVERED has none (invariant I9)."""
    for state in TERMINAL - {State.DELIVERED}:
        assert MOVES[state] == {State.QUEUED}
    assert not MOVES[State.DELIVERED]


def test_refused_documents_release_their_number() -> None:
    """A refused, withdrawn, ceased or quarantined document does not hold its business number."""
    assert not HOLDS_NUMBER & {State.REFUSED, State.WITHDRAWN, State.CEASED, State.QUARANTINED}
    assert State.DELIVERED in HOLDS_NUMBER


def test_every_state_can_be_reached() -> None:
    """No state is an island."""
    reached, edge = set(FIRST), set(FIRST)
    while edge:
        edge = {t for s in edge for t in MOVES[s]} - reached
        reached |= edge
    assert reached == set(State)


def test_a_history_is_a_path() -> None:
    """`is_path` accepts the ordinary life and rejects a jump."""
    life = [State.QUEUED, State.SENDING, State.SUBMITTED, State.ACCEPTED, State.DELIVERED]
    assert is_path(life)
    assert not is_path([State.QUEUED, State.DELIVERED])
    assert not is_path([State.SENDING])
    assert not is_path([])
