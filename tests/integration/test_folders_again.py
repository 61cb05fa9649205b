"""The same bytes again, foreign files with names like ours, bytes that end their worker: nothing is lost."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.folders import dropbox
from gateway.folders.notes import _HEADINGS
from gateway.intake import FrontDoor, Origin
from gateway.settings import Policies
from gateway.sizes import MAX_XML
from spool import actions
from spool.domain.municipality import Policy
from spool.domain.states import State
from spool.law import Law
from spool.workers import WorkerCrashed
from tests.folders_bench import SCHOOL, Bench, CountingDoor, bench_at, sale, until


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with bench_at(tmp_path) as found:
        yield found


@pytest.mark.parametrize(
    "name", ["faktura.json", "FAKTURA.JSON", "a.blad.txt", "a.upo.xml", "a.pdf", "a.txt", "a.zip", "a.json.oryginal"]
)
async def test_a_foreign_file_named_like_ours_survives_being_put_aside(bench: Bench, name: str) -> None:
    """The result JSON and the note go beside the original, whatever its ending; twice the same file is one group."""
    original = b'{"bardzo": "wazne"}' if not name.endswith(".xml") else b"<inne/>"
    async with bench.running():
        for _ in range(2):
            path = bench.drop(name, original)
            await until(lambda path=path: not path.exists())
            await until(lambda: len(bench.lying("odrzucone")) == 3)
    kept = [p.read_bytes() for p in (bench.root / SCHOOL / "odrzucone").rglob("*") if p.is_file()]
    assert kept.count(original) == 1


async def test_other_bytes_in_the_place_of_the_original_are_not_taken_for_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Should a place ever be wrongly taken for the file's own, the dropped file stays where it is."""
    monkeypatch.setattr("gateway.folders.placing.owned", lambda *_: True)
    async with bench.running():
        first = bench.drop("a.txt", b"pierwszy")
        await until(lambda: not first.exists())
        second = bench.drop("a.txt", b"drugi")
        await until(lambda: bench.lying("odrzucone"))
        await asyncio.sleep(1.5)
        assert second.exists()
    assert bench.found("odrzucone/*/a.txt").read_bytes() == b"pierwszy"


async def test_refused_bytes_take_the_new_name_when_they_are_in_order(bench: Bench) -> None:
    """Refused as `drugi.xml`, dropped again as `poprawiona.xml`: the results have the name the unit looks for."""
    async with bench.running():
        first = await bench.post(sale("A/1"), "pierwszy.xml")
        await bench.post(sale("A/1", footer="inna"), "drugi.xml")
        bench.spool.write_now(lambda s: actions.withdraw(s, first.id, bench.now, "jan", ""))
        bench.drop("poprawiona.xml", sale("A/1", footer="inna"))
        again = await until(lambda: next((d for d in bench.documents() if d.state is State.QUEUED), None))
        bench.number(again)
        await until(lambda: len(bench.lying("wyslane")) == 4)
    assert bench.found("wyslane/*/poprawiona.xml").read_bytes() == sale("A/1", footer="inna")
    assert (again.source_name, again.name, again.source) == ("poprawiona.xml", "poprawiona", "folder")


async def test_the_same_bytes_again_are_sent_in_the_context_of_today(bench: Bench) -> None:
    """The unit moved to another context after the refusal: KSeF is asked there, not where nobody works any more."""
    await bench.set_up()
    first = await bench.post(sale("K/1"), "k1.xml")
    await bench.post(sale("K/1", footer="2"), "k2.xml")
    bench.spool.write_now(lambda s: actions.withdraw(s, first.id, bench.now, "jan", ""))
    old = bench.municipality
    units = {unit.id: replace(unit, context="nowy") for unit in old.units.values()}
    town = replace(old, contexts={"nowy": replace(old.contexts["gmina"], id="nowy")}, units=units)
    door = FrontDoor(bench.spool, bench.workers, town, Policies(Policy("allowed", "1/2026")), bench.clock)
    (verdict,) = await door.accept(sale("K/1", footer="2"), Origin(units[SCHOOL], "folder", "k2.xml"))
    assert verdict.document is not None
    assert (verdict.kind, verdict.document.context, verdict.document.source) == ("new", "nowy", "folder")


async def test_jst_S3_a_number_that_comes_again_has_its_place(bench: Bench) -> None:
    """The front door gives each number its place; `w-toku/` says what it waits for, also after it was withdrawn."""
    strict = replace(bench.municipality.units[SCHOOL], series=r"S/(?P<n>\d+)", series_order="strict")
    town = bench.municipality = replace(bench.municipality, units=bench.municipality.units | {SCHOOL: strict})
    bench.door = CountingDoor(
        bench.spool, bench.workers, town, Policies(Policy("allowed", "1/2026")), bench.clock, Law(), bench.seals
    )
    async with bench.running():
        first, second = await bench.post(sale("S/1"), "s1.xml"), await bench.post(sale("S/2"), "s2.xml")
        await until(lambda: "faktury nr S/1" in bench.json("w-toku/s2.json")["reason"])
        bench.spool.write_now(lambda s: actions.withdraw(s, first.id, bench.now, "jan", ""))
        assert not bench.spool.read_now(lambda s: s.document(second.id)).held_back
        bench.drop("s1.xml", sale("S/1"))
        await until(lambda: bench.spool.read_now(lambda s: s.document(second.id)).held_back)


