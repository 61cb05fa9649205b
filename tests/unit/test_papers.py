"""JST rules P10, D5–D9: what came outside KSeF is registered, watched for, locked, and told twice to nobody else."""

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pysqlite3
import pytest
from click.testing import CliRunner
from pypdf import PdfReader

from gateway.registers.gather import Sources, rows
from gateway.render.card import draw_card, names_of, sentence
from gateway.web.finding import Level
from gateway.web.health import findings
from gateway.web.snapshot import take, take_for_units
from sluza.cli.unit import unit as unit_verbs
from spool import papers
from spool.bodies import sha256_hex
from spool.domain.announcements import Category
from spool.domain.errors import ConfigError, MoveRefused, RegisterRefused
from spool.domain.municipality import Policy, Unit
from spool.domain.papers import STANDINGS, Decision, Kind, NewPaper, Paper, amount
from spool.domain.registers import PAPERS
from spool.domain.retention import Classes
from spool.law import Law, Rules
from spool.purchases import paper_beside
from spool.store.papers import subject
from spool.store.registers import WHOLE
from spool.verification import known_up_to
from tests.purchase_desk import ISSUED, NOW, NUMBER, RAW, SELLER, Desk, desk_at, kod1, kod2, printed, town

BOTH = (kod1(), kod2())
OTHER = b"<Faktura>other bytes</Faktura>"
MONDAY, TUESDAY, WEDNESDAY, THURSDAY = (date(2026, 11, day) for day in (23, 24, 25, 26))
"""Behind ISSUED, a Friday."""


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with desk_at(tmp_path) as found:
        yield found


def enter(desk: Desk, *texts: str, now: datetime = NOW, scan: bytes | None = None, **more: Any) -> Paper:
    new = NewPaper("sp1", Kind.INVOICE, SELLER, "Hurtownia", "F/1", ISSUED, ISSUED, "123.00")
    return desk.spool.write_now(lambda s: papers.enter(s, replace(new, **more), texts, scan, desk.rules, now, "anna"))


def look(desk: Desk, paper: Paper, *units: str, now: datetime = NOW, rules: Rules | None = None) -> papers.Desk:
    return desk.spool.read_now(lambda s: papers.look(s, s.paper(paper.id), units or None, rules or desk.rules, now))


def code(desk: Desk, paper: Paper, *units: str, **more: Any) -> str:
    return look(desk, paper, *units, **more).standing.code


def moves(desk: Desk, paper: Paper) -> list[str]:
    return [e.move for e in desk.spool.read_now(lambda s: s.history(subject(paper.id)))]


def noon(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC)


# -- the register -----------------------------------------------------------------------------------------------


def test_rule_P10_a_paper_without_a_code_is_booked_as_one_outside_ksef(desk: Desk) -> None:
    """BFK, by the day on which it really came; the scan is kept, and `sluza check` knows whose it is."""
    paper = enter(desk, scan=b"%PDF-1.4 scan", scan_name="skan.pdf")
    standing = look(desk, paper, "sp1").standing
    assert (paper.kind, standing.code, standing.bookable, standing.jpk_mark) == (Kind.INVOICE, "outside", True, "BFK")
    assert desk.spool.read_now(lambda s: s.scan_of(paper)) == b"%PDF-1.4 scan"
    assert paper.scan_sha256 is not None
    assert desk.spool.read_now(lambda s: s.users_of(paper.scan_sha256 or "")) == [subject(paper.id)]
    assert moves(desk, paper) == ["paper"]


def test_rule_P10_a_foreign_seller_has_a_name_and_no_nip(desk: Desk) -> None:
    """And is the duplicate of nothing."""
    desk.receive(seller_nip="")
    paper = enter(desk, seller_nip="", seller_name="Müller GmbH", currency="EUR")
    assert code(desk, paper) == "outside"


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"number": " "}, "numeru"), ({"seller_nip": "7770001112"}, "cyfrę kontrolną"),
        ({"seller_nip": "", "seller_name": ""}, "sprzedawcy"), ({"received_on": date(2026, 11, 19)}, "Dzień"),
        ({"received_on": date(2026, 11, 25)}, "Dzień"), ({"note": "x" * 201}, "za długi"),
    ],
)  # fmt: skip
def test_rule_P10_what_cannot_be_is_not_entered(desk: Desk, wrong: dict[str, Any], word: str) -> None:
    """A sentence each, nothing written."""
    with pytest.raises(RegisterRefused, match=word):
        enter(desk, **wrong)
    assert desk.spool.read_now(lambda s: s.papers()) == []


