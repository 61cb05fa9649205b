"""Receiving against the sandbox: packages up to the high-water mark, each invoice once, to its unit or the tray."""

import asyncio
import zipfile
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from agent import exports
from agent.receive import Receive
from agent.settings import POLITE_SECONDS
from sluza.samples import BUYER_NIP, SCHOOL_IDWEW, invoice, ksef_number_for, purchase_for_unit, unit_invoice
from spool.domain.document import ROLE_JST_RECIPIENT, FormCode, ThirdParty
from spool.domain.ledger import Received
from spool.domain.municipality import Municipality
from spool.domain.routing import is_own_sale
from spool.domain.states import State
from spool.store import Store
from spool.xml import read_received
from tests import hostile_values, hostile_xml
from tests.integration.agent_rig import DEADLINE_S, NIP, Rig, Sandbox, bench_fixture, rig_fixture, sandbox_fixture  # noqa: F401

EXPORT = "POST /v2/invoices/exports"


async def _received(rig: Rig) -> list[Received]:
    return await rig.spool.read(lambda store: store.received_page(limit=1000))


async def _until_received(rig: Rig, count: int, seconds: float = DEADLINE_S) -> list[Received]:
    async def look() -> list[Received] | None:
        found = await _received(rig)
        return found if len(found) >= count else None

    return list(await rig.eventually(look, f"{count} received invoices", seconds))


def _supply(sandbox: Sandbox, raw: bytes) -> str:
    return str(sandbox.call("POST", "/sandbox/inbound", raw=raw)["ksef_number"])


async def _exports(rig: Rig, sandbox: Sandbox, more: int) -> None:
    """Wait until so many further exports have been started."""
    before = sandbox.requests()["by_endpoint"].get(EXPORT, 0)

    async def look() -> bool | None:
        return (sandbox.requests()["by_endpoint"].get(EXPORT, 0) >= before + more) or None

    await rig.eventually(look, f"{more} more exports")


async def test_fault_K16_purchases_find_their_units_or_the_tray_once(rig: Rig, sandbox: Sandbox) -> None:
    """Two go to their units by NIP and IDWew, one to the tray with a reason; a later run adds nothing."""
    day = rig.today()
    by_nip = _supply(sandbox, purchase_for_unit(number="Z/1", issue_date=day))
    by_id = _supply(sandbox, purchase_for_unit(internal_id=SCHOOL_IDWEW, number="Z/2", issue_date=day))
    stranger = ThirdParty(ROLE_JST_RECIPIENT, "5250000021", "", "Nieznana")
    tray = _supply(sandbox, purchase_for_unit(number="Z/3", issue_date=day, third_parties=(stranger,)))
    rig.receive, rig.every_seconds = True, 0.2
    await rig.start()
    found = {r.ksef_number: r for r in await _until_received(rig, 3)}
    assert found[by_nip].unit == found[by_id].unit == "sp1"
    assert found[tray].unit is None
    assert "5250000021" in found[tray].why
    assert found[tray].rule == "tray_unknown_unit"
    stored = await rig.spool.read(lambda store: store.body(found[by_nip].sha256))
    assert b"<P_2>Z/1</P_2>" in stored
    await _exports(rig, sandbox, 3)
    assert len(await _received(rig)) == 3
    assert (await rig.condition("last_received"))["at"]
    await rig.stop()
    await rig.start()
    late = _supply(sandbox, purchase_for_unit(number="Z/4", issue_date=day))
    found = {r.ksef_number: r for r in await _until_received(rig, 4)}
    assert late in found


async def test_mark_moves_over_an_empty_window(rig: Rig, sandbox: Sandbox) -> None:
    """Nothing came: the mark still follows the high-water mark, for both subjects."""
    rig.receive, rig.every_seconds = True, 0.2
    began = sandbox.now()
    await rig.start()

    async def moved() -> bool | None:
        marks = await rig.spool.read(lambda store: [store.mark("gmina", s) for s in ("Subject2", "Subject3")])
        return all(m is not None and m > began - timedelta(seconds=5) for m in marks) or None

    await rig.eventually(moved, "marks near now")


