"""What KSeF delivered → facts: any form it may hold, read leniently (faults X26, X27, K11)."""

import re
from collections.abc import Iterator
from dataclasses import replace

from lxml import etree

from spool.domain.document import Facts, FormCode, ThirdParty, collapse
from spool.xml import byte_rules
from spool.xml.clues import read_clues
from spool.xml.facts import as_date, read
from spool.xml.identity import identify
from spool.xml.outline import Outline, text
from spool.xml.parser import parse
from spool.xml.paths import Node

# Problems of the bytes after which the parser must not see them; the rest KSeF may have accepted in earlier years.
UNSAFE = frozenset({"xml_doctype", "wrong_document"})
_UNION_PREFIX = re.compile(r"PL(?=[0-9]{10}$)")
_UNITS_PER_DOCUMENT = 100
_UBL_DUE = ("{*}DueDate", "{*}PaymentMeans/{*}PaymentDueDate")


def read_received(raw: bytes) -> Facts:
    """The facts of a delivered document; `form` is UNKNOWN where it is not understood. Never raises for any bytes."""
    checked = byte_rules.check(raw) if raw else byte_rules.Text()
    if not checked.text or any(p.code in UNSAFE for p in checked.problems):
        return Facts()
    try:
        root = parse(raw)
    except etree.XMLSyntaxError:
        return Facts()
    facts = read_root(root)
    if etree.QName(root).localname == "Faktura":
        return replace(facts, clues=read_clues(Outline(root)))
    return facts


def read_root(root: Node) -> Facts:
    """The facts of a parsed document of any form."""
    form = identify(root).form
    if form in {FormCode.PEF, FormCode.PEF_KOR}:
        return _read_ubl(root, form)
    return read(Outline(root), form) if etree.QName(root).localname == "Faktura" else Facts()


def _read_ubl(root: Node, form: FormCode) -> Facts:
    """PEF: UBL 2.1 Invoice or CreditNote; other roles of Peppol parties have no counterpart among our roles."""
    seller = root.find("{*}AccountingSupplierParty/{*}Party")
    buyer = root.find("{*}AccountingCustomerParty/{*}Party")
    buyer_id = _tax_number(buyer)
    return Facts(
        form=form,
        seller_nip=_nip(_tax_number(seller)),
        seller_name=_party_name(seller),
        buyer_nip=_nip(buyer_id),
        buyer_other_id="" if _nip(buyer_id) else buyer_id,
        buyer_name=_party_name(buyer),
        kind=_value(root, "{*}InvoiceTypeCode") or _value(root, "{*}CreditNoteTypeCode"),
        number=text(root.find("{*}ID")),
        issue_date=as_date(_value(root, "{*}IssueDate")),
        currency=_value(root, "{*}DocumentCurrencyCode"),
        gross=_value(root, "{*}LegalMonetaryTotal/{*}TaxInclusiveAmount"),
        third_parties=tuple(_delivery_parties(root)),
        payment_due=tuple(
            v for v in (_value(root, "{*}DueDate"), _value(root, "{*}PaymentMeans/{*}PaymentDueDate")) if v
        ),
    )


def _delivery_parties(root: Node) -> Iterator[ThirdParty]:
    """The place of delivery as a third party without a role: a hint for people, never a reason to route."""
    for delivery in root.findall("{*}Delivery/{*}DeliveryParty")[:_UNITS_PER_DOCUMENT]:
        yield ThirdParty(name=_party_name(delivery))


def _party_name(party: Node | None) -> str:
    if party is None:
        return ""
    return text(party.find("{*}PartyLegalEntity/{*}RegistrationName")) or text(party.find("{*}PartyName/{*}Name"))


def _tax_number(party: Node | None) -> str:
    if party is None:
        return ""
    schemes = (_value(party, "{*}PartyTaxScheme/{*}CompanyID"), _value(party, "{*}PartyLegalEntity/{*}CompanyID"))
    return next((number for number in schemes if number), "") or _value(party, "{*}EndpointID")


def _nip(number: str) -> str:
    """The ten digits of a Polish number, with or without the country prefix; empty for any other."""
    digits = _UNION_PREFIX.sub("", number)
    return digits if re.fullmatch(r"[0-9]{10}", digits) else ""


def _value(element: Node, path: str) -> str:
    return collapse(text(element.find(path)))