@pytest.mark.parametrize(
    ("typed", "kept"),
    [("1 230,5", "1230.50"), ("-3.10", "-3.10"), ("x", ""), ("NaN", ""), ("1e99", ""), ("Infinity", "")],
)
def test_rule_P10_amounts_as_people_type_them(typed: str, kept: str) -> None:
    """Comma or point, blanks between thousands; anything else is refused."""
    if kept:
        assert amount(typed) == kept
    else:
        with pytest.raises(RegisterRefused):
            amount(typed)


def test_rule_P10_the_same_paper_is_entered_once_by_its_unit(desk: Desk) -> None:
    """Until the first entry is withdrawn; that another unit has one is no business of this one."""
    first = enter(desk, *BOTH)
    with pytest.raises(RegisterRefused, match=f"nr {first.id}"):
        enter(desk, *BOTH, number="F/2")
    enter(desk, *BOTH, unit="gops")
    desk.spool.write_now(lambda s: s.decide_paper(first.id, Decision.WITHDRAWN, "pomyłka", NOW, "anna"))
    assert enter(desk, *BOTH).id == first.id + 2


@pytest.mark.parametrize(
    ("texts", "word"),
    [
        ((kod1(seller="5250000021"),), "Kod mówi"), ((kod1(issued=MONDAY),), "Kod mówi"),
        ((kod1(), kod1(b"other")), "kilku faktur"), ((kod1(), "https://ksef.example/invoice/"), "udaje"),
    ],
)  # fmt: skip
def test_rule_P10_a_code_that_contradicts_the_paper_is_not_entered(
    desk: Desk, texts: tuple[str, ...], word: str
) -> None:
    """A person looks again."""
    with pytest.raises(RegisterRefused, match=word):
        enter(desk, *texts, received_on=TUESDAY)


def test_rule_P10_nothing_of_an_entry_ever_changes(desk: Desk) -> None:
    """The database itself refuses, whatever a later program tries."""
    paper = enter(desk)
    for statement in ("UPDATE paper SET gross = '1.00'", "DELETE FROM paper"):
        with pytest.raises(pysqlite3.Error, match="paper is"):
            desk.spool.write_now(lambda s, statement=statement: s._db.execute(statement))
    assert look(desk, paper).paper == paper


# -- duplicates -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", ["paper", "ksef"])
@pytest.mark.parametrize("gross", ["123.00", "123", "123.0"])
def test_rule_P10_a_likely_duplicate_is_told_in_both_orders(desk: Desk, first: str, gross: str) -> None:
    """Seller, number and amount, however the XML writes the amount; until a person decides."""
    if first == "ksef":
        desk.receive(gross=gross)
    paper = enter(desk, number=" F/1 ")
    if first == "paper":
        assert code(desk, paper) == "outside"
        desk.receive(gross=gross)
    assert code(desk, paper, "sp1") == "likely_duplicate"
    assert desk.spool.read_now(lambda s: papers.still_open(s, desk.rules, NOW)).alike == (paper.id,)
    invoice = desk.spool.read_now(lambda s: s.received(NUMBER))
    assert [p.id for p in desk.spool.read_now(lambda s: s.papers_beside(invoice))] == [paper.id]
    desk.spool.write_now(lambda s: s.decide_paper(paper.id, Decision.ALLOWED, "dwie dostawy", NOW, "anna"))
    assert look(desk, paper).standing.bookable
    assert desk.spool.read_now(lambda s: papers.still_open(s, desk.rules, NOW)) == papers.Open()


def test_rule_P10_another_amount_or_number_is_no_duplicate(desk: Desk) -> None:
    """To the grosz."""
    desk.receive(gross="123.01")
    assert code(desk, enter(desk)) == "outside"
    assert code(desk, enter(desk, number="F/1a", gross="123.01")) == "outside"


