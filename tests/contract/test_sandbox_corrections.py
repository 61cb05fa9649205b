"""Statements I10 and I15: the mode KSeF finds by itself, technical corrections, and where old KOD I links lead."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from typing import Any

import pytest
from sandbox_invoices import invoice, today
from sandbox_kit import OTHER_NIP, Box, Session, b64, digest, poll
from test_sandbox_batch import opened, zipped
from test_sandbox_portal import link

SEND = "POST /v2/sessions/online/{referenceNumber}/invoices"


def at(box: Box, moment: str) -> None:
    """Set the clock."""
    assert box.post("/sandbox/clock", body={"set": moment}).status_code == 200


def spoiled(number: str, day: str | None = None) -> bytes:
    """An invoice KSeF refuses by its schema (450)."""
    return invoice(number=number, day=day).replace(b"<KodWaluty>PLN", b"<KodWaluty>XXQ")


def rejected(session: Session, xml: bytes, code: int = 450, *, offline: bool = True) -> str:
    """Send an invoice that ends in this code; its hash."""
    assert session.verdict(xml, offlineMode=offline)["status"]["code"] == code
    return digest(xml)


def correct(session: Session, xml: bytes, wanted: str, **changes: Any) -> dict[str, Any]:
    """The final item of a technical correction."""
    return session.verdict(xml, offlineMode=True, hashOfCorrectedInvoice=wanted, **changes)


# Warsaw midnight is 23:00Z in winter, 22:00Z in summer; clocks go forward on 28 March 2027 and back on 31 October.
MOMENTS = [
    ("2027-01-15T22:59:50Z", "2027-01-15", "2027-01-16"),
    ("2027-01-15T23:00:10Z", "2027-01-16", "2027-01-17"),
    ("2027-03-27T23:00:10Z", "2027-03-28", "2027-03-29"),
    ("2027-03-28T21:59:50Z", "2027-03-28", "2027-03-29"),
    ("2027-03-28T22:00:10Z", "2027-03-29", "2027-03-30"),
    ("2027-10-30T22:00:10Z", "2027-10-31", "2027-11-01"),
    ("2027-10-31T22:30:00Z", "2027-10-31", "2027-11-01"),
    ("2027-10-31T23:00:10Z", "2027-11-01", "2027-11-02"),
]


@pytest.mark.parametrize(("moment", "day", "tomorrow"), MOMENTS)
def test_sandbox_I10_the_day_is_that_of_warsaw(box: Box, moment: str, day: str, tomorrow: str) -> None:
    """P_1 of the Warsaw day is Online, the day before Offline, the day after 450; the ledger agrees."""
    at(box, moment)
    session = box.session(box.login())
    before = (date.fromisoformat(day) - timedelta(days=1)).isoformat()
    modes = {}
    for issued, number in ((day, "D/1"), (before, "D/2")):
        modes[number] = session.verdict(invoice(number=number, day=issued))["invoicingMode"]
    assert modes == {"D/1": "Online", "D/2": "Offline"}
    assert {row["invoice_number"]: row["offline"] for row in box.ledger()} == {"D/1": False, "D/2": True}
    refused = session.verdict(invoice(day=tomorrow))
    assert (refused["status"]["code"], "invoicingMode" in refused) == (450, False)
    assert tomorrow in refused["status"]["details"][0]


def test_sandbox_I10_online_counts_the_moment_of_sending(box: Box) -> None:
    """A session opened before midnight: what is sent after it is Offline, though declared online (E11)."""
    at(box, "2027-01-15T22:59:30Z")
    session = box.session(box.login())
    assert session.verdict(invoice(day="2027-01-15"))["invoicingMode"] == "Online"
    at(box, "2027-01-15T23:00:01Z")
    late = session.verdict(invoice(day="2027-01-15"), offlineMode=False)
    assert (late["invoicingMode"], late["invoicingDate"][:16]) == ("Offline", "2027-01-15T23:00")
    assert late["ksefNumber"][11:19] == "20270116"
    assert session.verdict(invoice(day="2027-01-16"))["invoicingMode"] == "Online"


def test_sandbox_I10_declared_offline_stays_offline(box: Box) -> None:
    """`offlineMode: true` on the day of issue is Offline, in the metadata too."""
    token = box.login()
    item = box.session(token).verdict(invoice(), offlineMode=True)
    assert (item["invoicingMode"], box.ledger()[0]["offline"]) == ("Offline", True)
    poll(lambda: box.get(f"/v2/invoices/ksef/{item['ksefNumber']}", token).status_code, lambda code: code == 200)
    box.advance(1)
    dates = {"dateType": "Invoicing", "from": item["invoicingDate"]}
    found = box.post("/v2/invoices/query/metadata", token, {"subjectType": "Subject1", "dateRange": dates}).json()
    assert [row["invoicingMode"] for row in found["invoices"]] == ["Offline"]


def test_sandbox_I10_batch_counts_the_day_of_opening(box: Box) -> None:
    """A batch opened before midnight and sent after it: Online for its day, 450 for the next, Offline before it."""
    at(box, "2027-03-28T21:59:00Z")
    days = {"a.xml": "2027-03-28", "b.xml": "2027-03-29", "c.xml": "2027-03-27"}
    batch = opened(box, zipped({name: invoice(day=day, number=name) for name, day in days.items()}))
    at(box, "2027-03-28T22:01:00Z")
    assert batch.settled()["status"]["code"] == 200
    items = box.get(f"/v2/sessions/{batch.ref}/invoices", batch.token).json()["invoices"]
    found = {item["invoiceFileName"]: (item["status"]["code"], item.get("invoicingMode")) for item in items}
    assert found == {"a.xml": (200, "Online"), "b.xml": (450, None), "c.xml": (200, "Offline")}
    assert {row["invoice_number"]: row["offline"] for row in box.ledger()} == {"a.xml": False, "c.xml": True}


def test_sandbox_I15_technical_correction(box: Box) -> None:
    """A rejected offline invoice can be corrected once (then 21166); an accepted one not at all (21167)."""
    session = box.session(box.login())
    wanted = rejected(session, spoiled("K/1"))
    good = invoice(number="K/1")
    item = correct(session, good, wanted)
    assert (item["status"]["code"], item["invoicingMode"]) == (200, "Offline")
    again = session.post(invoice(number="K/2"), offlineMode=True, hashOfCorrectedInvoice=wanted)
    assert box.code(again) == 21166
    onto_good = session.post(invoice(number="K/3"), offlineMode=True, hashOfCorrectedInvoice=digest(good))
    assert box.code(onto_good) == 21167
    (row,) = box.ledger()
    assert (row["offline"], row["invoice_number"]) == (True, "K/1")
    assert b64(bytes.fromhex(row["corrects"])) == wanted


def test_sandbox_I15_old_links_lead_to_the_correction(box: Box) -> None:
    """KOD I with the hash of the rejected file is unknown until the correction is accepted, then resolves to it."""
    session = box.session(box.login())
    bad, good = spoiled("K/1"), invoice(number="K/1")
    wanted = rejected(session, bad)
    assert box.get(link(bad)).status_code == 404
    item = correct(session, good, wanted)
    old, new = box.get(link(bad)).json(), box.get(link(good)).json()
    assert (old["verdict"], old["ksefNumber"], old["hash"]) == ("found", item["ksefNumber"], digest(good))
    assert (old["technicallyCorrected"], new["technicallyCorrected"]) == (True, False)
    assert old | {"technicallyCorrected": False} == new
    for wrong in (link(bad, OTHER_NIP), link(bad, day="2020-01-01")):
        assert box.get(wrong).json() == {"verdict": "not_found"}


def test_sandbox_I15_a_rejected_correction_corrects_nothing(box: Box) -> None:
    """A correction that fails itself leaves the way open for the next, and no link."""
    session = box.session(box.login())
    bad = spoiled("K/1")
    wanted = rejected(session, bad)
    assert correct(session, spoiled("K/1").replace(b"XXQ", b"XXW"), wanted)["status"]["code"] == 450
    assert box.get(link(bad)).status_code == 404
    assert correct(session, invoice(number="K/1"), wanted)["status"]["code"] == 200


def test_sandbox_I15_from_a_batch_by_an_online_session(box: Box) -> None:
    """The original may have been rejected in an offline batch."""
    bad = spoiled("K/1")
    batch = opened(box, zipped({"a.xml": bad}), outer={"offlineMode": True})
    assert batch.settled()["status"]["code"] == 445
    assert correct(box.session(batch.token), invoice(number="K/1"), digest(bad))["status"]["code"] == 200
    assert box.get(link(bad)).json()["technicallyCorrected"] is True


def test_sandbox_I15_not_in_a_batch(box: Box) -> None:
    """A batch has no place for the hash: what it carries is an invoice of its own and links nothing."""
    bad = spoiled("K/1")
    wanted = rejected(box.session(box.login()), bad)
    outer = {"offlineMode": True, "hashOfCorrectedInvoice": wanted}
    batch = opened(box, zipped({"a.xml": invoice(number="K/1")}), outer=outer)
    assert batch.settled()["status"]["code"] == 200
    assert box.ledger()[0]["corrects"] is None
    assert box.get(link(bad)).status_code == 404


def test_sandbox_I15_needs_offline_mode(box: Box) -> None:
    """Without `offlineMode: true` the call is 21405."""
    session = box.session(box.login())
    wanted = rejected(session, spoiled("K/1"))
    for changes in ({}, {"offlineMode": False}):
        assert box.code(session.post(invoice(number="K/1"), hashOfCorrectedInvoice=wanted, **changes)) == 21405
    assert box.ledger() == []


def test_sandbox_I15_a_lack_of_permission_cannot_be_corrected(box: Box) -> None:
    """An offline invoice rejected with 410 is nothing for a technical correction."""
    session = box.session(box.login())
    wanted = rejected(session, invoice(OTHER_NIP), 410)
    assert correct(session, invoice(), wanted)["status"]["code"] == 450
    assert box.ledger() == []


def test_sandbox_I15_a_correction_is_itself_checked_for_permission(box: Box) -> None:
    """A correction for another seller is 410."""
    session = box.session(box.login())
    wanted = rejected(session, spoiled("K/1"))
    assert correct(session, invoice(OTHER_NIP, number="K/1"), wanted)["status"]["code"] == 410


@pytest.mark.parametrize("sent", [False, True], ids=["unknown", "rejected online"])
def test_sandbox_I15_only_rejected_offline_invoices(box: Box, sent: bool) -> None:
    """A hash never sent, or of an invoice rejected online, ends in 450, also when P_1 was in the past."""
    session = box.session(box.login())
    bad = spoiled("K/1", day="2026-11-01")
    if sent:
        rejected(session, bad, offline=False)
    item = correct(session, invoice(number="K/1"), digest(bad))
    assert (item["status"]["code"], bool(item["status"]["details"])) == (450, True)
    assert box.ledger() == []


def test_sandbox_I15_duplicates_and_odd_files_are_technical(box: Box) -> None:
    """440 and 430 can be corrected as well; the attachment rule is lifted."""
    session = box.session(box.login())
    assert session.verdict(invoice(number="K/1"))["status"]["code"] == 200
    duplicate = rejected(session, invoice(number="K/1", comment="again"), 440)
    assert correct(session, invoice(number="K/2"), duplicate)["status"]["code"] == 200
    broken = rejected(session, b"\xef\xbb\xbf" + invoice(number="K/3"), 430)
    assert correct(session, invoice(number="K/3", attachment=True), broken)["status"]["code"] == 200


def test_sandbox_I15_an_undecided_original_must_be_waited_for(box: Box) -> None:
    """While the original is at 150 the answer is 21167, whatever it will end in."""
    session = box.session(box.login())
    fault = box.fault(SEND, "stuck_150", count=1)
    bad = spoiled("K/1")
    ref = session.send(bad, offlineMode=True)
    early = session.post(invoice(number="K/1"), offlineMode=True, hashOfCorrectedInvoice=digest(bad))
    assert box.code(early) == 21167
    box.delete(f"/sandbox/faults/{fault}")
    assert session.wait(ref)["status"]["code"] == 450
    assert correct(session, invoice(number="K/1"), digest(bad))["status"]["code"] == 200


def test_sandbox_I15_two_corrections_at_once(box: Box) -> None:
    """Of corrections sent at the same time exactly one is accepted, the others are 21166."""
    session = box.session(box.login())
    wanted = rejected(session, spoiled("K/1"))
    bodies = [invoice(number=f"K/{place}") for place in range(8)]

    def send(xml: bytes) -> int:
        return session.post(xml, offlineMode=True, hashOfCorrectedInvoice=wanted).status_code

    with ThreadPoolExecutor(8) as pool:
        codes = sorted(pool.map(send, bodies))
    assert codes == [202] + [400] * 7
    poll(box.ledger, lambda rows: len(rows) == 1)


def test_sandbox_I15_outlives_a_restart_and_the_clock(start: Any, tmp_path: Any) -> None:
    """Rejected before a restart and a week ago, corrected after it (F4, F5)."""
    box = start(tmp_path / "kept")
    box.switch(rate_limits="off")
    bad = spoiled("K/1", day=today())
    wanted = rejected(box.session(box.login()), bad)
    box.advance(7 * 86_400)
    box.stop()
    again = start(tmp_path / "kept")
    session = again.session(again.login())
    assert correct(session, invoice(number="K/1", day=today()), wanted)["status"]["code"] == 200
    assert again.get(link(bad)).json()["technicallyCorrected"] is True
