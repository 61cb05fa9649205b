"""FA(3) and its relatives FA(2) and FA_RR → facts. Only reads: a missing or odd field is left empty."""

import re
from datetime import date
from decimal import Decimal

from spool.domain.document import CorrectedInvoice, Facts, FormCode, ThirdParty
from spool.xml.outline import RATES, Outline, Part, Party

FORMS_BY_SYSTEM_CODE = {form.value: form for form in FormCode if form is not FormCode.UNKNOWN}
_LONGEST = 1000
"""Characters of a text that is kept as a fact. FA(3) permits 512 at most; what is refused for more is still listed, and
a list may not carry a megabyte in each row."""
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def read(outline: Outline, form: FormCode) -> Facts:
    """The facts of a `Faktura` of the ministry's own forms.

    Names and the number are kept as written; codes, identifiers and dates have XML-schema white space collapsed,
    because for those types that is the value.
    """
    seller, buyer, body = outline.seller.identity, outline.buyer.identity, outline.body
    rr = form is FormCode.FA_RR
    return Facts(
        form=form,
        seller_nip=seller.value("NIP")[:_LONGEST],
        seller_name=seller.text("Nazwa")[:_LONGEST],
        buyer_nip=buyer.value("NIP")[:_LONGEST],
        buyer_name=buyer.text("Nazwa")[:_LONGEST],
        buyer_other_id=_other_id(buyer),
        no_tax_id=buyer.value("BrakID") == "1",
        kind=body.value("RodzajFaktury"),
        number=body.text("P_4C" if rr else "P_2")[:_LONGEST],
        issue_date=as_date(body.value("P_4B" if rr else "P_1")),
        currency=body.value("KodWaluty"),
        gross=body.value("P_12_1" if rr else "P_15"),
        vat=_vat(body),
        flag_jst=outline.buyer.value("JST"),
        flag_gv=outline.buyer.value("GV"),
        self_invoicing=body.part("Adnotacje").value("P_17") == "1",
        has_attachment=outline.top.get("Zalacznik") is not None,
        third_parties=tuple(_third_party(party) for party in outline.third_parties),
        corrected=tuple(_corrected(original) for original in body.each("DaneFaKorygowanej")),
        payment_due=tuple(
            value for term in body.part("Platnosc").each("TerminPlatnosci") if (value := term.value("Termin"))
        ),
    )


def as_date(value: str) -> date | None:
    """The date of a collapsed `xsd:date` without a time zone, or None."""
    try:
        return date.fromisoformat(value) if _DATE.fullmatch(value) else None
    except ValueError:
        return None


def _corrected(original: Part) -> CorrectedInvoice:
    return CorrectedInvoice(
        original.text("NrFaKorygowanej"), original.value("NrKSeFFaKorygowanej"), original.value("NrKSeFN") == "1"
    )


def _vat(body: Part) -> str:
    """The tax of all rates, in PLN where the invoice gives it; empty when there is none or one is no number."""
    amounts = [amount for rate in RATES if (amount := body.value(f"{rate}W") or body.value(rate))]
    try:
        total = sum(map(Decimal, amounts), Decimal())
    except ArithmeticError:  # no number, or one with more zeros than a number may have
        return ""
    return str(total) if amounts and total.is_finite() else ""


def _other_id(buyer: Part) -> str:
    """The buyer's identifier when it is no NIP: `DE123456789` of the Union, `GB 77 1234` of elsewhere."""
    vat_eu = buyer.value("NrVatUE")
    if vat_eu:
        return buyer.value("KodUE") + vat_eu
    return " ".join(filter(None, (buyer.value("KodKraju"), buyer.value("NrID"))))


def _third_party(party: Party) -> ThirdParty:
    identity = party.identity
    return ThirdParty(party.value("Rola"), identity.value("NIP"), identity.value("IDWew"), identity.text("Nazwa"))
