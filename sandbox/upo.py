"""UPO v4-3: building, sealing and keeping confirmations (U1–U4; protocol §8)."""

from __future__ import annotations

import json
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from lxml import etree

from sandbox import numbers, signing
from sandbox.clock import iso, warsaw_day, warsaw_iso
from sandbox.session_state import State, closed_at
from sandbox.store import Row
from sandbox.world import World

NS = "http://upo.schematy.mf.gov.pl/KSeF/v4-3"
RECEIVER = "Ministerstwo Finansów"
TEST_SUFFIX = " - środowisko testowe (TE)"
CONTEXTS = {
    "Nip": "Nip",
    "InternalId": "IdWewnetrzny",
    "NipVatUe": "IdZlozonyVatUE",
    "PeppolId": "IdDostawcyUslugPeppol",
}


def ready(world: World, session: Row, state: State, invoice: Row) -> bool:
    """Whether an invoice's UPO exists: accepted, delay over, and after closing if the switch says so (U1)."""
    if invoice["code"] != 200 or invoice["final_ms"] is None:
        return False
    if world.now < invoice["final_ms"] + world.switches.ms("upo_delay_s"):
        return False
    if world.switches["upo_only_after_close"]:
        return closed_at(session, world.now) is not None and state.code == 200
    return True


def invoice_ref(world: World, session: Row, invoice: Row) -> str:
    """The reference under which the invoice's UPO is stored; the document is made on first use."""
    row = world.store.one("SELECT ref FROM upos WHERE invoice_id = ?", invoice["id"])
    if row is not None:
        return str(row["ref"])
    return _keep(world, session, invoice["id"], 0, None)


def pages(world: World, session: Row, state: State) -> list[str]:
    """References of the collective pages, in order; none before the session is 200 (U4)."""
    if state.code != 200 or world.now < state.updated_ms + world.switches.ms("upo_delay_s"):
        return []
    sql = "SELECT ref FROM upos WHERE session_ref = ? AND page > 0 ORDER BY page"
    known = [row["ref"] for row in world.store.all(sql, session["ref"])]
    if known:
        return known
    size = int(world.switches["upo_page_size"])
    count = -(-state.accepted // size)
    with world.store.transaction():
        return [_keep(world, session, 0, page + 1, _range(page, count, size, state)) for page in range(count)]


def stored(world: World, ref: str) -> bytes | None:
    """The sealed bytes of a UPO by reference; sealed at first use, the same bytes ever after."""
    row = world.store.one("SELECT * FROM upos WHERE ref = ?", ref)
    if row is None or row["xml"] is not None:
        return None if row is None else bytes(row["xml"])
    session = world.store.one("SELECT * FROM sessions WHERE ref = ?", row["session_ref"])
    assert session is not None
    described: dict[str, int] | None = json.loads(row["described"])
    if described is None:
        chosen = world.store.all("SELECT * FROM invoices WHERE id = ?", row["invoice_id"])
    else:
        sql = "SELECT * FROM invoices WHERE session_ref = ? AND code = 200 ORDER BY ordinal"
        accepted = world.store.all(sql, session["ref"])
        chosen = accepted[described["ZakresDokumentowOd"] - 1 : described["ZakresDokumentowDo"]]
    xml = _document(world, session, chosen, described)
    world.store.run("UPDATE upos SET xml = ? WHERE ref = ?", xml, ref)
    return xml


def _keep(world: World, session: Row, invoice_id: int, page: int, described: dict[str, int] | None) -> str:
    ref = numbers.reference("EU", warsaw_day(world.now))
    columns = {"session_ref": session["ref"], "invoice_id": invoice_id, "described": json.dumps(described)}
    world.store.add("upos", ref=ref, page=page, **columns)
    return ref


def _range(page: int, count: int, size: int, state: State) -> dict[str, int]:
    return {
        "Strona": page + 1,
        "LiczbaStron": count,
        "ZakresDokumentowOd": page * size + 1,
        "ZakresDokumentowDo": min((page + 1) * size, state.accepted),
        "CalkowitaLiczbaDokumentow": state.accepted,
    }


def _document(world: World, session: Row, invoices: list[Row], described: dict[str, int] | None) -> bytes:
    """The sealed confirmation of these invoices; `described` is the OpisPotwierdzenia of a page (U2, U3)."""
    form = json.loads(session["form"])
    root = etree.Element(
        f"{{{NS}}}Potwierdzenie",
        {"wersjaSchemy": "1-0"},
        nsmap={None: NS},  # type: ignore[dict-item] # lxml-stubs know no default namespace
    )
    suffix = TEST_SUFFIX if world.profile == "test" else ""
    _add(root, "NazwaPodmiotuPrzyjmujacego", RECEIVER + suffix)
    _add(root, "NumerReferencyjnySesji", session["ref"])
    login = _add(root, "Uwierzytelnienie")
    _add(_add(login, "IdKontekstu"), CONTEXTS[session["context_type"]], session["context_value"])
    if session["token_ref"]:
        _add(login, "NumerReferencyjnyTokenaKSeF", session["token_ref"])
    else:
        _add(login, "SkrotDokumentuUwierzytelniajacego", session["document_hash"])
    if described is not None:
        holder = _add(root, "OpisPotwierdzenia")
        for name, number in described.items():
            _add(holder, name, str(number))
    schema_name = f"Schemat_{form['systemCode'].replace(' ', '')}_v{form['schemaVersion']}.xsd"
    _add(root, "NazwaStrukturyLogicznej", schema_name)
    _add(root, "KodFormularza", form["systemCode"])
    for invoice in invoices:
        _add_invoice(root, invoice)
    key = world.authority.seal_key
    assert isinstance(key, rsa.RSAPrivateKey)
    return signing.seal(root, key, world.authority.seal_cert, iso(world.now))


def _add_invoice(root: etree._Element, invoice: Row) -> None:
    holder = _add(root, "Dokument")
    values: dict[str, Any] = {
        "NipSprzedawcy": invoice["seller_nip"],
        "NumerKSeFDokumentu": invoice["ksef_number"],
        "NumerFaktury": invoice["number"],
        "DataWystawieniaFaktury": invoice["issue_date"],
        "DataPrzeslaniaDokumentu": warsaw_iso(invoice["invoicing_ms"]),
        "DataNadaniaNumeruKSeF": warsaw_iso(invoice["final_ms"]),
        "SkrotDokumentu": invoice["hash"],
        "TrybWysylki": invoice["mode"],
    }
    for name, value in values.items():
        _add(holder, name, value)


def _add(parent: etree._Element, name: str, text: str | None = None) -> etree._Element:
    element = etree.SubElement(parent, f"{{{NS}}}{name}")
    element.text = text
    return element