@pytest.mark.parametrize("whose", ["gops", None])
def test_rule_P10_of_another_units_duplicate_only_the_town_knows(desk: Desk, whose: str | None) -> None:
    """I7: for the unit with the paper the other one does not exist, for that one the paper does not."""
    paper = enter(desk)
    before = look(desk, paper, "sp1")
    desk.receive(unit=whose)
    assert look(desk, paper, "sp1") == before
    assert code(desk, paper) == "likely_duplicate"
    invoice = desk.spool.read_now(lambda s: s.received(NUMBER))
    assert desk.spool.read_now(lambda s: s.papers_beside(invoice, ("gops",))) == []


# -- confirmations ----------------------------------------------------------------------------------------------


def test_rule_D05a_a_paper_with_codes_is_a_confirmation_and_never_booked(desk: Desk) -> None:
    """Before its invoice has come, and after: then the invoice is."""
    paper = enter(desk, *BOTH)
    assert (paper.kind, code(desk, paper), look(desk, paper).standing.bookable) == (Kind.CONFIRMATION, "awaited", False)
    desk.receive()
    found = look(desk, paper, "sp1")
    assert (found.standing.code, found.standing.bookable, found.standing.jpk_mark) == ("in_ksef", False, "")
    assert NUMBER in found.standing.sentence
    assert moves(desk, paper) == ["paper", "found"]


def test_rule_D05_one_entered_after_its_invoice_came_knows_it_at_once(desk: Desk) -> None:
    """The same commit."""
    desk.receive()
    paper = enter(desk, *BOTH)
    assert (paper.ksef_number, moves(desk, paper)) == (NUMBER, ["paper", "found"])


def test_rule_D05_other_bytes_under_the_number_are_no_positive_check(desk: Desk) -> None:
    """The hash decides; the number alone is a warning."""
    desk.receive(raw=b"<Faktura>changed</Faktura>")
    paper = enter(desk, *BOTH, unit="gops", number="F/7")
    assert code(desk, paper) == "awaited"
    warned = desk.spool.write_now(lambda s: s.add_paper(replace(_as_new(paper), number="F/1"), None, NOW, "anna"))
    assert code(desk, warned) == "likely_duplicate"
    assert "treść inna" in look(desk, warned).standing.sentence


def _as_new(paper: Paper) -> NewPaper:
    return NewPaper("sp1", paper.kind, paper.seller_nip, paper.seller_name, paper.number, paper.issue_date,
                    paper.received_on, paper.gross, code_sha256=paper.code_sha256)  # fmt: skip


@pytest.mark.parametrize("whose", ["gops", None])
def test_rule_D05_that_it_came_to_another_unit_only_the_town_sees(desk: Desk, whose: str | None) -> None:
    """I7: neither the standing nor the history tells the unit; the coordinator is told to assign it."""
    paper = enter(desk, *BOTH)
    before = look(desk, paper, "sp1")
    desk.receive(unit=whose)
    after = look(desk, paper, "sp1")
    assert after.standing == before.standing
    assert after.invoice is None
    assert [e.move for e in desk.spool.read_now(lambda s: papers.history(s, after))] == ["paper"]
    assert code(desk, paper) == "elsewhere"
    assert desk.spool.read_now(lambda s: papers.still_open(s, desk.rules, NOW)).elsewhere == (paper.id,)
    desk.spool.write_now(lambda s: s.assign(NUMBER, "sp1", NOW, "anna", ""))
    assert code(desk, paper, "sp1") == "in_ksef"


