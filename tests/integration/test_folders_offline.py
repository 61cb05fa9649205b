"""Offline modes at the unit's side: the paper with both codes, what a failure changes, what ends without a number."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agent import verdict
from gateway.admission import Admission
from gateway.intake import Origin
from gateway.seals import no_seal
from gateway.settings import Policies
from sluza.sample_parts import Corrected, Line
from sluza.samples import ksef_number_for, unit_invoice
from spool import actions, law, outages
from spool.domain.announcements import Category
from spool.domain.calendar import WARSAW
from spool.domain.catalogue import problem
from spool.domain.codes import kod1_url
from spool.domain.document import Mode
from spool.domain.errors import MoveRefused
from spool.domain.ledger import Document
from spool.domain.municipality import Policy
from spool.domain.outcomes import Refused
from spool.domain.states import State
from spool.domain.terms import DueState
from spool.store import Store
from tests.folders_bench import SCHOOL, Bench, bench_at, sale, until
from tests.pictures import codes_on, require_tools, text_of


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with bench_at(tmp_path) as found:
        found.workers.draws = True
        yield found


def announce(bench: Bench, category: Category, *, end: datetime | None = None, confirm: bool = False) -> str:
    """A notice published five minutes ago, recomputed as the agent does."""
    began = bench.now - timedelta(minutes=5)

    def job(store: Store) -> str:
        found = outages.add(
            store,
            "sandbox",
            category,
            began,
            bench.now,
            name="Anna",
            link="https://bip.example",
            published=began,
            end=end,
        )
        if confirm:
            outages.confirm(store, found.announcement.id, bench.now, name="Anna")
        return found.announcement.id

    name = bench.spool.write_now(job)
    recompute(bench)
    return name


def recompute(bench: Bench) -> None:
    rules = law.Rules(law.Law(), bench.municipality)
    bench.spool.write_now(lambda store: law.recompute(store, rules, bench.now))


async def test_offline24_gives_the_paper_with_both_codes(bench: Bench) -> None:
    """Dropped into `offline24/`: within seconds the confirmation with KOD I and KOD II lies in `w-toku/`."""
    require_tools("pdftoppm", "zbarimg", "pdftotext")
    async with bench.running():
        (bench.inbox() / "offline24" / "sala.xml").write_bytes(sale())
        pdf = await until(lambda: bench.found("w-toku/sala.pdf"))
        said = await until(lambda: bench.json("w-toku/sala.json"))
    document = bench.only()
    assert (said["mode"], said["document_title"], said["jpk_mark"]) == ("offline24", "Potwierdzenie transakcji", "DI")
    assert said["due_safe"] == "2026-11-23T23:59:59+01:00"
    assert document.cert_serial
    assert set(codes_on(pdf)) == {said["kod1_url"], said["kod2_url"]}
    words = text_of(pdf)
    assert "OFFLINE" in words
    assert "CERTYFIKAT" in words


async def test_the_codes_are_those_of_the_stored_bytes(bench: Bench) -> None:
    """KOD I and KOD II carry seller, day and hash of exactly what was dropped."""
    document = await bench.post(sale(), "a.xml", offline24=True)
    raw = bench.spool.read_now(lambda store: store.body(document.sha256))
    assert raw == sale()
    facts = document.facts
    assert facts.issue_date is not None
    link = kod1_url("https://qr-test.ksef.mf.gov.pl", facts.seller_nip, facts.issue_date, document.sha256)
    assert document.kod2_url.split("/")[-2] == link.split("/")[-1]


async def test_offline24_needs_the_mayors_order(bench: Bench) -> None:
    """Where the policy does not allow it, it is refused; the same bytes may still go online."""
    bench.door._admission = replace(bench.door._admission, policies=Policies(Policy("refused")))
    refused = await bench.post(sale(), "a.xml", offline24=True)
    assert [p.code for p in refused.problems] == ["offline24_not_allowed"]
    again = await bench.post(sale(), "a.xml")
    assert (again.id, again.state, again.mode) == (refused.id, State.QUEUED, Mode.ONLINE)


async def test_offline24_needs_an_offline_certificate(bench: Bench) -> None:
    """Without a valid type 2 certificate there is no KOD II, and so no offline24."""
    bench.door._admission = Admission(Policies(Policy("allowed")), bench.door._admission.rules, lambda *_: None)
    refused = await bench.post(sale(), "a.xml", offline24=True)
    assert [p.code for p in refused.problems] == ["offline24_no_certificate"]


async def test_in_a_failure_every_drop_is_a_failure_invoice(bench: Bench) -> None:
    """Inside an announced failure the wish does not matter, not even one that the order forbids."""
    bench.door._admission = replace(bench.door._admission, policies=Policies(Policy("refused")))
    announce(bench, Category.FAILURE)
    for number, offline24 in (("F/1", False), ("F/2", True)):
        document = await bench.post(sale(number), f"{number[-1]}.xml", offline24=offline24)
        assert (document.state, document.mode, document.due_state) == (State.QUEUED, Mode.FAILURE, DueState.PENDING)
        assert document.due_safe is None
        assert document.kod2_url
        assert document.announcements == ("reczny-1",)


async def test_a_waiting_online_invoice_becomes_a_failure_invoice(bench: Bench) -> None:
    """Announced while it waits: the paper with both codes appears, and the date once the failure has its end."""
    require_tools("pdftoppm", "zbarimg")
    async with bench.running():
        bench.drop("sala.xml", sale())
        await until(lambda: bench.json("w-toku/sala.json"))
        assert bench.lying("w-toku") == ["sala.json"]
        announce(bench, Category.FAILURE)
        pdf = await until(lambda: bench.found("w-toku/sala.pdf"))
        assert len(codes_on(pdf)) == 2
        assert bench.json("w-toku/sala.json")["due_safe"] is None
        bench.later(hours=1)
        ended = bench.now
        bench.spool.write_now(
            lambda store: outages.close(store, "reczny-1", ended, ended, name="Anna", link="https://bip.example")
        )
        recompute(bench)
        said = await until(lambda: bench.json("w-toku/sala.json")["due_safe"] and bench.json("w-toku/sala.json"))
    assert (said["mode"], said["jpk_mark"], said["document_title"]) == ("failure", "OFF", "Faktura")
    assert said["due_safe"] == "2026-12-01T23:59:59+01:00"
    notes = [e["note"] for e in said["history"]]
    assert sum(n.startswith("Termin przeliczony.") for n in notes) == 2


async def test_in_a_total_failure_the_paper_has_no_codes(bench: Bench) -> None:
    """Confirmed: the drop is recorded, never sent, and comes back with a note and a paper without codes."""
    require_tools("pdftoppm", "zbarimg")
    announce(bench, Category.TOTAL_FAILURE, confirm=True)
    async with bench.running():
        bench.drop("sala.xml", sale())
        note = await until(lambda: bench.found("odrzucone/*/sala.blad.txt"))
        said = await until(lambda: bench.json("odrzucone/*/sala.json"))
        assert await until(lambda: codes_on(bench.found("odrzucone/*/sala.pdf")) == [])
    assert (said["state"], said["mode"], said["jpk_mark"], said["due_safe"]) == ("CEASED", "total_failure", "BFK", None)
    assert "WYGASŁ" in note.read_text(encoding="utf-8-sig")


async def test_the_treasurer_may_send_it_all_the_same(bench: Bench) -> None:
    """A ceased document goes back to the queue only with a reason, and the next recomputation leaves it there."""
    announce(bench, Category.TOTAL_FAILURE, confirm=True)
    document = await bench.post(sale(), "a.xml")
    assert document.state is State.CEASED

    def override(reason: str) -> Document:
        return bench.spool.write_now(
            lambda store: actions.send_all_the_same(
                store, document.id, bench.now, "Skarbnik", reason, law.Rules(law.Law(), bench.municipality)
            )
        )

    with pytest.raises(MoveRefused):
        override("")
    assert override("Polecenie z 20.11.2026").state is State.QUEUED
    bench.later(days=1)
    recompute(bench)
    assert bench.only().state is State.QUEUED


async def test_S16_a_correction_outside_ksef_of_our_own_original(bench: Bench) -> None:
    """Refused with the cure while the original waits; when it has its number, the unit reads the number in the note."""
    original = await bench.post(sale("S/1"), "oryginal.xml")
    async with bench.running():
        bench.drop("korekta.xml", correction("S/1"))
        note = await until(lambda: bench.found("odrzucone/*/korekta.blad.txt"))
        assert "Wystaw korektę jeszcze raz" in note.read_text(encoding="utf-8-sig")
        number = numbered(bench, original)
        await until(lambda: number in note.read_text(encoding="utf-8-sig"))
    assert "gdy zostanie nadany" not in note.read_text(encoding="utf-8-sig")
    refused = bench.json("odrzucone/*/korekta.json")
    assert [e["code"] for e in refused["errors"]] == ["original_not_numbered"]


def correction(number: str, ksef_number: str = "") -> bytes:
    """A correction of the school's invoice with this number."""
    original = Corrected(number, "2026-11-20", ksef_number)
    return unit_invoice(
        number=f"K/{number}", issue_date="2026-11-20", kind="KOR", corrects=(original,), lines=(Line(net="-10.00"),)
    )


