"""A person assigns a purchase: the copy follows it, nobody else keeps one, every hop is written down."""

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from gateway.folders import layout
from gateway.folders.filing import Filing, Sheet
from sluza.cli.received import received
from sluza.samples import purchase_for_unit
from spool.bodies import sha256_hex
from spool.domain.document import Facts, FormCode, ThirdParty
from spool.domain.errors import MoveRefused
from spool.domain.identifiers import internal_id
from spool.domain.ledger import TRAY, NewReceived, Received
from spool.domain.people import InternalId
from spool.domain.receipt import ACTUAL
from spool.domain.routing import route
from spool.domain.states import State
from spool.purchases import register
from spool.store import Store
from spool.xml import read_received
from tests.folders_bench import SCHOOL, WELFARE, Bench, bench_at, until
from tests.http_bench import NOW
from tests.remote_bench import world

NUMBER = "7770001111-20261120-AAAAAA-AAAAAA-7F"


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with bench_at(tmp_path) as found:
        yield found


def supply(bench: Bench, number: str = NUMBER, **more: Any) -> bytes:
    """A supplier's invoice as the agent stores it, routed by the rules."""
    raw = purchase_for_unit(**({"third_parties": (), "number": f"F/{number[21]}"} | more))
    facts = read_received(raw)
    where = route(facts, bench.municipality, bench.spool.read_now(register))
    new = NewReceived(
        number, "gmina", sha256_hex(raw), facts, {}, bench.now, bench.now, where.unit, where.rule, where.why
    )
    assert bench.spool.write_now(lambda s: s.add_received(new, raw, bench.now))
    return raw


def give(bench: Bench, unit: str | None, number: str = NUMBER) -> Received:
    return bench.spool.write_now(lambda s: s.assign(number, unit, bench.now, "anna", "telefon do dostawcy"))


def lying(bench: Bench, owner: str) -> list[str]:
    """Endings of what lies in `odebrane/` of this owner."""
    return sorted(name.partition(NUMBER)[2] for name in bench.lying("odebrane", owner))


ALL, IN_THE_TRAY = [".json", ".pdf", ".xml"], [".json", ".list-do-dostawcy.txt", ".pdf", ".xml"]


async def test_rule_P04_what_nobody_is_named_on_lies_in_the_tray_with_a_letter(bench: Bench) -> None:
    """Draft letter beside it for Notepad; suggestions in its JSON and nowhere else."""
    supply(bench, notes=(("Dla", "Szkoła Podstawowa nr 1"),))
    async with bench.running():
        await until(lambda: lying(bench, TRAY) == IN_THE_TRAY)
    note = bench.found("odebrane/*/*.txt", TRAY).read_bytes()
    assert note.startswith(b"\xef\xbb\xbf")
    assert note.count(b"\n") == note.count(b"\r\n") > 10
    assert "NIP 5250000015" in note.decode("utf-8-sig")
    said = bench.json("odebrane/*/*.json", TRAY)
    assert (said["suggested_unit"], said["suggestions"][0]["source"]) == (SCHOOL, "name")


async def test_rule_P09_from_the_tray_to_its_unit(bench: Bench) -> None:
    """The same bytes in the unit's folder, nothing left in the tray, the receipt date as it was, all on record."""
    raw = supply(bench)
    async with bench.running():
        await until(lambda: lying(bench, TRAY) == IN_THE_TRAY)
        before = bench.json("odebrane/*/*.json", TRAY)
        bench.later(days=3)
        give(bench, SCHOOL)
        await until(lambda: (lying(bench, SCHOOL), lying(bench, TRAY)) == (ALL, []))
    assert bench.found("odebrane/*/*.xml").read_bytes() == raw
    said = bench.json("odebrane/*/*.json")
    assert (said["unit"], said["rule"], said["receipt_date"]) == (SCHOOL, "person", before["receipt_date"])
    assert "suggestions" not in said
    hop = next(e for e in bench.moves(NUMBER) if e.move == "assigned")
    assert (hop.actor, hop.data["from"], hop.data["to"], hop.data["reason"]) == (
        "anna", None, SCHOOL, "telefon do dostawcy",
    )  # fmt: skip