def test_rule_D05a_once_the_invoice_has_come_only_it_is_booked(desk: Desk) -> None:
    """Also where a person had let the paper be booked before; afterwards nobody can. What differs is named."""
    allowed, late = enter(desk, *BOTH), enter(desk, *BOTH, unit="gops", number="F/1")
    desk.spool.write_now(lambda s: s.decide_paper(allowed.id, Decision.ALLOWED, "awaria", NOW, "anna"))
    desk.receive(gross="1230.00", currency="EUR")
    standing = look(desk, allowed, "sp1").standing
    assert (standing.code, standing.bookable) == ("in_ksef", False)
    assert "nie ująć dwa razy" in standing.cure
    assert "kwota 1230.00 EUR" in standing.cure
    assert "dwa razy" in paper_beside(look(desk, allowed).paper)
    with pytest.raises(MoveRefused, match="już z KSeF"):
        desk.spool.write_now(lambda s: s.decide_paper(late.id, Decision.ALLOWED, "awaria", NOW, "anna"))


@pytest.mark.parametrize("gross", ["", "abc", "1e999", "NaN"])
def test_fault_X27_a_supplier_may_write_anything_for_an_amount(desk: Desk, gross: str) -> None:
    """Nothing to compare is no difference, and no page breaks over it."""
    desk.receive(gross=gross)
    assert "Inaczej" not in look(desk, enter(desk, *BOTH)).standing.cure


def test_rule_D05_entering_a_paper_asks_only_what_its_unit_may_see(desk: Desk) -> None:
    """I7: a code of another unit's invoice is taken as one that nobody has, whatever number was typed beside it."""
    desk.receive()
    assert code(desk, enter(desk, *BOTH, unit="gops", number="F/9"), "gops") == "awaited"
    with pytest.raises(RegisterRefused, match="F/9"):
        enter(desk, *BOTH, number="F/9")


def test_rule_D07_a_unit_that_is_a_taxpayer_has_its_own_line(desk: Desk) -> None:
    """Its purchases arrive in its own context; how far the municipality's has come says nothing of them."""
    theatre = Unit("teatr", "Teatr", "teatr", nip="5250000021", taxpayer=True)
    own = replace(town().contexts["gmina"], id="teatr", value=theatre.nip)
    both = replace(town(), units={"teatr": theatre}, contexts=town().contexts | {"teatr": own})
    desk.received_up_to(noon(THURSDAY))
    assert desk.spool.read_now(lambda s: known_up_to(s, both, "gmina")) == noon(THURSDAY)
    assert desk.spool.read_now(lambda s: known_up_to(s, both, "teatr")) is None
    rules, now = Rules(Law(), both), noon(THURSDAY)
    standings = [code(desk, enter(desk, *BOTH, unit=unit), now=now, rules=rules) for unit in ("gmina", "teatr")]
    assert standings == ["contact_seller", "awaited"]


def test_rule_D06_a_person_may_override_the_lock_and_says_why(desk: Desk) -> None:
    """Reason and name stay; without a reason, or twice, it is refused."""
    paper = enter(desk, *BOTH)
    with pytest.raises(RegisterRefused):
        desk.spool.write_now(lambda s: s.decide_paper(paper.id, Decision.ALLOWED, "  ", NOW, "anna"))
    desk.spool.write_now(lambda s: s.decide_paper(paper.id, Decision.ALLOWED, "faktura z awarii", NOW, "anna"))
    standing = look(desk, paper).standing
    assert (standing.bookable, standing.jpk_mark) == (True, "DI")
    assert "anna" in standing.sentence
    assert desk.spool.read_now(lambda s: s.history(subject(paper.id)))[-1].note.endswith("Powód: faktura z awarii")
    with pytest.raises(MoveRefused):
        desk.spool.write_now(lambda s: s.decide_paper(paper.id, Decision.ALLOWED, "znowu", NOW, "anna"))
    desk.spool.write_now(lambda s: s.decide_paper(paper.id, Decision.WITHDRAWN, "pomyłka", NOW, "anna"))
    with pytest.raises(MoveRefused):
        desk.spool.write_now(lambda s: s.decide_paper(paper.id, Decision.ALLOWED, "jednak", NOW, "anna"))


@pytest.mark.parametrize(("patience", "day"), [("2", WEDNESDAY), ("3", THURSDAY)])
def test_rule_D07_the_seller_is_asked_after_two_or_three_working_days(desk: Desk, patience: str, day: date) -> None:
    """Behind the first check on the next working day; the order decides which."""
    rules = Rules(Law(), replace(town(), policies={"contact_seller": Policy(patience, "10/2026")}))
    paper = enter(desk, *BOTH)
    desk.received_up_to(noon(day))
    assert code(desk, paper, now=noon(day - timedelta(1)), rules=rules) == "awaited"
    assert code(desk, paper, now=noon(day), rules=rules) == "contact_seller"
    assert code(desk, paper, "sp1", now=noon(day), rules=rules) == "awaited"  # the town asks, not the unit


