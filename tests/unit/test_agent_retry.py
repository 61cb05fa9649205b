"""When to try again, as a table."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import retry
from spool.domain.outcomes import Accepted, Later, Unknown

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("attempts", "random", "seconds"),
    [(1, 1.0, 1), (2, 1.0, 2), (3, 1.0, 4), (9, 1.0, 256), (10, 1.0, 300), (500, 1.0, 300), (3, 0.0, 2), (0, 1.0, 1)],
)
def test_fault_K03_pauses_double_up_to_the_longest(attempts: int, random: float, seconds: float) -> None:
    """1, 2, 4 … 300 seconds, jittered down by at most half."""
    at = retry.next_attempt(Later("x"), attempts, None, NOW, random)
    assert at == NOW + timedelta(seconds=seconds)


def test_due_date_outranks_the_back_off() -> None:
    """Ten minutes before the deadline nobody waits five."""
    at = retry.next_attempt(Later("x"), 12, NOW + timedelta(minutes=10), NOW, 1.0)
    assert at == NOW + timedelta(seconds=60)
    assert retry.next_attempt(Later("x"), 12, NOW + timedelta(seconds=5), NOW, 1.0) == NOW + timedelta(seconds=1)
    assert retry.next_attempt(Later("x"), 12, NOW - timedelta(days=1), NOW, 1.0) == NOW + timedelta(seconds=60)


def test_fault_K04_what_ksef_asked_for_is_never_undercut() -> None:
    """Retry-After counts even when the deadline is near."""
    due = NOW + timedelta(seconds=20)
    assert retry.next_attempt(Later("x", after_s=2500), 1, due, NOW, 0.0) == NOW + timedelta(seconds=2500)
    assert retry.next_attempt(Unknown("x", after_s=30), 1, None, NOW, 0.0) == NOW + timedelta(seconds=30)


def test_a_verdict_needs_no_pause() -> None:
    """What is settled goes on at once."""
    assert retry.next_attempt(Accepted("N", NOW), 3, None, NOW, 0.5) == NOW


@given(st.integers(0, 10**6), st.floats(0, 1, exclude_max=True), st.integers(-(10**6), 10**6))
def test_fault_K03_next_attempt_is_bounded(attempts: int, random: float, due_in: int) -> None:
    """Never in the past, never later than the longest pause: nothing sleeps forever (I11)."""
    at = retry.next_attempt(Later("x"), attempts, NOW + timedelta(seconds=due_in), NOW, random)
    assert NOW < at <= NOW + timedelta(seconds=retry.LONGEST_S)


def test_fault_K07_looks_thin_out() -> None:
    """A young document is looked at soon, an old one every five minutes, an hour costs few questions."""
    assert retry.next_look(0) <= 0.5
    assert retry.next_look(10**6) == 300
    age, looks = 0.0, 0
    while age < 3600:
        age += retry.next_look(age)
        looks += 1
    assert looks < 40