@pytest.mark.parametrize("state", [State.QUARANTINED, State.CEASED])
async def test_what_a_person_put_away_does_not_come_back_by_itself(bench: Bench, state: State) -> None:
    """The row stays, the file is explained in `odrzucone/` and nothing is queued."""
    async with bench.running():
        document = await bench.post(sale(), "a.xml")
        bench.spool.write_now(lambda s: s.move(document.id, state, bench.now, "skarbnik", "Decyzja."))
        path = bench.drop("znowu.xml", sale())
        await until(lambda: not path.exists() and bench.found("odrzucone/*/znowu.json"))
    assert bench.only().state is state
    assert bench.found("odrzucone/*/znowu.xml").read_bytes() == sale()
    said = bench.json("odrzucone/*/znowu.json")
    assert (said["id"], said["state"], said["errors"][0]["code"]) == (document.id, state.value, "put_away_before")
    note = bench.found("odrzucone/*/znowu.blad.txt").read_text("utf-8-sig")
    assert note.startswith(_HEADINGS[state])
    assert "skontaktować się z administratorem" in note


async def test_a_withdrawn_file_that_comes_back_and_is_refused_has_the_note_of_a_refusal(bench: Bench) -> None:
    async with bench.running():
        first = await bench.post(sale("A/1"), "a.xml")
        bench.spool.write_now(lambda s: actions.withdraw(s, first.id, bench.now, "jan", ""))
        await until(lambda: "WYCOFANA" in bench.found("odrzucone/*/a.blad.txt").read_text("utf-8-sig"))
        await bench.post(sale("A/1", footer="2"), "b.xml")
        path = bench.drop("a.xml", sale("A/1"))
        await until(lambda: not path.exists())
        await until(lambda: "NIE ZOSTAŁA PRZYJĘTA" in bench.found("odrzucone/*/a.blad.txt").read_text("utf-8-sig"))
    note = bench.found("odrzucone/*/a.blad.txt").read_text("utf-8-sig")
    assert "Po poprawieniu" in note
    assert "WYCOFANA" not in note


async def test_one_death_of_a_worker_costs_nothing(bench: Bench) -> None:
    """The kernel took the memory of a worker once: the good invoice is accepted at the second try."""
    bench.workers.broken["examine"], bench.workers.survives_after = WorkerCrashed("exit code -9"), 1
    async with bench.running():
        path = bench.drop("dobra.xml", sale())
        await until(lambda: not path.exists())
    assert bench.only().state is State.QUEUED


async def test_a_file_that_ends_every_worker_is_refused_at_the_third_time(bench: Bench) -> None:
    """It stays in the folder in between, and later is better than wrong."""
    bench.workers.broken["examine"] = WorkerCrashed("exit code -9")
    async with bench.running():
        path = bench.drop("zla.xml", sale())
        await until(lambda: bench.workers.deaths == 2)
        assert path.exists()
        assert bench.documents() == []
        await until(lambda: not path.exists())
    assert (bench.only().state, bench.only().problems[0].code) == (State.REFUSED, "worker_crashed")
    assert bench.workers.deaths == 6


@pytest.mark.parametrize("source", ["cli", "http", "folder"])
async def test_too_big_is_refused_without_a_row_whatever_the_way_in(bench: Bench, source: str) -> None:
    origin = Origin(bench.municipality.units[SCHOOL], source, "duza.xml")  # type: ignore[arg-type]
    (verdict,) = await bench.door.accept(b"<a>" + b"x" * MAX_XML + b"</a>", origin)
    assert (verdict.kind, verdict.document, verdict.problems[0].code) == ("refused", None, "too_big")
    assert bench.documents() == []


async def test_a_name_given_back_never_overwrites_a_file_that_came_in_between(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program saves the same name between our look and our renaming: both files stay."""
    await bench.set_up()
    drop = dropbox.Drop.open(bench.inbox())
    bench.drop("a.xml", b"stary")
    file = drop.open_file("a.xml")
    held = drop._hold(file)
    assert held is not None
    monkeypatch.setattr(drop, "_exists", lambda _name: False)
    bench.drop("a.xml", b"nowy")
    given = drop._put_back(held, "a.xml")
    file.close()
    drop.close()
    assert (bench.inbox() / "a.xml").read_bytes() == b"nowy"
    assert (bench.inbox() / given).read_bytes() == b"stary"