def numbered(bench: Bench, document: Document) -> str:
    """As the agent accepts it, with everything that follows."""
    number = f"5080014460-20261120-{document.sha256[:6].upper()}{document.sha256[6:12].upper()}-7F"

    def job(store: Store) -> None:
        verdict.submitted(store, store.begin_attempt(document, "S", bench.now), "R", bench.now)
        verdict.accepted(
            store, law.Rules(law.Law(), bench.municipality), store.document(document.id), number, bench.now, bench.now
        )

    bench.spool.write_now(job)
    return number


@pytest.mark.parametrize(
    ("ksef_number", "code"),
    [("right", None), ("wrong", "original_other_number"), ("", "original_not_numbered")],
)
async def test_S16_the_ksef_number_is_held_against_ours(bench: Bench, ksef_number: str, code: str | None) -> None:
    """The right number passes; another one, or none, is refused and the right one named."""
    ours = numbered(bench, await bench.post(sale("S/2"), "o.xml"))
    given = {"right": ours, "wrong": ksef_number_for(), "": ""}[ksef_number]
    found = await bench.post(correction("S/2", given), "k.xml")
    assert [p.code for p in found.problems] == ([code] if code else [])
    if code:
        assert ours in found.problems[0].hint


async def test_S16_another_units_original_stays_unnamed(bench: Bench) -> None:
    """The unit learns neither the number nor that it is another unit's (I7)."""
    number = numbered(bench, await bench.post(sale("S/3"), "o.xml", unit="gops"))
    found = await bench.post(correction("S/3"), "k.xml")
    assert [p.code for p in found.problems] == ["original_elsewhere"]
    assert number not in f"{found.problems[0]} {found.reason}"