async def test_fault_K15_truncated_packages_are_followed_by_the_next(rig: Rig, sandbox: Sandbox) -> None:
    """A package holds only so many: the next one begins where it ended (isTruncated)."""
    sandbox.switch(truncation_threshold=2, export_part_size=600)
    numbers = {_supply(sandbox, purchase_for_unit(number=f"T/{n}", issue_date=rig.today())) for n in range(4)}
    rig.receive, rig.every_seconds = True, 0.2
    await rig.start()

    async def everything() -> bool | None:
        return (numbers <= {r.ksef_number for r in await _received(rig)}) or None

    await rig.eventually(everything, "all four")


async def test_own_sales_are_not_received(rig: Rig, sandbox: Sandbox) -> None:
    """A unit in role 7 makes our own sale visible to Subject3: it is not a purchase."""
    document = await rig.put(unit_invoice(number="OWN/1", issue_date=rig.today()))
    rig.receive, rig.every_seconds = True, 0.2
    await rig.start()
    done = await rig.until(document, State.ACCEPTED)
    marker = _supply(sandbox, purchase_for_unit(number="OWN/marker", issue_date=rig.today()))

    async def marked() -> bool | None:
        return any(r.ksef_number == marker for r in await _received(rig)) or None

    await rig.eventually(marked, "the marker")
    await _exports(rig, sandbox, 3)
    assert done.ksef_number not in {r.ksef_number for r in await _received(rig)}


async def test_fault_K15_failed_export_loses_nothing(rig: Rig, sandbox: Sandbox) -> None:
    """A lost start, a cut download: the mark has not moved, the next run has everything."""
    number = _supply(sandbox, purchase_for_unit(number="K15/1", issue_date=rig.today()))
    sandbox.fault(EXPORT, "timeout_after", 1, hold_s=0.05)
    sandbox.fault("GET /storage/{area}/{ref}/{name}", "truncate", 1)
    rig.receive, rig.every_seconds = True, 0.2
    await rig.start()

    async def there() -> bool | None:
        return any(r.ksef_number == number for r in await _received(rig)) or None

    await rig.eventually(there, "the invoice")


async def test_fault_K16_town_hall_gets_what_is_for_the_municipality(rig: Rig, sandbox: Sandbox) -> None:
    """`JST`=2 and nobody in Podmiot3: addressed to the municipality itself (P5)."""
    raw = invoice(number="TH/1", issue_date=rig.today(), seller_nip="7770001111", buyer_nip=NIP, jst="2")
    number = _supply(sandbox, raw)
    rig.receive, rig.every_seconds = True, 0.2
    await rig.start()

    async def there() -> Received | None:
        return next((r for r in await _received(rig) if r.ksef_number == number), None)

    found = await rig.eventually(there, "the invoice")
    assert (found.unit, found.rule) == ("urzad", "town_hall")
    assert found.acquisition_date > datetime(2026, 1, 1, tzinfo=UTC)


async def test_fault_K15_long_absence_is_fetched_in_windows(rig: Rig, sandbox: Sandbox) -> None:
    """More than 100 days without the agent: window after window, nothing skipped (protocol §9.1)."""
    first = _supply(sandbox, purchase_for_unit(number="W/1", issue_date=rig.today()))
    await rig.advance(days=150)
    second = _supply(sandbox, purchase_for_unit(number="W/2", issue_date=rig.today()))
    rig.receive, rig.every_seconds = True, 0.2
    await rig.start()

    async def both() -> bool | None:
        return ({first, second} <= {r.ksef_number for r in await _received(rig)}) or None

    await rig.eventually(both, "both invoices")


async def test_fault_K15_one_bad_entry_does_not_block_the_window(rig: Rig, sandbox: Sandbox, monkeypatch: Any) -> None:
    """An invoice whose bytes are not what KSeF's metadata says is left out with an event; its neighbour arrives."""
    day = rig.today()
    bad = _supply(sandbox, purchase_for_unit(number="BAD/1", issue_date=day))
    good = _supply(sandbox, purchase_for_unit(number="BAD/2", issue_date=day))
    real = Receive._store

    def spoiled(self: Receive, store: Store, entries: Any, metadata: Any) -> int:
        return real(self, store, entries, metadata | {bad: metadata.get(bad, {}) | {"invoiceHash": "A" * 43 + "="}})

    monkeypatch.setattr(Receive, "_store", spoiled)
    rig.receive, rig.every_seconds = True, 0.2
    await rig.start()

    async def there() -> bool | None:
        return good in {r.ksef_number for r in await _received(rig)} or None

    await rig.eventually(there, "the good neighbour")
    assert bad not in {r.ksef_number for r in await _received(rig)}
    await _exports(rig, sandbox, 3)
    events = await rig.spool.read(lambda store: store.history("context:gmina"))
    assert [bad in e.note for e in events if e.move == "received_bad"] == [True]
    assert "receive_failing" not in await rig.conditions()


