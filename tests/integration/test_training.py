"""Training beside production: marked in every file and page, and nothing of it reaches what is in earnest (0044)."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from certs.credentials import Known
from certs.expiry import Expiry
from gateway.admission import Verdict
from gateway.alarms import letters
from gateway.folders.copies import marks_of_document
from gateway.folders.mirror import name_of
from gateway.folders.outcome import aside, told
from gateway.intake import Origin
from gateway.registers import gather
from gateway.registers.gather import Sources
from gateway.web import metrics
from gateway.web.finding import Level
from gateway.web.health import Snapshot, findings
from gateway.web.measured import Measured
from gateway.web.people import in_training
from gateway.web.snapshot import take, take_for_units, with_credentials
from gateway.web.view import page
from sluza.cli.status import screen
from sluza.samples import SCHOOL_IDWEW, invoice, purchase_for_unit
from spool import worlds
from spool.domain.errors import ConfigError
from spool.domain.municipality import Municipality
from spool.domain.retention import Classes
from spool.domain.routing import asks_supplier, route
from spool.domain.terms import DueState
from spool.inspection import inspect
from spool.store.registers import WHOLE
from spool.xml import read_received
from tests.folders_bench import MUNICIPALITY, NOW, SCHOOL, WELFARE, Bench, sale, until
from tests.http_bench import running
from tests.integration.agent_rig import Rig, Sandbox, bench_fixture, rig_fixture, sandbox_fixture  # noqa: F401

LABEL = "PIASKOWNICA – dokument szkoleniowy, bez skutków prawnych"
_SANDBOX = MUNICIPALITY.contexts["gmina"]
_PROD = replace(_SANDBOX, environment="prod", url="http://127.0.0.1:9")
PILOT = replace(
    MUNICIPALITY,
    contexts={"gmina": _PROD, "szkolenie": replace(_SANDBOX, id="szkolenie")},
    units=MUNICIPALITY.units | {SCHOOL: replace(MUNICIPALITY.units[SCHOOL], context="szkolenie")},
)
"""The school trains in the sandbox, the welfare centre works in earnest."""
_SOON = Known("", "auth", "logowanie do KSeF", Expiry("logowanie do KSeF", "CN=x", "1", NOW, NOW + timedelta(days=2)))


def welfare_sale(number: str) -> bytes:
    """An invoice of the unit that works in earnest."""
    return invoice(number=number, issue_date=NOW.date())


@pytest.fixture(name="town")
def town_fixture(tmp_path: Path) -> Iterator[Bench]:
    """Both units, one spool, as the gateway finds it at its start."""
    bench = Bench(tmp_path, PILOT)
    bench.spool.write_now(lambda store: worlds.settle(store, PILOT, NOW))
    yield bench
    bench.close()


async def take_in(town: Bench, raw: bytes, unit: str = SCHOOL, name: str = "faktura.xml") -> Verdict:
    """One delivery."""
    (verdict,) = await town.door.accept(raw, Origin(town.municipality.units[unit], "http", name))
    return verdict


def graduated() -> Municipality:
    """The day after: the school works in earnest, too."""
    return replace(PILOT, units=PILOT.units | {SCHOOL: replace(PILOT.units[SCHOOL], context="gmina")})


def test_only_beside_production_a_context_is_a_training() -> None:
    """A town that as a whole is in the sandbox or in TEST trains as a whole: nothing is told apart there."""
    assert (PILOT.training("szkolenie"), PILOT.training("gmina"), PILOT.training("nie ma")) == ("sandbox", "", "")
    assert MUNICIPALITY.training("gmina") == ""
    assert PILOT.trained() == {SCHOOL: "sandbox"}


async def test_a_training_document_is_marked_in_every_file_and_has_no_date(town: Bench) -> None:
    """JSON, names and paper; no term, no JPK mark, no payment title that anybody could take for real."""
    async with town.running(watch=False):
        document = await town.post(sale("FV/7/2026"), "faktura.xml")
        real = await town.post(welfare_sale("G/1/2026"), "faktura.xml", WELFARE)
        town.number(document)
        town.number(real)
        said = await _json(town, f"wyslane/*/{document.name}.json")
        plain = await _json(town, "wyslane/*/faktura.json", WELFARE)
    assert document.name == "SZKOLENIE-faktura"
    named = {p.name.partition(".")[0] for p in (town.root / SCHOOL).rglob("*") if p.is_file()} - {""}
    assert named == {document.name}
    assert (marks_of_document(document, PILOT).ribbon, marks_of_document(real, PILOT).ribbon) == (LABEL, "")
    assert (document.due_safe, document.due_state, real.due_safe is not None) == (None, DueState.NONE, True)
    assert (said["training"], said["jpk_mark"], said["payment_title"], said["due_safe"]) == (LABEL, None, None, None)
    assert (plain["training"], plain["jpk_mark"]) == (None, "NrKSeF")


async def _json(town: Bench, pattern: str, unit: str = SCHOOL) -> dict[str, object]:
    return dict(await until(lambda: town.json(pattern, unit)))


async def test_a_refused_training_document_says_so_first(town: Bench) -> None:
    """The note in `odrzucone/` begins with it."""
    await take_in(town, sale("FV/7/2026"))
    refused = (await take_in(town, sale("FV/7/2026", buyer_name="Inny"))).document
    assert refused is not None
    sheet = aside(town.spool.read_now(lambda store: told(store, refused.id)), PILOT)
    assert sheet.note is not None
    assert sheet.note.decode("utf-8-sig").splitlines()[0] == f"SZKOLENIE: {LABEL}"


async def test_a_number_used_in_training_is_free_in_earnest(town: Bench) -> None:
    """Two worlds, two sets of business numbers; within each of them a number is held once."""
    first = (await take_in(town, sale("FV/1/2026"))).document
    again = await take_in(town, sale("FV/1/2026", buyer_name="Inny"))
    town.municipality = graduated()
    town.door._municipality = graduated()
    real = await take_in(town, sale("FV/1/2026", buyer_name="Naprawdę"))
    taken = await take_in(town, sale("FV/1/2026", buyer_name="Jeszcze ktoś"))
    assert first is not None
    assert [p.code for p in again.problems] == ["number_taken"]
    assert (real.kind, real.document and real.document.name) == ("new", "faktura")
    assert [p.code for p in taken.problems] == ["number_taken"]


async def test_bytes_from_a_training_are_never_taken_for_sent(town: Bench) -> None:
    """The worst that could happen: a real invoice answered with the number that a training gave it. And back."""
    raw = sale("FV/1/2026")
    trained = await town.post(raw, "faktura.xml")
    town.number(trained)
    town.door._municipality = town.municipality = graduated()
    verdict = await take_in(town, raw)
    assert (verdict.kind, [p.code for p in verdict.problems]) == ("refused", ["known_from_training"])
    real = welfare_sale("G/1/2026")
    await take_in(town, real, WELFARE)
    town.door._municipality = town.municipality = PILOT
    assert [p.code for p in (await take_in(town, real)).problems] == ["known_in_earnest"]


async def test_a_training_document_stands_in_no_register(town: Bench) -> None:
    """Neither in the unit's nor in the municipality's, sold or bought; nor does it count in the central tray."""
    await town.post(sale("FV/7/2026"), "a.xml")
    await town.post(welfare_sale("G/1/2026"), "b.xml", WELFARE)
    for number, unit, training in (("K1", SCHOOL, "sandbox"), ("K2", None, "sandbox"), ("K3", None, "")):
        raw = purchase_for_unit(number=number)
        town.receive(raw, number, unit, number=number, training=training)
    sources = Sources(town.spool, town.workers, PILOT, Classes())  # type: ignore[arg-type]
    issued = [row async for row in gather.rows(sources, "issued", WHOLE, "2026-11")]
    received = [row async for row in gather.rows(sources, "received", WHOLE, "2026-11")]
    text = json.dumps([*issued, *received], default=str)
    assert ("G/1/2026" in text, "FV/7/2026" in text) == (True, False)
    assert ("K3" in text, "K1" in text, "K2" in text) == (True, False, False)
    assert town.spool.read_now(lambda store: store.unassigned()) == 1
    told_of = town.spool.read_now(lambda store: store.tray_untold(NOW + timedelta(days=9), 9))
    assert [r.ksef_number for r in told_of] == ["K3"]


def test_a_purchase_from_a_training_is_for_nobody_in_earnest() -> None:
    """Routed among the units that train there; to the tray otherwise, and no supplier is written to."""
    ours = read_received(purchase_for_unit(internal_id=SCHOOL_IDWEW))
    foreign = read_received(purchase_for_unit(nip="5250000021"))
    assert route(ours, PILOT).unit == SCHOOL
    assert route(replace(ours, training="sandbox"), PILOT).unit == SCHOOL
    assert route(replace(ours, training="sandbox"), graduated()).unit is None
    lost = replace(foreign, training="sandbox")
    assert (asks_supplier(foreign, "tray_unknown_unit"), asks_supplier(lost, "tray_unknown_unit")) == (True, False)


async def test_the_file_of_a_purchase_from_a_training_is_marked(town: Bench) -> None:
    """By its name, before anything else in it."""
    town.receive(purchase_for_unit(), "7770001111-20261119-000000-000000-00", SCHOOL, number="Z/1", training="sandbox")
    (got,) = town.spool.read_now(lambda store: store.received_page())
    assert name_of(got).startswith("SZKOLENIE_2026-11-20_")


async def test_no_term_of_a_training_is_reckoned_or_told(town: Bench) -> None:
    """Not at midnight, not after days; `sluza check` finds nothing wrong with that."""
    document = await town.post(sale("FV/7/2026"), "a.xml")
    town.later(days=9)
    assert town.spool.read_now(lambda store: [d.id for d in store.dutiable(0, 9)]) == []
    seen = town.spool.read_now(lambda store: take(store, PILOT.contexts, town.now, PILOT.units))
    assert [f.code for f in findings(seen) if f.kind == "deadline"] == []
    report = town.spool.read_now(lambda store: inspect(store, NOW, lambda *_: None))
    assert [f for f in report.findings if f.subject == document.id] == []


async def test_a_training_that_does_not_work_calls_nobody(town: Bench) -> None:
    """The same finding about production is an alarm."""

    def pause(store: object) -> None:
        for context in PILOT.contexts:
            store.set_condition(context, "paused", {"reason": "certyfikat"}, NOW)  # type: ignore[attr-defined]

    town.spool.write_now(pause)
    seen = town.spool.read_now(lambda store: take(store, PILOT.contexts, NOW, PILOT.units))
    told_of = {f.code: f for f in findings(seen)}
    assert told_of["paused:gmina"].level is Level.ALARM
    assert told_of["paused:szkolenie"].level is Level.LOOK
    assert told_of["paused:szkolenie"].sentence.startswith("SZKOLENIE: ")


async def test_a_context_never_changes_its_world(town: Bench) -> None:
    """What waits from a training would be sent in earnest. With documents it is refused, without any it may."""
    turned = replace(PILOT, contexts=PILOT.contexts | {"szkolenie": replace(_PROD, id="szkolenie")})
    town.spool.write_now(lambda store: worlds.settle(store, turned, NOW))
    town.spool.write_now(lambda store: worlds.settle(store, PILOT, NOW))
    await town.post(sale("FV/1/2026"), "a.xml")
    with pytest.raises(ConfigError, match="szkolenie"):
        town.spool.write_now(lambda store: worlds.settle(store, turned, NOW))


async def test_what_a_town_sent_before_it_was_in_earnest_becomes_a_training(tmp_path: Path) -> None:
    """It tried everything in the sandbox: with its first context in production those documents are marked."""
    before = Bench(tmp_path, MUNICIPALITY)
    before.spool.write_now(lambda store: worlds.settle(store, MUNICIPALITY, NOW))
    tried = await before.post(sale("FV/1/2026"), "a.xml")
    assert (tried.name, tried.facts.training, tried.due_safe is not None) == ("a", "", True)
    town = replace(MUNICIPALITY, contexts=MUNICIPALITY.contexts | {"prawdziwy": replace(_PROD, id="prawdziwy")})
    before.spool.write_now(lambda store: worlds.settle(store, town, NOW))
    (marked,) = before.documents()
    assert (marked.facts.training, marked.due_safe, marked.due_state) == ("sandbox", None, DueState.NONE)
    assert before.spool.read_now(lambda store: store.holder("5080014460", "VAT", "FV/1/2026")) is None
    report = before.spool.read_now(lambda store: inspect(store, NOW, lambda *_: None))
    assert {f.invariant for f in report.findings} <= {"I11"}
    before.close()


async def test_pages_mark_what_is_a_training_and_only_that(tmp_path: Path) -> None:
    """A ribbon names the units that train, each document of theirs has its tag, and the paper its own ribbon."""
    async with running(tmp_path, town=PILOT) as bench:
        await bench.post(sale("FV/7/2026"))
        await bench.post(welfare_sale("G/1/2026"), unit=WELFARE)
        trained, real = await bench.spool.read(lambda store: store.documents())
        pages = {path: (await bench.admin(path)).body.decode() for path in (
            "/", "/faktury", f"/faktury/{trained.id}", f"/faktury/{real.id}")}  # fmt: skip
    for text in pages.values():
        assert "SZKOLENIE: Szkoła Podstawowa nr 1." in text
    assert pages["/faktury"].count('<span class="tag look">SZKOLENIE</span>') == 1
    assert LABEL in pages[f"/faktury/{trained.id}"]
    assert LABEL not in pages[f"/faktury/{real.id}"]


async def test_the_whole_road_in_the_sandbox_beside_production(rig: Rig, sandbox: Sandbox) -> None:
    """Sent, numbered, receipted by a real sandbox while a context in production stands beside, and a purchase back."""
    rig.beside = {"prawdziwy": replace(rig.context, id="prawdziwy", environment="prod", url="http://127.0.0.1:9")}
    supplied = sandbox.call("POST", "/sandbox/inbound", raw=purchase_for_unit(number="Z/9", issue_date=rig.today()))
    raw = sale_of(rig)
    rig.receive, rig.every_seconds = True, 0.2
    await rig.start()
    facts = replace(read_received(raw), training="sandbox")
    document = await rig.put(raw, facts=facts)
    done = await rig.until_upo(document)
    assert done.ksef_number == sandbox.ledger()[document.sha256]["ksef_number"]

    async def look() -> object:
        found = await rig.spool.read(lambda store: store.received_page())
        return found or None

    (got,) = await rig.eventually(look, "the purchase")
    assert (got.ksef_number, got.unit, got.facts.training) == (supplied["ksef_number"], "sp1", "sandbox")


def sale_of(rig: Rig) -> bytes:
    """An invoice of the sandbox's day."""
    return invoice(number="FV/1/2026", issue_date=rig.today())


