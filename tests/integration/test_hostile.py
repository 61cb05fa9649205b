"""The hostile corpus through every door: HTTP, ZIP, folder, and as invoices that suppliers send (faults X01-X08, X27).

`tests/hostile_xml.py` and `tests/hostile_zip.py` say what each input is and what must be said about it.
"""

import io
import zipfile
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from gateway.archive import MAX_XML
from gateway.folders import layout
from gateway.intake import Origin
from gateway.render.work import drawing_workers
from sluza.samples import ksef_number_for
from spool.bodies import sha256_hex
from spool.domain.states import State
from spool.workers import Workers
from spool.xml import read_received
from tests import hostile_values, hostile_xml, hostile_zip
from tests.folders_bench import FAST, SCHOOL, Bench, bench_at, sale, until
from tests.hostile_xml import OK, Case
from tests.http_bench import TOKENS, Answer, running
from tests.http_bench import Bench as HttpBench

pytestmark = pytest.mark.timeout(600)
"""Hundreds of inputs in one test; on a busy machine they take their time."""

XML = cache(lambda: [*hostile_xml.corpus(), *hostile_values.corpus()])
ZIPS = cache(hostile_zip.corpus)
"""Made when they are first asked for, so that collecting the tests stays cheap."""
_TRACES = ("Traceback", 'File "', "Error:", "Exception", "None", "lxml", "xmlschema", "zipfile", "root:x:")
"""What no unit may ever read in a reason: our insides, and the file that some inputs ask for."""


@pytest.fixture(scope="module", name="workers")
def workers_fixture() -> Iterator[Workers]:
    """Real worker processes with their limits, for the whole module: who kills one is replaced."""
    found = Workers()
    yield found
    found.close()