async def _from_now_on(rig: Rig, sandbox: Sandbox) -> datetime:
    """Receiving has come as far as the present, so that one window is enough."""
    now = sandbox.now()
    await rig.spool.write(lambda store: [store.set_mark("gmina", s, now) for s in ("Subject2", "Subject3")])
    return now


async def _until_there(rig: Rig, number: str) -> None:
    async def there() -> bool | None:
        return number in {r.ksef_number for r in await _received(rig)} or None

    await rig.eventually(there, number)


async def test_fault_K15_an_item_that_appears_late_is_found(rig: Rig, sandbox: Sandbox) -> None:
    """Its storage date lies two minutes below a mark that has passed: the windows overlap, so it comes."""
    number = _supply(sandbox, purchase_for_unit(number="LATE/1", issue_date=rig.today()))
    beyond = sandbox.now() + timedelta(minutes=2)
    await rig.spool.write(lambda store: [store.set_mark("gmina", s, beyond) for s in ("Subject2", "Subject3")])
    await rig.advance(minutes=3)
    rig.receive, rig.every_seconds = True, 0.2
    await rig.start()
    await _until_there(rig, number)


async def test_fault_K15_killed_before_the_mark_the_page_comes_again_once(
    rig: Rig, sandbox: Sandbox, monkeypatch: Any
) -> None:
    """Documents first, then the mark: killed between the two, the same package comes again and adds nothing."""
    began = await _from_now_on(rig, sandbox)
    number = _supply(sandbox, purchase_for_unit(number="KILL/1", issue_date=rig.today()))
    before: list[bool] = []
    real = Receive._advance

    async def killed(self: Receive, window: Any, export: Any) -> Any:
        if not export.invoices:
            return await real(self, window, export)
        before.append(number in {r.ksef_number for r in await _received(rig)})
        return await asyncio.Event().wait()

    monkeypatch.setattr(Receive, "_advance", killed)
    rig.receive, rig.every_seconds = True, 0.2
    await rig.start()

    async def stored() -> bool | None:
        return True if before else None

    async def passed() -> bool | None:
        mark = await rig.spool.read(lambda store: store.mark("gmina", "Subject2"))
        return (mark is not None and mark > began) or None

    await rig.eventually(stored, "the package stored, the mark not")
    await rig.kill()
    assert before == [True]
    assert not await passed()
    monkeypatch.setattr(Receive, "_advance", real)
    await rig.start()

    await rig.eventually(passed, "the mark")
    assert [r.ksef_number for r in await _received(rig)].count(number) == 1


async def test_fault_K15_a_high_water_mark_that_moves_back_moves_nothing(
    rig: Rig, sandbox: Sandbox, monkeypatch: Any
) -> None:
    """KSeF names an earlier mark than before: ours stays, the window is asked for again, what came stays one row."""
    subjects = ("Subject2", "Subject3")

    async def marks() -> list[datetime | None]:
        return await rig.spool.read(lambda store: [store.mark("gmina", subject) for subject in subjects])

    async def moved() -> bool | None:
        return all(mark is not None and mark > began for mark in await marks()) or None

    began = await _from_now_on(rig, sandbox)
    number = _supply(sandbox, purchase_for_unit(number="BACK/1", issue_date=rig.today()))
    rig.receive, rig.every_seconds = True, 0.2
    await rig.start()
    await _until_there(rig, number)
    await rig.eventually(moved, "both marks")
    real, back, told = Receive._advance, timedelta(hours=1), Counter[str]()

    async def earlier(self: Receive, window: Any, export: Any) -> Any:
        if export.hwm is not None:
            export = replace(export, hwm=export.hwm - back)
            told[window.subject] += 1
        return await real(self, window, export)

    async def told_twice() -> bool | None:
        return all(told[subject] >= 2 for subject in subjects) or None

    monkeypatch.setattr(Receive, "_advance", earlier)
    known = await marks()
    await rig.eventually(told_twice, "an earlier mark for both subjects, twice")
    for now, before in zip(await marks(), known, strict=True):
        assert now is not None
        assert before is not None
        assert now >= before
    late = _supply(sandbox, purchase_for_unit(number="BACK/2", issue_date=rig.today()))
    await _until_there(rig, late)
    numbers = [r.ksef_number for r in await _received(rig)]
    assert (numbers.count(number), numbers.count(late)) == (1, 1)