async def counted_town(town: Bench) -> None:
    """In training one sale and one purchase, in earnest one sale and two purchases, one of which lies in the tray."""
    await town.post(sale("FV/7/2026"), "a.xml")
    await town.post(welfare_sale("G/1/2026"), "b.xml", WELFARE)
    for number, unit, training in (("K1", SCHOOL, "sandbox"), ("K2", WELFARE, ""), ("K3", None, "")):
        town.receive(purchase_for_unit(number=number), number, unit, number=number, training=training)


def seen_by_all(town: Bench) -> Snapshot:
    """What pages, letters, metrics and `sluza status` are made of."""
    return town.spool.read_now(lambda store: take(store, PILOT.contexts, town.now, PILOT.units))


async def test_a_training_is_counted_for_itself(town: Bench) -> None:
    """Queue, states, purchases, the nearest date: real ones only; the training has a line of its own, wherever one
    looks, and none where there is none."""
    assert in_training(seen_by_all(town).trained) == ""
    await counted_town(town)
    seen = seen_by_all(town)
    assert (dict(seen.counts), seen.waiting, [d.facts.number for d in seen.queue]) == ({"QUEUED": 1}, 1, ["G/1/2026"])
    assert (seen.received_total, seen.unassigned, [r.ksef_number for r in seen.latest]) == (2, 1, ["K3", "K2"])
    assert (dict(seen.trained.counts), seen.trained.received) == ({"QUEUED": 1}, 1)
    line = in_training(seen.trained)
    assert line.startswith("SZKOLENIE: wysyłanych 1 (bez numeru: 1), odebranych 1. ")
    assert (page(seen, PILOT)["trained"], page(seen, PILOT)["waiting"]) == (line, "1")
    assert line in "".join(str(text) for text in screen(seen, 200, 0))
    school = town.spool.read_now(lambda s: take_for_units(s, PILOT.contexts, NOW, frozenset({SCHOOL})))
    assert (school.waiting, school.received_total, school.latest, in_training(school.trained)) == (0, 0, [], line)
    other = town.spool.read_now(lambda s: take_for_units(s, PILOT.contexts, NOW, frozenset({WELFARE})))
    assert (other.waiting, other.received_total, in_training(other.trained)) == (1, 1, "")