@pytest.fixture(name="bench")
def bench_fixture(tmp_path: Path, workers: Workers, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    with bench_at(tmp_path) as found:
        monkeypatch.setattr(found.workers, "run", workers.run)
        yield found


def test_the_corpus_is_large_enough_and_always_the_same() -> None:
    """Hundreds of inputs, no two alike, and the next run has the same ones."""
    assert len(XML()) + len(ZIPS()) >= 300
    assert len({c.raw for c in XML()}) == len({c.name for c in XML()}) == len(XML())
    again = [*hostile_xml.corpus(), *hostile_values.corpus()]
    assert [c.raw for c in again] == [c.raw for c in XML()]
    assert len({a.name for a in ZIPS()}) == len(ZIPS())


def light() -> list[Case]:
    """All but the floods, which cost a second each wherever they come in."""
    return [case for case in XML() if not case.name.startswith("flood-")]


def clear(problems: Sequence[dict[str, Any]], about: str) -> None:
    """Each reason has a code, one plain Polish sentence and a cure, and shows nothing of our insides."""
    assert problems, about
    for problem in problems:
        text = f"{problem['message']} {problem['hint']}"
        assert problem["code"], about
        assert problem["message"].endswith((".", "!")), (about, problem)
        assert problem["hint"].endswith("."), (about, problem)
        assert all(c.isprintable() for c in text), (about, problem)
        assert not [t for t in _TRACES if t in text], (about, problem)
        assert len(text) < 1500, (about, problem)


def judged(case: Case, codes: Sequence[str]) -> None:
    """The verdict is one of those that the corpus names; a mutant may have any."""
    given = set(codes) or {OK}
    assert not case.expect or given & case.expect, (case.name, sorted(given))


async def post(http: HttpBench, raw: bytes, kind: str = "application/xml") -> Answer:
    """One delivery; not held to the API's description each time, which other tests do and which costs more than it."""
    headers = {"Authorization": f"Bearer {TOKENS[SCHOOL]}", "Content-Type": kind}
    async with http.session.post(f"http://127.0.0.1:{http.port}/v1/invoices", data=raw, headers=headers) as response:
        return Answer(response.status, response.headers, await response.read())


async def test_fault_X01_to_X06_over_http(tmp_path: Path, workers: Workers) -> None:
    """Every input gets its answer from real workers, and after all of them the drop-point takes the next invoice."""
    async with running(tmp_path) as http:
        http.workers.run = workers.run  # type: ignore[method-assign]
        for case in XML():
            answer = await post(http, case.raw)
            assert answer.status in {200, 202, 413, 422}, (case.name, answer.status, answer.body[:300])
            errors = answer.json["errors"] if answer.status == 422 else []
            codes = [e["code"] for e in errors] or (["too_big"] if answer.status == 413 else [])
            judged(case, codes)
            if errors:
                clear(errors, case.name)
        assert (await http.call("GET", "/healthz", unit=None)).status == 200
        assert (await http.post(sale("DALEJ/1"))).status == 202


async def test_fault_X07_over_http(tmp_path: Path, workers: Workers) -> None:
    """Every archive likewise: refused as a whole with a reason, or a verdict for each entry."""
    async with running(tmp_path) as http:
        http.workers.run = workers.run  # type: ignore[method-assign]
        for archive in ZIPS():
            answer = await post(http, archive.raw, "application/zip")
            assert answer.status in {202, 422}, (archive.name, answer.status, answer.body[:300])
            if archive.whole:
                errors = answer.json["errors"]
                assert {e["code"] for e in errors} & archive.whole, (archive.name, errors)
                clear(errors, archive.name)
            else:
                entries_as_expected(archive, answer.json["documents"])
        assert (await http.post(sale("DALEJ/2"))).status == 202


def entries_as_expected(archive: hostile_zip.Archive, documents: Sequence[dict[str, Any]]) -> None:
    """One verdict for each entry, in order."""
    assert len(documents) == len(archive.entries), archive.name
    for expected, document in zip(archive.entries, documents, strict=True):
        errors = document.get("errors", [])
        assert expected in {e["code"] for e in errors} or (expected == OK and not errors), (archive.name, document)
        if errors:
            clear(errors, archive.name)


async def test_fault_X01_to_X06_inside_a_zip(bench: Bench) -> None:
    """All of them in one archive: each has the verdict that it has alone, and the good ones are taken."""
    out = io.BytesIO()
    cases = [case for case in light() if len(case.raw) <= MAX_XML]  # a larger one refuses the archive
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as opened:
        for index, case in enumerate(cases):
            opened.writestr(f"{index}.xml", case.raw)
    verdicts = await bench.door.accept(
        out.getvalue(), Origin(bench.municipality.units[SCHOOL], "folder", "wszystko.zip")
    )
    assert [v.name for v in verdicts] == [f"{index}.xml" for index in range(len(cases))]
    for case, verdict in zip(cases, verdicts, strict=True):
        assert verdict.kind in {"new", "same", "refused"}
        judged(case, [p.code for p in verdict.problems])
        assert verdict.document is not None
        assert verdict.document.sha256 == sha256_hex(case.raw)


async def test_fault_X01_to_X07_in_a_folder(bench: Bench) -> None:
    """Every second one dropped: each leaves the folder, taken, or into `odrzucone` with its bytes and a note."""
    cases = light()[::2]
    await bench.set_up()
    for index, case in enumerate(cases):
        bench.drop(f"{index}.xml", case.raw)
    for archive in ZIPS():
        bench.drop(f"{archive.name}.zip", archive.raw)
    async with bench.running(FAST, show=False):
        await until(lambda: bench.lying(layout.OUTBOX) == [], 300)
    documents = {d.source_name: d for d in bench.documents()}
    for index, case in enumerate(cases):
        row = documents.get(f"{index}.xml")
        problems = [p.as_dict() for p in row.problems] if row else aside(bench, str(index))["errors"]
        judged(case, [p["code"] for p in problems])
        if problems:
            clear(problems, case.name)
        if row:
            assert (row.sha256, row.state is State.QUEUED) == (sha256_hex(case.raw), not problems)
    for archive in ZIPS():
        if archive.whole:
            assert {e["code"] for e in aside(bench, archive.name)["errors"]} & archive.whole
            assert bench.found(f"odrzucone/*/{archive.name}.zip").read_bytes() == archive.raw


def aside(bench: Bench, name: str) -> dict[str, Any]:
    """The result of what has no row in the spool; its note stands beside it."""
    note = bench.found(f"odrzucone/*/{name}.blad.txt").read_text(encoding="utf-8-sig")
    assert "Co zrobić:" in note
    return bench.json(f"odrzucone/*/{name}.json")


async def test_fault_X27_what_nobody_can_read_lies_in_the_tray_as_it_came(bench: Bench) -> None:
    """Whatever a supplier sent: its bytes, its reason and, where it can be drawn, its picture; the others go on."""
    drawing = drawing_workers()
    names = ("doctype-billion_laughs-utf-8", "encoding-utf-16", "file-pdf", "control-0001", "markup-mismatch",
             "cut-200", "document-JPK", "flood-depth-250", "allowed-value-script", "allowed-value-path")  # fmt: skip
    sent = {ksef_number_for(serial=n): c for n, c in enumerate((c for c in XML() if c.name in names), 1)}
    assert len(sent) == len(names)
    try:
        bench.workers.run = drawing.run  # type: ignore[method-assign]
        await bench.set_up()
        for number, case in sent.items():
            facts = read_received(case.raw)
            bench.receive(case.raw, number, None, form=facts.form, number=facts.number, seller_nip=facts.seller_nip)
        async with bench.running(watch=False):
            await until(lambda: len([n for n in tray(bench) if n.endswith(".json")]) == len(names), 60)
        for number, case in sent.items():
            [path] = (bench.root / layout.CENTRAL).rglob(f"*{number}.xml")
            assert path.read_bytes() == case.raw, case.name
        assert all(set(name) <= SAFE for name in tray(bench))
        assert len([n for n in tray(bench) if n.endswith(".pdf")]) >= 2
    finally:
        drawing.close()


SAFE = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")


def tray(bench: Bench) -> list[str]:
    """Names of the files in the central tray's folder of received invoices."""
    return [p.name for p in (bench.root / layout.CENTRAL / layout.RECEIVED).rglob("*") if p.is_file()]
