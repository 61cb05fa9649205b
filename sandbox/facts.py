"""What KSeF reads out of an invoice: parties, amounts, numbers; for FA, FA_RR and PEF documents."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from lxml import etree

from sandbox.xmlparse import local, namespace

KINDS = {
    "VAT": "Vat",
    "KOR": "Kor",
    "ZAL": "Zal",
    "ROZ": "Roz",
    "UPR": "Upr",
    "KOR_ZAL": "KorZal",
    "KOR_ROZ": "KorRoz",
    "VAT_RR": "VatRr",
    "KOR_VAT_RR": "KorVatRr",
}
UBL = "urn:oasis:names:specification:ubl:schema:xsd:"


@dataclass(frozen=True)
class Party:
    """A buyer, third or authorised party; identifier fields are empty when absent, role 0 when none."""

    nip: str = ""
    internal_id: str = ""
    vat_ue: str = ""
    other: str = ""
    name: str = ""
    role: int = 0

    def identifier(self) -> dict[str, str]:
        """The `{type, value}` of the metadata; type None has no value."""
        choices = {"Nip": self.nip, "InternalId": self.internal_id, "VatUe": self.vat_ue, "Other": self.other}
        for kind, value in choices.items():
            if value:
                return {"type": kind, "value": value}
        return {"type": "None"}


@dataclass(frozen=True)
class InvoiceFacts:
    """The facts of one invoice; amounts in the invoice's currency, `kind` = RodzajFaktury."""

    form: str
    system_code: str
    schema_version: str
    seller_nip: str
    seller_name: str
    kind: str
    number: str
    issue_date: date | None
    currency: str
    gross: Decimal
    net: Decimal
    vat: Decimal
    self_invoicing: bool
    has_attachment: bool
    buyer: Party
    third: tuple[Party, ...]
    authorised_nip: str
    authorised_name: str
    authorised_role: int

    def metadata(self) -> dict[str, Any]:
        """The content part of InvoiceMetadata; dates, hash and KSeF number are added by the register."""
        body: dict[str, Any] = {
            "invoiceNumber": self.number,
            "seller": {"nip": self.seller_nip, "name": self.seller_name},
            "buyer": {"identifier": self.buyer.identifier(), "name": self.buyer.name},
            "netAmount": float(self.net),
            "grossAmount": float(self.gross),
            "vatAmount": float(self.vat),
            "currency": self.currency,
            "invoiceType": KINDS.get(self.kind, self.kind),
            "formCode": {
                "systemCode": self.system_code,
                "schemaVersion": self.schema_version,
                "value": self.form,
            },
            "isSelfInvoicing": self.self_invoicing,
            "hasAttachment": self.has_attachment,
            "thirdSubjects": [
                {"identifier": party.identifier(), "name": party.name, "role": party.role} for party in self.third
            ],
        }
        if self.authorised_nip:
            who = {"nip": self.authorised_nip, "name": self.authorised_name, "role": self.authorised_role}
            body["authorizedSubject"] = who
        return body

    def parties(self) -> list[tuple[str, str, str]]:
        """Rows (subject type, identifier type, value) that decide who sees the invoice (U6)."""
        rows = {("Subject1", "Nip", self.seller_nip)}
        if self.buyer.nip:
            rows.add(("Subject2", "Nip", self.buyer.nip))
        for party in self.third:
            if party.nip:
                rows.add(("Subject3", "Nip", party.nip))
            if party.internal_id:
                rows.add(("Subject3", "InternalId", party.internal_id))
        if self.authorised_nip:
            rows.add(("SubjectAuthorized", "Nip", self.authorised_nip))
        return sorted(rows)


def read(root: etree._Element) -> InvoiceFacts:
    """The facts of a parsed invoice of any form; missing fields come out empty, never raise."""
    return _read_ubl(root) if namespace(root).startswith(UBL) else _read_fa(root)