async def test_S16_the_number_of_another_invoice_is_refused(bench: Bench) -> None:
    """A KSeF number of ours that belongs to an invoice with another number."""
    number = numbered(bench, await bench.post(sale("S/4"), "o.xml"))
    found = await bench.post(correction("STARA/9", number), "k.xml")
    assert [p.code for p in found.problems] == ["original_mismatch"]


def rejected(bench: Bench, document: Document) -> Document:
    """As KSeF rejects it after it was sent."""

    def job(store: Store) -> Document:
        verdict.submitted(store, store.begin_attempt(document, "S", bench.now), "R", bench.now)
        found = problem("ksef_refused", description="Błąd weryfikacji pliku", status=430, details="")
        verdict.refused(store, store.document(document.id), Refused((found,)), bench.now)
        return store.document(document.id)

    return bench.spool.write_now(job)


async def correct(bench: Bench, original: Document, raw: bytes) -> Any:
    origin = Origin(bench.municipality.units[SCHOOL], "cli", "poprawiona.xml", actor="Anna")
    return await bench.door.correct(raw, original, origin)


async def test_a_technical_correction_keeps_the_deadline(bench: Bench) -> None:
    """Other bytes, the same content: queued as a correction with the due date of the original."""
    original = rejected(bench, await bench.post(sale(), "a.xml", offline24=True))
    assert "sluza queue correct" in original.problems[0].hint
    bench.later(hours=20)
    answer = await correct(bench, original, sale().replace(b"<SystemInfo>", b"<SystemInfo>2 "))
    found = answer.document
    assert (answer.kind, found.corrects, found.state) == ("new", original.sha256, State.QUEUED)
    assert (found.due_safe, found.issued_at) == (original.due_safe, original.issued_at)
    assert found.sent_offline


async def test_a_rejected_invoice_that_comes_again_keeps_its_moment(bench: Bench) -> None:
    """The same bytes after KSeF's rejection: issued when they first were, with the same date, however they come."""
    original = rejected(bench, await bench.post(sale(), "a.xml", offline24=True))
    bench.later(hours=20)
    again = await bench.post(sale(), "a.xml")
    assert (again.id, again.state) == (original.id, State.QUEUED)
    assert (again.issued_at, again.due_safe, again.wish) == (original.issued_at, original.due_safe, Mode.OFFLINE24)