async def test_fault_K04_receiving_asks_every_fifteen_minutes(rig: Rig, sandbox: Sandbox) -> None:
    """Once per subject and quarter of an hour, also by a process that is started again in between."""

    def asked() -> int:
        return int(sandbox.requests()["by_endpoint"].get(EXPORT, 0))

    async def until_asked(times: int) -> None:
        async def look() -> bool | None:
            return asked() >= times or None

        await rig.eventually(look, f"{times} exports")

    await _from_now_on(rig, sandbox)  # one window each
    rig.receive, rig.every_seconds = True, POLITE_SECONDS
    await rig.start()
    await until_asked(2)
    for _ in range(2):
        await rig.stop()
        await rig.advance(minutes=5)
        await rig.start()
        document = await rig.put_new(f"K04/{rig.clock()}")
        await rig.until(document, State.ACCEPTED)  # by then receiving has had its turn, too
        assert asked() == 2
    await rig.advance(minutes=6)
    await until_asked(4)
    assert asked() == 4


def _as_sent_by_a_supplier(raw: bytes) -> bytes:
    """The same document with seller and buyer exchanged, where it is readable enough to have any."""
    ours, theirs = NIP.encode(), BUYER_NIP.encode()
    swapped = raw.replace(ours, b"@").replace(theirs, ours).replace(b"@", theirs)
    return swapped.replace(b"<Rola>7</Rola>", b"<Rola>8</Rola>")


def _hostile_package() -> dict[str, bytes]:
    """KSeF number → bytes: every third input of the hostile corpus, floods and empty files aside."""
    cases = [*hostile_xml.corpus(), *hostile_values.corpus()]
    raws = [_as_sent_by_a_supplier(c.raw) for c in cases if c.raw and not c.name.startswith("flood-")][::3]
    kept = [raw for raw in raws if not is_own_sale(read_received(raw), Municipality("Gmina", NIP))]
    return {ksef_number_for(BUYER_NIP, serial=n): raw for n, raw in enumerate(kept, 1)}


async def test_fault_X27_hostile_invoices_of_suppliers_are_kept_as_they_are(
    rig: Rig, sandbox: Sandbox, monkeypatch: Any
) -> None:
    """Many in one package: each stored to the byte, the unreadable ones for the tray; the next one comes in."""
    sent, real = _hostile_package(), exports.fetch
    assert len(sent) > 150

    async def fetch(*args: Any) -> None:
        monkeypatch.setattr(exports, "fetch", real)
        with zipfile.ZipFile(args[-1], "w", zipfile.ZIP_DEFLATED, compresslevel=1) as package:
            for number, raw in sent.items():
                package.writestr(f"{number}.xml", raw)

    monkeypatch.setattr(exports, "fetch", fetch)
    _supply(sandbox, purchase_for_unit(number="X27/1", issue_date=rig.today()))
    rig.receive, rig.every_seconds = True, 0.2
    await rig.start()
    found = {r.ksef_number: r for r in await _until_received(rig, len(sent), 90)}
    bodies = await rig.spool.read(lambda store: {n: store.body(r.sha256) for n, r in found.items()})
    assert {number: bodies[number] for number in sent} == sent
    unreadable = [n for n, raw in sent.items() if read_received(raw).form is FormCode.UNKNOWN]
    assert len(unreadable) > 30
    assert {found[n].unit for n in unreadable} == {None}
    assert all(found[n].why.endswith(".") for n in sent)
    following = _supply(sandbox, purchase_for_unit(number="X27/2", issue_date=rig.today()))
    await _until_there(rig, following)