def _read_fa(root: etree._Element) -> InvoiceFacts:
    code = _find(root, "Naglowek/KodFormularza")
    body = _find(root, "FakturaRR") if _find(root, "FakturaRR") is not None else _find(root, "Fa")
    fa = root if body is None else body
    form = "" if code is None else (code.text or "").strip()
    nets = [_amount(child.text) for child in fa if re.fullmatch(r"P_13_\d+(_\d)?", local(child))]
    vats = [_amount(child.text) for child in fa if re.fullmatch(r"P_14_\d", local(child))]
    if form == "FA_RR":
        nets, vats = [_amount(_text(fa, "P_11_1"))], [_amount(_text(fa, "P_11_2"))]
    return InvoiceFacts(
        form=form,
        system_code="" if code is None else code.get("kodSystemowy", ""),
        schema_version="" if code is None else code.get("wersjaSchemy", ""),
        seller_nip=_text(root, "Podmiot1/DaneIdentyfikacyjne/NIP"),
        seller_name=_text(root, "Podmiot1/DaneIdentyfikacyjne/Nazwa"),
        kind=_text(fa, "RodzajFaktury"),
        number=_text(fa, "P_2") or _text(fa, "P_4C"),
        issue_date=_day(_text(fa, "P_1") or _text(fa, "P_4B")),
        currency=_text(fa, "KodWaluty") or "PLN",
        gross=_amount(_text(fa, "P_15") or _text(fa, "P_12_1")),
        net=sum(nets, Decimal(0)),
        vat=sum(vats, Decimal(0)),
        self_invoicing=_text(fa, "Adnotacje/P_17") == "1",
        has_attachment=_find(root, "Zalacznik") is not None,
        buyer=_party(_find(root, "Podmiot2")),
        third=tuple(_party(child) for child in root if local(child) == "Podmiot3"),
        authorised_nip=_text(root, "PodmiotUpowazniony/DaneIdentyfikacyjne/NIP"),
        authorised_name=_text(root, "PodmiotUpowazniony/DaneIdentyfikacyjne/Nazwa"),
        authorised_role=int(_text(root, "PodmiotUpowazniony/RolaPU") or 0),
    )


def _read_ubl(root: etree._Element) -> InvoiceFacts:
    credit = local(root) == "CreditNote"
    seller = _find(root, "AccountingSupplierParty/Party")
    buyer = _find(root, "AccountingCustomerParty/Party")
    gross = _amount(_text(root, "LegalMonetaryTotal/TaxInclusiveAmount"))
    vat = _amount(_text(root, "TaxTotal/TaxAmount"))
    return InvoiceFacts(
        form="PEF",
        system_code="PEF_KOR (3)" if credit else "PEF (3)",
        schema_version="2-1",
        seller_nip=_ubl_nip(seller),
        seller_name=_text(seller, "PartyLegalEntity/RegistrationName"),
        kind="KorPef" if credit else "VatPef",
        number=_text(root, "ID"),
        issue_date=_day(_text(root, "IssueDate")),
        currency=_text(root, "DocumentCurrencyCode") or "PLN",
        gross=gross,
        net=gross - vat,
        vat=vat,
        self_invoicing=False,
        has_attachment=False,
        buyer=Party(nip=_ubl_nip(buyer), name=_text(buyer, "PartyLegalEntity/RegistrationName")),
        third=(),
        authorised_nip="",
        authorised_name="",
        authorised_role=0,
    )


def _party(element: etree._Element | None) -> Party:
    base = "DaneIdentyfikacyjne/"
    vat_ue = _text(element, base + "KodUE") + _text(element, base + "NrVatUE")
    role = _text(element, "Rola")
    return Party(
        nip=_text(element, base + "NIP"),
        internal_id=_text(element, base + "IDWew"),
        vat_ue=vat_ue,
        other=_text(element, base + "NrID"),
        name=_text(element, base + "Nazwa"),
        role=int(role) if role.isdigit() else 0,
    )


def _ubl_nip(party: etree._Element | None) -> str:
    for path in ("PartyTaxScheme/CompanyID", "PartyIdentification/ID", "PartyLegalEntity/CompanyID", "EndpointID"):
        found = re.search(r"\d{10}", _text(party, path))
        if found:
            return found.group(0)
    return ""


def _find(element: etree._Element | None, path: str) -> etree._Element | None:
    for name in path.split("/"):
        if element is None:
            return None
        element = next((child for child in element if local(child) == name), None)
    return element


def _text(element: etree._Element | None, path: str) -> str:
    found = _find(element, path)
    return "" if found is None else " ".join((found.text or "").split())


def _amount(text: str | None) -> Decimal:
    try:
        return Decimal((text or "0").strip())
    except InvalidOperation:
        return Decimal(0)


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
