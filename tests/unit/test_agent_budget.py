"""The rate budget: three windows at once, bans, limits learnt; held against an independent count."""

import json

from hypothesis import given
from hypothesis import strategies as st

from agent.ksef.budget import DEFAULTS, Budget


def _send_all(budget: Budget, group: str, count: int, now: float = 1000.0) -> list[float]:
    """As fast as the budget allows."""
    times = []
    for _ in range(count):
        now += budget.wait(group, now)
        budget.spend(group, now)
        times.append(now)
    return times


def test_windows_of_invoice_send() -> None:
    """10 a second, 30 a minute, 180 an hour (protocol §16.1): never more in any window, and not much less."""
    times = _send_all(Budget(), "invoiceSend", 400)
    for window, limit in ((1.0, 10), (60.0, 30), (3600.0, 180)):
        assert max(sum(t - window < u <= t for u in times) for t in times) <= limit
    assert times[179] - times[0] < 330
    assert times[180] - times[0] >= 3600


@given(st.lists(st.floats(0, 50), max_size=120), st.sampled_from(sorted(DEFAULTS)))
def test_fault_K04_no_window_is_ever_exceeded(gaps: list[float], group: str) -> None:
    """However the calls come, those that the budget lets through stay within KSeF's limits."""
    budget, now, sent = Budget(), 5000.0, []
    for gap in gaps:
        now += gap
        if budget.wait(group, now) == 0:
            budget.spend(group, now)
            sent.append(now)
    for window, limit in zip((1.0, 60.0, 3600.0), DEFAULTS[group], strict=True):
        for t in sent:
            assert limit < 0 or sum(t - window < u <= t for u in sent) <= limit


def test_fault_K04_ban_stops_its_group_only() -> None:
    """Retry-After counts to the second; a shorter ban on top does not shorten the first."""
    budget = Budget()
    budget.ban("invoiceSend", 2500, 100.0)
    budget.ban("invoiceSend", 10, 200.0)
    assert budget.wait("invoiceSend", 200.0) == 2400
    assert budget.wait("invoiceSend", 2599.5) == 0.5
    assert budget.wait("invoiceSend", 2600.0) == 0
    assert budget.wait("invoiceStatus", 200.0) == 0


def test_fault_K04_learnt_limits_count() -> None:
    """What GET /rate-limits says replaces the published figures; -1 is unlimited, 0 is nothing."""
    budget = Budget()
    budget.learn({"invoiceSend": (-1, -1, -1), "invoiceExport": (1, 1, 1), "invoiceStatus": (0, -1, -1)})
    _send_all(budget, "invoiceSend", 1000)
    assert budget.wait("invoiceSend", 1000.0) == 0
    budget.spend("invoiceExport", 1000.0)
    assert budget.wait("invoiceExport", 1001.0) > 3500
    assert budget.wait("invoiceStatus", 1000.0) > 0


def test_unknown_group_counts_as_other() -> None:
    """A group nobody published is treated like the rest of KSeF's endpoints."""
    budget = Budget()
    _send_all(budget, "somethingNew", 30)
    assert budget.wait("somethingNew", 1004.0) > 50


def test_fault_F14_clock_set_back() -> None:
    """Yesterday's calls do not block today when the clock is set back; a ban is still served in full."""
    budget = Budget()
    for _ in range(30):
        budget.spend("invoiceSend", 10_000.0)
    budget.ban("invoiceExport", 60, 10_000.0)
    assert budget.wait("invoiceSend", 5_000.0) == 0
    assert budget.wait("invoiceExport", 5_000.0) == 60


def test_wait_for_several_is_when_the_last_may_go() -> None:
    """Asked about many calls, the budget says what sending them all would take, and spends nothing."""
    budget = Budget()
    assert budget.wait("invoiceSend", 1000.0, 10) == 0
    assert 60 < budget.wait("invoiceSend", 1000.0, 31) < 63
    assert 3600 < budget.wait("invoiceSend", 1000.0, 181) < 3700
    assert budget.wait("invoiceSend", 1000.0) == 0


def test_fault_K04_what_was_spent_and_forbidden_outlives_the_process() -> None:
    """A budget put away and recalled says the same as before: calls, bans, and the share left to us."""
    budget = Budget()
    _send_all(budget, "invoiceSend", 30)
    budget.ban("invoiceExport", 900, 1000.0)
    again = Budget()
    again.recall(json.loads(json.dumps(budget.as_dict())))
    for group in ("invoiceSend", "invoiceExport", "sessionList"):
        assert abs(again.wait(group, 1010.0) - budget.wait(group, 1010.0)) < 0.01
    assert again.last("invoiceSend") > 1000.0


def test_fault_K04_an_unpredicted_429_shrinks_our_share() -> None:
    """Where others spend from the same limits we take less, never nothing, and more again after an hour."""
    budget = Budget()
    budget.ban("invoiceSend", 1, 1000.0)
    assert _in_first_minute(budget, 1010.0) == 21
    for _ in range(20):
        budget.ban("invoiceSend", 1, 1100.0)
    assert _in_first_minute(budget, 5000.0) == 4
    assert _in_first_minute(budget, 50_000.0) > 4


def test_fault_K04_another_address_has_windows_of_its_own() -> None:
    """KSeF counts by the address it sees: under a new one nothing is spent yet, but logins count by address anyway."""
    budget = Budget()
    budget.seen_from("198.51.100.7")
    _send_all(budget, "invoiceSend", 30)
    budget.seen_from("198.51.100.7")
    assert budget.wait("invoiceSend", 1004.0) > 0
    budget.seen_from("198.51.100.8")
    assert budget.wait("invoiceSend", 1004.0) == 0


def _in_first_minute(budget: Budget, now: float) -> int:
    times = _send_all(budget, "invoiceSend", 40, now)
    return sum(t < times[0] + 60 for t in times)
