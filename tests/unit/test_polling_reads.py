"""What the loops of both programs ask the spool again and again is planned once, not at every question."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pysqlite3
import pytest

from spool.access import FILE, Spool
from spool.domain.states import State
from spool.opening import connect
from spool.store import Store

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
READS: dict[str, Callable[[Store, datetime], object]] = {
    "work": lambda store, now: store.work("gmina", {State.SUBMITTED}, now, 20, named=True),
    "waiting": lambda store, now: store.waiting("gmina", now, 100),
    "next_queued": lambda store, now: store.next_queued("gmina", now),
    "without_upo": lambda store, now: store.without_upo("gmina", now, 20),
    "packed": lambda store, now: store.packed(f"p-{now}", 100),
    "unshown": lambda store, _now: store.unshown(100, ["sp1", "urzad"]),
    "unmirrored": lambda store, _now: store.unmirrored(100, ["sp1", "urzad"]),
    "recalled": lambda store, _now: store.recalled(100),
}


@pytest.mark.parametrize("name", READS)
def test_a_question_asked_again_is_not_planned_again(name: str, tmp_path: Path) -> None:
    """SQLite plans a statement anew for each value bound to a bare `LIMIT ?`, ten times the price of the answer."""
    Spool(tmp_path / FILE).close()
    connection, planned = connect(tmp_path / FILE), []

    def asked(*what: object) -> int:
        planned.append(what)
        return int(pysqlite3.SQLITE_OK)

    connection.set_authorizer(asked)  # SQLite asks it while it plans
    store = Store(connection)
    READS[name](store, NOW)
    assert planned
    planned.clear()
    READS[name](store, NOW + timedelta(seconds=1))
    connection.close()
    assert planned == []