async def test_S10_a_technical_correction_may_not_change_the_content(bench: Bench) -> None:
    """One amount differs: refused, and the field is named."""
    original = rejected(bench, await bench.post(sale(), "a.xml", offline24=True))
    answer = await correct(bench, original, sale(lines=(Line(net="999.00"),)))
    assert [p.code for p in answer.problems] == ["correction_content_changed"]
    assert answer.problems[0].field.startswith("Fa/")


async def test_only_what_ksef_rejected_offline_can_be_corrected_technically(bench: Bench) -> None:
    """Not an online invoice, not one that we refused ourselves, not the same bytes, not twice."""
    other = sale().replace(b"<SystemInfo>", b"<SystemInfo>2 ")
    online = rejected(bench, await bench.post(sale("O/1"), "o.xml"))
    with pytest.raises(MoveRefused):
        await correct(bench, online, sale("O/1").replace(b"<SystemInfo>", b"<SystemInfo>2 "))
    original = rejected(bench, await bench.post(sale(), "a.xml", offline24=True))
    with pytest.raises(MoveRefused):
        await correct(bench, original, sale())
    assert (await correct(bench, original, other)).kind == "new"
    with pytest.raises(MoveRefused):
        await correct(bench, original, other.replace(b"<SystemInfo>2", b"<SystemInfo>3"))


async def test_E10_the_day_of_intake_decides(bench: Bench) -> None:
    """`P_1` of tomorrow is refused; of yesterday it is taken, deemed offline24, due by the next working day."""
    bench.now = datetime(2026, 11, 21, 10, tzinfo=WARSAW)
    late = await bench.post(sale(), "a.xml")
    assert (late.state, late.mode, late.deemed) == (State.QUEUED, Mode.OFFLINE24, True)
    assert late.due_safe == datetime(2026, 11, 23, 23, 59, 59, tzinfo=WARSAW)
    bench.now = datetime(2026, 11, 19, 23, 59, tzinfo=WARSAW)
    early = await bench.post(sale("J/1"), "b.xml")
    assert [p.code for p in early.problems] == ["issue_date_in_future"]


async def test_any_instant_can_be_the_moment_of_issue(bench: Bench) -> None:
    """The clock's microseconds do not keep the paper from being drawn."""
    bench.now = bench.now.replace(microsecond=123456)
    async with bench.running():
        (bench.inbox() / "offline24" / "sala.xml").write_bytes(sale())
        pdf = await until(lambda: bench.found("w-toku/sala.pdf"))
    assert pdf.read_bytes().startswith(b"%PDF")


async def test_a_rejected_offline_invoice_is_owed_until_replaced(bench: Bench) -> None:
    """Its date runs on and is recomputed; the number that replaces it, or a person, ends that."""
    original = rejected(bench, await bench.post(sale(), "a.xml", offline24=True))
    assert original.owed
    bench.later(days=4)
    recompute(bench)
    assert bench.spool.read_now(lambda store: store.document(original.id)).due_state is DueState.OVERDUE
    other = await bench.post(sale(lines=(Line(net="1.00"),)), "b.xml")
    numbered(bench, other)
    assert not bench.spool.read_now(lambda store: store.document(original.id)).owed


async def test_a_person_may_say_that_a_rejected_invoice_is_void(bench: Bench) -> None:
    """Nobody has the paper: `queue withdraw` ends the duty, and the refusal stays what it is."""
    original = rejected(bench, await bench.post(sale(), "a.xml", offline24=True))
    done = bench.spool.write_now(lambda s: actions.withdraw(s, original.id, bench.now, "Anna", "nie wydano"))
    assert (done.state, done.owed) == (State.REFUSED, False)


async def test_what_we_refuse_ourselves_is_not_owed(bench: Bench) -> None:
    """Refused at intake or sent online: nothing was issued, nothing is owed."""
    assert not (await bench.post(b"<inne/>", "a.xml")).owed
    assert not rejected(bench, await bench.post(sale("O/2"), "o.xml")).owed


