"""Mending the encoding of a file: only where a unit asked for it, as a new document, nothing silent."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from spool.bodies import sha256_hex
from spool.domain.states import State
from spool.xml import examine, repair
from tests.folders_bench import MUNICIPALITY, SCHOOL, WELFARE, Bench, sale, until

POLISH = "Zażółć gęślą jaźń – ŻÓŁĆ"
GOOD = sale(footer=POLISH)
DECLARED = GOOD.replace(b'encoding="UTF-8"', b'encoding="windows-1250"')
WINDOWS = DECLARED.decode().encode("cp1250", "xmlcharrefreplace")
BOM = b"\xef\xbb\xbf" + GOOD
CONTROL = GOOD.replace(b"<Nazwa>", b"<Nazwa>\x0b", 1).replace(b"</Nazwa>", "\x9f</Nazwa>".encode(), 1)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    school = replace(MUNICIPALITY.units[SCHOOL], repair_encoding=True)
    opened = Bench(tmp_path, replace(MUNICIPALITY, units=MUNICIPALITY.units | {SCHOOL: school}))
    yield opened
    opened.close()


@pytest.mark.parametrize("broken", [BOM, WINDOWS, DECLARED, CONTROL, WINDOWS.replace(b"windows-1250", b"UTF-8")])
def test_the_mended_file_says_the_same(broken: bytes) -> None:
    """It is in order, and but for what was mended it is the file that would have been right."""
    assert examine(broken).problems
    mended = repair(broken)
    assert mended is not None
    assert examine(mended.raw).problems == ()
    assert examine(mended.raw).facts == examine(GOOD).facts
    assert POLISH.encode() in mended.raw
    assert mended.changes


@pytest.mark.parametrize("fine", [GOOD, b"", b"\xff\xfe<\x00", b"<a>\xe2\x28\xa1</a>", GOOD[:-40] + b"\xc4"])
def test_nothing_is_guessed(fine: bytes) -> None:
    """What is in order, in an encoding without Polish letters, or cut off stays as it is."""
    assert repair(fine) is None


def test_a_mended_file_is_stable() -> None:
    """Mending it again finds nothing."""
    mended = repair(WINDOWS)
    assert mended is not None
    assert repair(mended.raw) is None


@pytest.mark.parametrize("broken", [BOM, WINDOWS, CONTROL])
async def test_fault_X04_a_mended_file_is_a_new_document(bench: Bench, broken: bytes) -> None:
    """Its own hash, the original in the spool and beside it, the change named in result and history; and only once."""
    async with bench.running():
        bench.drop("ksiegowa.xml", broken)
        said = await until(lambda: bench.json("w-toku/ksiegowa.json"))
        document = bench.only()
        bench.drop("ksiegowa.xml", broken)
        await until(lambda: not (bench.inbox() / "ksiegowa.xml").exists())
        assert bench.only().id == document.id
        bench.number(document)
        await until(lambda: bench.only().state is State.DELIVERED)
    assert document.sha256 != sha256_hex(broken) == document.repaired_from == said["repaired_from"]
    assert [w["code"] for w in said["warnings"]] == ["encoding_repaired"]
    assert sha256_hex(broken) in said["warnings"][0]["message"]
    assert any("poprawiła zapis pliku" in step["note"] for step in said["history"])
    bodies = bench.spool.read_now(lambda store: (store.body(document.sha256), store.body(document.repaired_from)))
    assert bodies == (repair(broken).raw, broken)  # type: ignore[union-attr]
    assert bench.found("wyslane/*/ksiegowa.xml").read_bytes() == bodies[0]
    assert bench.found("wyslane/*/ksiegowa.xml.oryginal").read_bytes() == broken


async def test_fault_X04_other_units_get_their_file_back(bench: Bench) -> None:
    """Nobody who has not switched it on has a single byte changed."""
    raw = WINDOWS.replace(b"<Rola>7</Rola>", b"<Rola>4</Rola>")
    refused = await bench.post(raw, "a.xml", WELFARE)
    assert (refused.state, refused.sha256, refused.repaired_from) == (State.REFUSED, sha256_hex(raw), "")
    assert [p.code for p in refused.problems] == ["xml_encoding"]


async def test_what_is_wrong_besides_comes_back_as_it_came(bench: Bench) -> None:
    """Mending does not help a file with other faults: the unit gets its own bytes, and hears of those faults."""
    raw = BOM.replace(b"<P_2>", b"<P_22>").replace(b"</P_2>", b"</P_22>")
    refused = await bench.post(raw, "a.xml")
    assert (refused.state, refused.sha256) == (State.REFUSED, sha256_hex(raw))
    assert "xml_bom" not in [p.code for p in refused.problems]
    assert refused.problems