async def test_the_treasurers_letter_counts_what_is_real(town: Bench) -> None:
    """Each number of the daily summary is of production; the training stands apart."""
    await counted_town(town)
    day = town.spool.read_now(lambda store: store.day(NOW - timedelta(days=1), NOW + timedelta(days=1)))
    assert (day.taken_in, day.received, day.trained) == (1, 2, 2)
    text = letters.of_day(day, seen_by_all(town), [], PILOT, ["skarbnik@gmina.pl"]).text
    assert "\n\nSZKOLENIE: dokumentów ćwiczebnych w tym czasie 2. " in text
    assert "FV/7/2026" not in text


async def test_metrics_have_other_names_for_a_training(town: Bench) -> None:
    """No rule about real invoices, or about a context in earnest, is set off by a training."""
    await counted_town(town)
    trained, _ = town.documents()
    town.spool.write_now(lambda store: store.begin_attempt(trained, "S1", NOW))
    for context in PILOT.contexts:
        town.spool.write_now(lambda store, c=context: store.set_condition(c, "paused", {"reason": "x"}, NOW))  # type: ignore[misc]
    assert town.spool.read_now(lambda store: store.outcomes_since(NOW - timedelta(days=1))) == {}
    known = tuple(replace(_SOON, context=context) for context in PILOT.contexts)
    lines = metrics.text(with_credentials(seen_by_all(town), known), PILOT, Measured()).splitlines()
    assert {
        'sluza_documents{state="QUEUED"} 1', 'sluza_documents{state="SENDING"} 0', "sluza_waiting 1",
        "sluza_received_total 2", 'sluza_training_documents{state="SENDING"} 1', "sluza_training_received_total 1",
        'sluza_context_paused{context="gmina"} 1', 'sluza_training_context_paused{context="szkolenie"} 1',
    } <= set(lines)  # fmt: skip
    assert not [line for line in lines if '"szkolenie' in line and not line.startswith("sluza_training_")]


