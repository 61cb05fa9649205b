"""A spool with a whole story in it, made by the product's own code, and tools to break a copy of it."""

import asyncio
from datetime import datetime
from pathlib import Path
from typing import Any

import pysqlite3

from gateway.alarms.settings import Alerts
from gateway.alarms.watch import Alarms
from spool import actions, law
from spool.domain.invariants import Finding
from spool.domain.ledger import ALIVE, Document
from spool.domain.states import State
from spool.inspection import Report, inspect
from spool.law import Law, Rules
from spool.looking import Looking
from spool.store import FIRST_HASH, Store
from spool.store.base import link
from tests.folders_bench import WELFARE, Bench, sale


def tell_nobody(_what: str, _done: int, _total: int) -> None:
    """No terminal."""


def report_of(path: Path, now: datetime) -> Report:
    """What `sluza check` finds in this spool."""
    looking = Looking(path)
    try:
        return looking.read_now(lambda store: inspect(store, now, tell_nobody))
    finally:
        looking.close()


class Story:
    """The finished spool in a file of its own, and its documents by what became of them."""

    def __init__(self, path: Path, now: datetime, documents: dict[str, Document]) -> None:
        self.path, self.now, self.documents = path, now, documents

    def copy(self, directory: Path) -> "Broken":
        """A copy to break."""
        path = directory / "spool.db"
        path.write_bytes(self.path.read_bytes())
        return Broken(path, self)


class Broken:
    """A copy of the story that a test breaks by raw SQL."""

    def __init__(self, path: Path, story: Story) -> None:
        self.path, self.story = path, story

    def run(self, *statements: str, **values: Any) -> "Broken":
        """Run statements without the triggers that forbid them; values are named, documents by their part."""
        connection = pysqlite3.connect(self.path)
        connection.execute("PRAGMA foreign_keys=OFF")
        for trigger in ("event_never_changes", "event_never_goes", "alarm_never_changes", "alarm_never_goes"):
            connection.execute(f"DROP TRIGGER IF EXISTS {trigger}")
        ids = {name: document.id for name, document in self.story.documents.items()}
        for statement in statements:
            connection.execute(statement, ids | values)
        connection.commit()
        connection.close()
        return self

    def value(self, query: str) -> Any:
        """One value of this spool."""
        connection = pysqlite3.connect(self.path)
        ids = {name: document.id for name, document in self.story.documents.items()}
        found = connection.execute(query, ids).fetchone()[0]
        connection.close()
        return found

    def without_constraints(self, table: str) -> "Broken":
        """The same table without its keys and unique columns."""
        return self.run(
            f"CREATE TABLE loose AS SELECT * FROM {table}",
            f"DROP TABLE {table}",
            f"ALTER TABLE loose RENAME TO {table}",
        )

    def with_a_whole_chain(self) -> "Broken":
        """Link the history anew: a forger who knows the rule."""
        connection = pysqlite3.connect(self.path)
        connection.row_factory = pysqlite3.Row
        previous = FIRST_HASH
        for row in connection.execute("SELECT * FROM event ORDER BY seq").fetchall():
            values = (previous, link({**dict(row), "previous": previous}), row["seq"])
            connection.execute("UPDATE event SET previous = ?, hash = ? WHERE seq = ?", values)
            previous = values[1]
        connection.commit()
        connection.close()
        return self

    def report(self) -> Report:
        """What `sluza check` says of it."""
        return report_of(self.path, self.story.now)

    def found(self) -> list[tuple[str, str]]:
        """Invariant and subject of each finding; a document is called by its part in the story."""
        parts = {document.id: name for name, document in self.story.documents.items()}
        return [(f.invariant, parts.get(f.subject, f.subject)) for f in self.findings()]

    def findings(self) -> list[Finding]:
        """The findings themselves."""
        return self.report().in_order()


async def write_story(directory: Path) -> Story:
    """Sent and delivered, numbered, refused, withdrawn, ceased, held, waiting since before its date, received."""
    bench = Bench(directory)
    try:
        return await _write(bench, directory)
    finally:
        bench.close()


async def _write(bench: Bench, directory: Path) -> Story:
    made = {}
    for number, part in enumerate(("delivered", "late", "withdrawn", "ceased", "held"), 1):
        made[part] = await bench.post(sale(f"FV/{number}/2026"), f"{part}.xml")
    made["refused"] = await bench.post(sale("FV/9/2026").replace(b"<P_1>2026-11-20", b"<P_1>2026-12-20"), "refused.xml")
    bench.number(made["delivered"])
    await bench.post(sale("FV/1/2026"), "again.xml")
    bench.receive(sale("Z/1"), "7770001111-20261119-AAAAAA-BBBBBB-7F", WELFARE)
    bench.spool.write_now(lambda store: _ends(store, bench, made))
    bench.later(days=4)
    made["numbered"] = await bench.post(sale("FV/7/2026"), "numbered.xml", WELFARE)
    bench.number(made["numbered"], upo=False)
    made["queued"] = await bench.post(sale("FV/8/2026"), "queued.xml", WELFARE)
    await _tell_the_deadlines(bench)
    bench.spool.write_now(lambda store: store.set_condition("", ALIVE, {}, bench.now))
    path = directory / "story.db"
    connection = pysqlite3.connect(bench.spool.path)
    connection.execute("VACUUM INTO ?", (str(path),))
    connection.close()
    return Story(path, bench.now, made)


def _ends(store: Store, bench: Bench, made: dict[str, Document]) -> None:
    now = bench.now
    store.move(made["delivered"].id, State.DELIVERED, now, "gateway", "Zapisano w folderze.")
    store.move(made["ceased"].id, State.CEASED, now, "spool", "Obowiązek wygasł.", reason="Obowiązek wygasł.")
    actions.withdraw(store, made["withdrawn"].id, now, "Anna Nowak", "")
    actions.hold(store, made["held"].id, now, "Anna Nowak", "Wyjaśniamy kwotę.")
    store.set_mark("gmina", "Subject2", now)


async def _tell_the_deadlines(bench: Bench) -> None:
    """As the programs do: the law is applied, then whatever has passed is told."""
    rules = Rules(Law(), bench.municipality)
    alarms = Alarms(bench.spool, rules, Alerts(), bench.clock)
    for _ in range(3):
        while bench.spool.read_now(lambda store: law.wanted(store, rules, bench.now)):
            bench.spool.write_now(lambda store: law.recompute(store, rules, bench.now))
        await alarms.look()
        bench.later(minutes=11)


def story_in(directory: Path) -> Story:
    """For a fixture without a loop."""
    return asyncio.run(write_story(directory))


def entry(subject: str, actor: str, move: str) -> str:
    """An INSERT of one history row; `subject` is an SQL expression."""
    return (
        "INSERT INTO event (at, subject, actor, move, note, data, previous, hash, fence) "
        f"SELECT max(at), {subject}, '{actor}', '{move}', 'x', '{{}}', '', '', 0 FROM event"
    )