def test_rule_D07_absent_is_only_what_ksef_was_asked_for(desk: Desk) -> None:
    """While receiving lags behind the seller's term nobody is accused."""
    paper = enter(desk, *BOTH)
    desk.received_up_to(noon(MONDAY))
    assert code(desk, paper, now=noon(THURSDAY)) == "awaited"
    desk.received_up_to(noon(TUESDAY))
    assert code(desk, paper, now=noon(THURSDAY)) == "contact_seller"
    assert desk.spool.read_now(lambda s: papers.still_open(s, desk.rules, noon(THURSDAY))).contact == (paper.id,)


def test_rule_D07_the_letter_names_the_code_and_the_term_and_not_too_early(desk: Desk) -> None:
    """In Polish, to be sent by a person."""
    paper = enter(desk, *BOTH)
    with pytest.raises(RegisterRefused, match=r"25\.11\.2026"):
        papers.letter(look(desk, paper), desk.rules, MONDAY)
    desk.received_up_to(noon(THURSDAY))
    text = papers.letter(look(desk, paper, now=noon(THURSDAY)), desk.rules, THURSDAY)
    assert kod1() in text
    assert "do KSeF: 23.11.2026." in text
    assert "Anna Nowak" in text
    assert "korygującej" not in text


def test_rule_D08_nobody_is_chased_within_the_sellers_own_term(desk: Desk) -> None:
    """A failure on the day of issue gives him seven working days from its end; before there is an end, no date."""
    paper = enter(desk, *BOTH)
    desk.received_up_to(noon(date(2026, 12, 31)))
    desk.announce(Category.FAILURE, ISSUED, None)
    open_ended = look(desk, paper, now=noon(date(2026, 12, 30)))
    assert (open_ended.standing.code, open_ended.contact_from) == ("awaited", None)
    desk.announce(Category.FAILURE, ISSUED, MONDAY)
    last = date(2026, 12, 2)
    assert look(desk, paper).due.last_day == last
    assert "art. 106nf ust. 10" in look(desk, paper).standing.cure
    assert code(desk, paper, now=noon(last)) == "awaited"
    assert code(desk, paper, now=noon(last + timedelta(1))) == "contact_seller"


def test_rule_D08_a_maintenance_window_on_the_day_counts_for_him(desk: Desk) -> None:
    """He may have issued it inside: then the next working day behind the window, not behind the issue."""
    paper = enter(desk, *BOTH)
    desk.announce(Category.MAINTENANCE, ISSUED, MONDAY, hour=12)
    assert look(desk, paper).due.last_day == TUESDAY


def test_rule_D08_a_failure_announced_within_his_term_moves_it(desk: Desk) -> None:
    """The deadline engine's own rule, for the seller as for us."""
    paper = enter(desk, *BOTH)
    desk.announce(Category.FAILURE, MONDAY, MONDAY)
    assert look(desk, paper).due.last_day == date(2026, 12, 2)


def test_rule_D09_in_a_total_failure_nothing_is_awaited(desk: Desk) -> None:
    """The paper is the invoice for good: booked by the day on which it came, BFK."""
    paper = enter(desk, *BOTH)
    desk.announce(Category.TOTAL_FAILURE, ISSUED, ISSUED)
    standing = look(desk, paper, now=noon(date(2026, 12, 30))).standing
    assert (standing.code, standing.bookable, standing.jpk_mark) == ("outside", True, "BFK")


# -- the command ------------------------------------------------------------------------------------------------