async def test_a_rejected_invoice_whose_day_passed_is_owed(bench: Bench) -> None:
    """The law deems it offline24 (art. 106nda ust. 16), so its next working day runs on; also when the same bytes come
    again and are refused by us."""
    bench.later(days=1)
    original = rejected(bench, await bench.post(sale("O/3"), "o.xml"))
    assert original.owed
    await bench.post(sale("O/3"), "o.xml", unit="gops")
    again = await bench.post(sale("O/3"), "o.xml")
    assert [p.code for p in again.problems] == ["duplicate_in_municipality"]
    assert (again.id, again.owed, again.due_safe) == (original.id, True, original.due_safe)


async def test_a_correction_has_the_term_of_today_not_of_the_issue(bench: Bench) -> None:
    """Issued in a failure that ended since: the correction has the date of the end notice, not "not known yet"."""
    outage = announce(bench, Category.FAILURE)
    original = await bench.post(sale(), "a.xml")
    bench.later(days=1)
    bench.spool.write_now(lambda s: outages.close(s, outage, bench.now, bench.now, name="Anna", link="x"))
    recompute(bench)
    original = rejected(bench, bench.spool.read_now(lambda s: s.document(original.id)))
    answer = await correct(bench, original, sale().replace(b"<SystemInfo>", b"<SystemInfo>2 "))
    assert original.due_safe is not None
    assert (answer.document.mode, answer.document.due_safe) == (Mode.FAILURE, original.due_safe)


async def test_fault_F15_midnight_between_judgement_and_commit(bench: Bench) -> None:
    """Judged before midnight and stored after it: deemed offline24 at once, not online and overdue."""
    bench.now = datetime(2026, 11, 20, 23, 59, 59, 900_000, tzinfo=WARSAW)
    judge = bench.door._judge

    def slowly(raw: bytes, examined: Any, origin: Origin) -> Any:
        judged = judge(raw, examined, origin)
        bench.later(seconds=1)
        return judged

    bench.door._judge = slowly  # type: ignore[method-assign]
    document = await bench.post(sale(), "a.xml")
    assert (document.mode, document.deemed, document.due_state) == (Mode.OFFLINE24, True, DueState.OPEN)


async def test_a_rejected_offline_invoice_dropped_again_is_the_same_issue(bench: Bench) -> None:
    """The ordinary folder is where people drop it again: mode, moment, term and codes are those of its issue."""
    original = rejected(bench, await bench.post(sale(), "a.xml", offline24=True))
    bench.door._admission = replace(bench.door._admission, policies=Policies(Policy("refused")), seal=no_seal)
    bench.later(days=1)
    again = await bench.post(sale(), "a.xml")
    assert (again.id, again.state, again.mode) == (original.id, State.QUEUED, Mode.OFFLINE24)
    assert (again.issued_at, again.due_safe) == (original.issued_at, original.due_safe)
    assert again.kod2_url == original.kod2_url != ""
    assert await correct(bench, rejected(bench, again), sale().replace(b"<SystemInfo>", b"<SystemInfo>2 "))


async def test_a_correction_that_comes_again_is_still_a_correction(bench: Bench) -> None:
    """Rejected too, then dropped again or retried: KSeF is told once more which invoice it corrects."""
    original = rejected(bench, await bench.post(sale(), "a.xml", offline24=True))
    other = sale().replace(b"<SystemInfo>", b"<SystemInfo>2 ")
    refused = rejected(bench, (await correct(bench, original, other)).document)
    again = await bench.post(other, "poprawiona.xml")
    assert (again.id, again.state, again.corrects) == (refused.id, State.QUEUED, original.sha256)


async def test_a_refusal_of_ours_leaves_the_issue_of_a_rejected_invoice(bench: Bench) -> None:
    """Dropped again while its correction holds the number: refused, and still an offline invoice with its term."""
    original = rejected(bench, await bench.post(sale(), "a.xml", offline24=True))
    await correct(bench, original, sale().replace(b"<SystemInfo>", b"<SystemInfo>2 "))
    again = await bench.post(sale(), "a.xml")
    assert (again.id, again.state, again.mode) == (original.id, State.REFUSED, Mode.OFFLINE24)
    assert again.due_safe == original.due_safe
    assert [p.code for p in again.problems] == ["number_taken"]


async def test_a_duty_that_has_ceased_is_not_queued(bench: Bench) -> None:
    """Brought in late, a total failure confirmed within its term: ceased at once, not later."""
    bench.later(days=3)
    announce(bench, Category.TOTAL_FAILURE, confirm=True)
    bench.later(hours=1)
    document = await bench.post(sale(), "a.xml")
    assert (document.state, document.mode) == (State.CEASED, Mode.OFFLINE24)