async def test_a_certificate_of_a_training_calls_nobody(town: Bench) -> None:
    """It ends in two days: an alarm in earnest, a notice in a training; an account of the same name stays itself."""
    known = tuple(replace(_SOON, context=context) for context in PILOT.contexts)
    seen = with_credentials(seen_by_all(town), known)
    found = findings(replace(seen, upkeep=replace(seen.upkeep, guessed=("szkolenie",))))
    said = {f.code: (f.level, f.sentence.startswith("SZKOLENIE: ")) for f in found}
    assert said["certificate:gmina:auth"] == (Level.ALARM, False)
    assert said["certificate:szkolenie:auth"] == (Level.LOOK, True)
    assert said["passwords:szkolenie"] == (Level.LOOK, False)


async def test_counts_follow_a_document_that_becomes_a_training(tmp_path: Path) -> None:
    """The day a town is in earnest, what it tried goes over to the training, in every count, at once."""
    bench = Bench(tmp_path, MUNICIPALITY)
    bench.spool.write_now(lambda store: worlds.settle(store, MUNICIPALITY, NOW))
    await bench.post(sale("FV/1/2026"), "a.xml")
    town = replace(MUNICIPALITY, contexts=MUNICIPALITY.contexts | {"prawdziwy": replace(_PROD, id="prawdziwy")})
    bench.spool.write_now(lambda store: worlds.settle(store, town, NOW))
    for training, expected in ((False, {}), (True, {SCHOOL: {"QUEUED": 1}})):
        by_unit = bench.spool.read_now(lambda store, t=training: store.counts_by_unit(training=t))  # type: ignore[misc]
        assert by_unit == expected
    stale = {(one.kind, one.unit) for one in bench.spool.read_now(lambda store: store.stale_registers())}
    assert {("issued", SCHOOL), ("issued", WHOLE)} <= stale
    bench.close()