def test_the_desk_registers_a_scan_and_sees_it_come(desk: Desk, tmp_path: Path) -> None:
    """From the PDF on the desk to the invoice of KSeF: seller and date come from the code."""
    scan = tmp_path / "skan.pdf"
    scan.write_bytes(printed(*BOTH))
    words = ("paper", "add", "--unit", "sp1", "--number", "F/1", "--gross", "123,00", "--received", "2026-11-20")
    done = desk.run(*words, "--scan", scan, "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert (told["kind"], told["seller_nip"], told["issue_date"]) == ("confirmation", SELLER, "2026-11-20")
    assert desk.run("paper", "letter", told["id"]).exception is not None
    desk.receive(RAW)
    shown = desk.run("paper", "show", told["id"])
    assert NUMBER in shown.output
    assert "jest w KSeF" in shown.output
    assert json.loads(desk.run("paper", "list", "--open", "--json").stdout) == []
    assert "skan.pdf" in shown.output


def test_the_desk_decides_under_a_name(desk: Desk) -> None:
    """allow, withdraw, and no such entry."""
    paper = enter(desk, *BOTH)
    done = desk.run("paper", "allow", paper.id, "--reason", "awaria", "--name", "Skarbnik", "--json")
    assert json.loads(done.stdout)["standing"] == "allowed"
    assert "Skarbnik" in desk.run("paper", "show", paper.id).output
    assert "wycofane" in desk.run("paper", "withdraw", paper.id, "--reason", "pomyłka").output
    assert desk.run("paper", "show", 99).exception is not None


def test_rule_P14_attachments_are_linked_by_hash(desk: Desk, tmp_path: Path) -> None:
    """To an invoice of KSeF or to an entry, by whom and where the file lies; the same file once, none without its
    document."""
    desk.receive()
    paper = enter(desk, number="F/2")
    (tmp_path / "protokol.pdf").write_bytes(b"protokol")
    words = ("attach", tmp_path / "protokol.pdf", "--place", "teczka 5", "--name", "Anna", "--json")
    for what in (NUMBER, paper.id):
        done = desk.run(words[0], what, *words[1:])
        assert json.loads(done.stdout)["sha256"] == [sha256_hex(b"protokol")], done.output
    [linked] = json.loads(desk.run("show", NUMBER, "--json").stdout)["attachments"]
    assert (linked["name"], linked["place"], linked["linked_by"]) == ("protokol.pdf", "teczka 5", "Anna")
    assert sha256_hex(b"protokol") in desk.run("paper", "show", paper.id).output
    assert moves(desk, paper) == ["paper", "attachment"]
    assert isinstance(desk.run(words[0], NUMBER, *words[1:]).exception, RegisterRefused)
    assert isinstance(desk.run(words[0], 99, *words[1:]).exception, ConfigError)
    assert isinstance(desk.run("attach", NUMBER, tmp_path / "brak", "--place", "x").exception, ConfigError)


def test_rule_P10_list_and_show_of_the_invoice_name_the_paper(desk: Desk) -> None:
    """And the JSON in a unit's folder only its own."""
    own, other = enter(desk), enter(desk, unit="gops")
    desk.receive()
    told = json.loads(desk.run("show", NUMBER, "--json").stdout)
    assert told["paper_ids"] == [own.id, other.id]
    assert told["papers"] == [paper_beside(own)]
    assert f"Wpis nr {other.id} " in desk.run("show", NUMBER).output


async def test_rule_P10_the_monthly_register_of_a_unit_says_nothing_of_others(desk: Desk) -> None:
    """Marked by the database itself: by an entry, by a decision, by an invoice that came, by one that moved."""
    paper = enter(desk, *BOTH)
    sources = Sources(desk.spool, None, desk.rules.municipality, Classes(), clock=lambda: NOW)  # type: ignore[arg-type]

    async def row(unit: str) -> dict[str, Any]:
        [found] = [found async for found in rows(sources, "paper", unit, "2026-11")]
        return dict(zip(PAPERS.keys, found, strict=True))

    def marked() -> set[str]:
        stale = desk.spool.read_now(lambda s: [m for m in s.stale_registers() if m.kind == "paper"])
        for mark in stale:
            desk.spool.write_now(lambda s, mark=mark: s.register_written(mark))
        return {mark.unit for mark in stale}

    assert marked() == {"sp1", WHOLE}
    desk.receive(unit="gops")
    assert marked() == {"sp1", WHOLE}
    assert [(await row(u))["ksef_number"] for u in ("sp1", WHOLE)] == [None, NUMBER]
    assert (await row("sp1"))["status"] == STANDINGS["awaited"]
    desk.spool.write_now(lambda s: s.assign(NUMBER, "sp1", NOW, "anna", ""))
    assert marked() == {"sp1", WHOLE}
    assert ((await row("sp1"))["ksef_number"], (await row("sp1"))["bookable"]) == (NUMBER, "nie")
    desk.spool.write_now(lambda s: s.decide_paper(paper.id, Decision.WITHDRAWN, "pomyłka", NOW, "anna"))
    assert marked() == {"sp1", WHOLE}
    assert (await row(WHOLE))["status"] == "wycofane"
    desk.spool.write_now(lambda s: s.mark_all_registers())
    assert marked() == {"sp1", WHOLE}
    assert [found async for found in rows(sources, "paper", "gops", "2026-11")] == []


def test_rule_P10_what_a_person_must_see_to_is_told(desk: Desk) -> None:
    """One sentence for each kind, again for each new entry; for the municipality's people only."""
    duplicate = enter(desk)
    desk.receive()
    waiting = enter(desk, kod1(OTHER), kod2(OTHER), number="F/2")
    desk.received_up_to(noon(THURSDAY))
    seen = desk.spool.read_now(lambda s: take(s, ["gmina"], noon(THURSDAY), {"sp1", "gops"}, rules=desk.rules))
    told = {f.code: f for f in findings(seen)}
    assert f"Wpisy: {duplicate.id} " in told["papers_alike"].sentence
    assert f"Wpisy: {waiting.id} " in told["papers_contact"].sentence
    assert (told["papers_contact"].grade, told["papers_contact"].level) == (1, Level.LOOK)
    assert "papers_elsewhere" not in told
    own = desk.spool.read_now(lambda s: take_for_units(s, ["gmina"], noon(THURSDAY), frozenset({"sp1"})))
    assert not [f for f in findings(own) if f.code.startswith("papers")]


# -- the card ---------------------------------------------------------------------------------------------------


def test_rule_P07_the_card_says_what_to_ask_for() -> None:
    """The municipality buys, the unit receives; a taxpayer of its own buys itself; somebody's own IDWew is named."""
    school, centre = town().units["sp1"], town().units["gops"]
    own = sentence(names_of(town(), school))
    assert "Nabywca: Gmina Przykładowa, NIP 5080014460." in own
    assert "Szkoła Podstawowa nr 1, NIP 5250000015, rola 8" in own
    assert "Odbiorca" not in sentence(names_of(town(), centre))
    assert "IDWew 5080014460-00072" in sentence(names_of(town(), centre, "5080014460-00072", "Jan Kowalski"))
    theatre = Unit("teatr", "Teatr", "gmina", nip="5250000021", taxpayer=True)
    assert sentence(names_of(town(), theatre)).startswith("Proszę o fakturę w KSeF. Nabywca: Teatr, NIP 5250000021.")
    assert draw_card(names_of(town(), school)) == draw_card(names_of(town(), school))
    reader = PdfReader(io.BytesIO(draw_card(names_of(town(), centre, "5080014460-00072", "Jan Kowalski"))))
    assert len(reader.pages) == 1
    assert "Jan Kowalski" in reader.pages[0].extract_text()


def test_rule_P07_the_card_of_a_person_is_of_their_unit(desk: Desk, tmp_path: Path) -> None:
    """An IDWew that the register does not have, or has for another unit, gives no card."""
    to = tmp_path / "karta.pdf"
    config = ("--config", str(tmp_path / "sluza.toml"), "--out", str(to))
    done = CliRunner().invoke(unit_verbs, ["card", "sp1", *config])
    assert to.read_bytes().startswith(b"%PDF-"), done.output
    assert "Zdanie dla sprzedawcy" in done.output
    wrong = CliRunner().invoke(unit_verbs, ["card", "sp1", "--idwew", "5080014460-00072", *config])
    assert isinstance(wrong.exception, ConfigError)