async def test_inv_I7_the_first_unit_keeps_nothing(bench: Bench) -> None:
    """From one unit to another and back: always exactly one folder has it, and over HTTP only its owner."""
    supply(bench)
    async with bench.running():
        for owner, other in ((SCHOOL, WELFARE), (WELFARE, SCHOOL), (SCHOOL, WELFARE)):
            give(bench, owner)
            with pytest.raises(KeyError):
                bench.spool.read_now(lambda s, u=other: s.received(NUMBER, u))  # type: ignore[misc]
            await until(lambda o=owner, n=other: (lying(bench, o), lying(bench, n)) == (ALL, []))  # type: ignore[misc]
    assert bench.spool.read_now(lambda s: s.recalled(9)) == []


async def test_inv_I7_assigned_while_its_copy_is_being_written(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first unit's copy, finished after the decision, is taken away: never two things at once with one invoice."""
    supply(bench)
    give(bench, SCHOOL)
    real, cleared = Filing.received, threading.Event()
    take_away = Filing.take_away
    moved: list[str] = []

    def slowly(*args: Any) -> None:
        """Writes only after the school's folder was cleared, if anybody dares to do that now."""
        if not moved:
            moved.append("now")
            give(bench, WELFARE)
            cleared.wait(1)
        real(*args)

    def clear(filing: Filing, sheet: Sheet) -> None:
        take_away(filing, sheet)
        if sheet.unit == SCHOOL:
            cleared.set()

    monkeypatch.setattr(Filing, "take_away", clear)
    monkeypatch.setattr(Filing, "received", slowly)
    async with bench.running():
        await until(lambda: (lying(bench, WELFARE), lying(bench, SCHOOL)) == (ALL, []) and moved)
    assert bench.spool.read_now(lambda s: s.received(NUMBER)).mirrored_at is not None


async def test_inv_I7_a_crash_between_files_and_record_leaves_no_copy(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Written for the school, then the process dies; assigned elsewhere, the next run clears it up."""
    supply(bench)
    give(bench, SCHOOL)
    with monkeypatch.context() as patched:
        patched.setattr("spool.store.Store.mark_mirrored", lambda *_: 1 / 0)
        async with bench.running():
            await until(lambda: lying(bench, SCHOOL) == ALL)
    give(bench, WELFARE)
    async with bench.running():
        await until(lambda: (lying(bench, WELFARE), lying(bench, SCHOOL)) == (ALL, []))


async def test_fault_F08_a_folder_that_is_away_is_cleared_when_it_is_back(bench: Bench) -> None:
    """The new owner does not wait for it; the old copy goes as soon as its folder can be reached."""
    supply(bench)
    give(bench, SCHOOL)
    async with bench.running():
        await until(lambda: lying(bench, SCHOOL) == ALL)
        marker = bench.root / SCHOOL / layout.MARKER
        content = marker.read_bytes()
        marker.unlink()
        give(bench, WELFARE)
        await until(lambda: lying(bench, WELFARE) == ALL)
        assert lying(bench, SCHOOL) == ALL
        assert (NUMBER, SCHOOL) in bench.spool.read_now(lambda s: s.recalled(9))
        marker.write_bytes(content)
        await until(lambda: lying(bench, SCHOOL) == [])


async def test_fault_D11_deleted_stays_deleted_until_somebody_asks(bench: Bench) -> None:
    """What a user deletes is not made again by itself; on request it is, once."""
    supply(bench)
    give(bench, SCHOOL)
    async with bench.running():
        await until(lambda: lying(bench, SCHOOL) == ALL)
        for path in list((bench.root / SCHOOL / "odebrane").rglob("*.*")):
            path.unlink()
        marked = await bench.post(b"<x/>", "x.xml")
        await until(lambda: bench.found("odrzucone/*/x.json") and marked.state is State.REFUSED)
        assert lying(bench, SCHOOL) == []
        bench.spool.write_now(lambda s: s.remirror(NUMBER, bench.now, "anna"))
        await until(lambda: lying(bench, SCHOOL) == ALL)
    assert [e.move for e in bench.moves(NUMBER)].count("remirror") == 1


async def test_other_files_of_the_first_unit_stay(bench: Bench) -> None:
    """Only what was written about this very invoice is taken away."""
    supply(bench)
    give(bench, SCHOOL)
    async with bench.running():
        await until(lambda: lying(bench, SCHOOL) == ALL)
        month = bench.found("odebrane/*/*.xml").parent
        (month / "notatka ksiegowej.txt").write_text("zapłacono", encoding="utf-8")
        give(bench, None)
        await until(lambda: bench.lying("odebrane", SCHOOL) == ["notatka ksiegowej.txt"])
        await until(lambda: lying(bench, TRAY) == ALL)


def test_assigning_to_where_it_is_is_refused(bench: Bench) -> None:
    """And writes nothing."""
    supply(bench)
    give(bench, SCHOOL)
    count = len(bench.moves(NUMBER))
    with pytest.raises(MoveRefused):
        give(bench, SCHOOL)
    assert len(bench.moves(NUMBER)) == count


def test_rule_P10_the_same_seller_number_and_amount(bench: Bench) -> None:
    """Found for another KSeF number, not for another amount."""
    supply(bench, number=NUMBER)
    facts = bench.spool.read_now(lambda s: s.received(NUMBER)).facts
    assert bench.spool.read_now(lambda s: s.alike(facts, "other")) == [NUMBER]
    assert bench.spool.read_now(lambda s: s.alike(facts, NUMBER)) == []
    assert bench.spool.read_now(lambda s: s.alike(replace(facts, gross="1.00"), "other")) == []
    assert bench.spool.read_now(lambda s: s.alike(Facts(form=FormCode.UNKNOWN), "other")) == []


# -- the command line -------------------------------------------------------------------------------------------

CONFIG = """
[municipality]
name = "Gmina Przykładowa"
nip = "5080014460"
contact = "Anna Nowak"
[paths]
state = "{state}"
folders = "{folders}"
[[context]]
id = "gmina"
value = "5080014460"
environment = "sandbox"
url = "http://127.0.0.1:1"
auth_cert = "nie-ma.pem"
auth_key = "nie-ma.key"
[[unit]]
id = "sp1"
name = "Szkoła Podstawowa nr 1"
nip = "5250000015"
context = "gmina"
[[unit]]
id = "gops"
name = "Ośrodek"
context = "gmina"
[receive]
since = 2026-11-01
"""


class Desk:
    """The commands as a person in the town hall runs them."""

    def __init__(self, bench: Bench, directory: Path) -> None:
        self._config = directory / "sluza.toml"
        self._config.write_text(CONFIG.format(state=bench.state, folders=bench.root), encoding="utf-8")

    def run(self, command: Any, *words: str) -> Result:
        """Any exit code."""
        return CliRunner().invoke(command, [*words, "--config", str(self._config)], obj=None)

    def told(self, *words: str) -> Any:
        """The JSON of a command that went well."""
        done = self.run(received, *words, "--json")
        assert done.exit_code == 0, done.output + repr(done.exception)
        return json.loads(done.stdout)


@pytest.fixture
def desk(bench: Bench, tmp_path: Path) -> Desk:
    return Desk(bench, tmp_path)


def test_the_desk_sees_who_suggests_what_and_assigns(bench: Bench, desk: Desk) -> None:
    """list, show, assign --suggested, and the next invoice of the supplier is suggested there by itself (P2)."""
    supply(bench, notes=(("Dla", "Szkoła Podstawowa nr 1"),))
    [row] = desk.told("list", "--unassigned")
    assert (row["suggested_unit"], row["unit"]) == (SCHOOL, None)
    done = desk.told("assign", NUMBER, "--suggested", "--reason", "zgadza się")
    assert (done["unit"], bool(done["assigned_by"])) == (SCHOOL, True)
    shown = desk.told("show", NUMBER)
    hop = shown["history"][-1]
    assert (hop["event"], hop["data"]["to"]) == ("assigned", SCHOOL)
    assert hop["data"]["suggested"][0]["source"] == "name"
    supply(bench, NUMBER.replace("A", "B"))
    following = desk.told("show", NUMBER.replace("A", "B"))
    assert (following["suggested_unit"], following["suggestions"][0]["source"]) == (SCHOOL, "people")
    assert desk.told("suppliers")[0]["by_hand"] == 2


def test_the_desk_is_told_who_had_a_copy(bench: Bench, desk: Desk) -> None:
    """Somebody must tell the first unit not to book it."""
    supply(bench)
    give(bench, SCHOOL)
    bench.spool.write_now(lambda s: s.mark_mirrored(NUMBER, SCHOOL, bench.now))
    done = desk.run(received, "assign", NUMBER, WELFARE)
    assert done.exit_code == 0
    assert "Jednostka sp1 miała kopię" in done.stdout
    back = desk.told("assign", NUMBER, TRAY)
    assert back["unit"] is None


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("assign", NUMBER, "nie-ma"), "Nie ma jednostki"),
        (("assign", NUMBER), "Proszę podać jednostkę"),
        (("assign", NUMBER, SCHOOL, "--suggested"), "Proszę podać jednostkę"),
        (("assign", NUMBER, "--suggested"), "nie wskazują jednej jednostki"),
        (("show", "brak"), "Nie ma faktury"),
        (("remirror", "brak"), "Nie ma faktury"),
    ],
)
def test_a_wrong_order_is_one_sentence(bench: Bench, desk: Desk, words: tuple[str, ...], sentence: str) -> None:
    supply(bench)
    done = desk.run(received, *words)
    assert sentence in str(done.exception)


def test_rule_D02_the_desk_enters_the_day_of_receipt(bench: Bench, desk: Desk) -> None:
    """The same command as in the registers; what is shown of the invoice follows it, however often it is moved."""
    supply(bench, issue_date=date(2026, 11, 18))
    assert desk.run(received, "receipt-date", NUMBER, "--on", "2026-11-19").exit_code == 0
    give(bench, SCHOOL)
    shown = desk.told("show", NUMBER)
    assert (shown["receipt_date"], shown["receipt_rule"]) == ("2026-11-19", ACTUAL)


def test_rule_P04_the_desk_prints_the_letter(bench: Bench, desk: Desk, tmp_path: Path) -> None:
    """For the unit that the person names, with the contact of the configuration."""
    supply(bench)
    done = desk.told("letter", NUMBER, "--unit", SCHOOL)
    assert done["unit"] == SCHOOL
    assert "Anna Nowak" in done["letter"]
    desk.run(received, "letter", NUMBER, "--out", str(tmp_path / "pismo.txt"))
    assert "numer KSeF" in (tmp_path / "pismo.txt").read_text(encoding="utf-8")


def test_rule_P02_the_register_of_internal_ids_leads_to_the_unit(bench: Bench) -> None:
    """Whoever has the IDWew now; once it is withdrawn, it leads to the tray."""
    mine = internal_id("5080014460", "0007")

    def give_it(store: Store) -> None:
        who = store.person(SCHOOL, "Jan Kowalski", "", bench.now, "anna")
        store.give_idwew(InternalId(mine, SCHOOL, who.name, "", bench.now.date(), "anna"), who, bench.now, "anna")

    bench.spool.write_now(give_it)
    party = (ThirdParty("11", "", mine, "Jan Kowalski"),)
    supply(bench, third_parties=party)
    found = bench.spool.read_now(lambda s: s.received(NUMBER))
    assert (found.unit, found.rule, "Jan Kowalski" in found.why) == (SCHOOL, "third_party_11", True)
    bench.spool.write_now(lambda s: s.withdraw_idwew(mine, bench.now.date(), "anna", bench.now, "anna"))
    later = NUMBER.replace("A", "B")
    supply(bench, later, third_parties=party)
    assert bench.spool.read_now(lambda s: s.received(later)).unit is None


async def test_inv_I7_the_computer_of_a_remote_unit_gives_its_copy_back(tmp_path: Path) -> None:
    """Filed far away, assigned to another: the files go there, too, and nothing of the invoice can be asked for."""
    async with world(tmp_path) as w, w.school.on() as school:
        await school.ready()
        number = await w.gateway.receive(SCHOOL)
        await until(lambda: len(school.lying("odebrane")) == len(ALL))
        await w.gateway.spool.write(lambda s: s.assign(number, WELFARE, NOW, "anna", ""))
        await until(lambda: not school.lying("odebrane"))
        await until(lambda: not w.gateway.spool.read_now(lambda s: s.recalled(9, SCHOOL)))
        assert await w.gateway.spool.read(lambda s: s.received(number).unit) == WELFARE
