"""FA(3) and its relatives FA(2) and FA_RR → facts. Only reads: a missing or odd field is left empty."""

import re
from datetime import date
from decimal import Decimal, InvalidOperation
from functools import lru_cache

from lxml import etree

from spool.domain.document import CorrectedInvoice, Facts, FormCode, ThirdParty, collapse
from spool.xml.paths import Node

FORMS_BY_SYSTEM_CODE = {form.value: form for form in FormCode if form is not FormCode.UNKNOWN}
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def read(root: Node, form: FormCode) -> Facts:
    """The facts of a `Faktura` of the ministry's own forms.

    Names and the number are kept as written; codes, identifiers and dates have XML-schema white space collapsed,
    because for those types that is the value.
    """
    return _Reader(root).facts(form)


def text(element: Node | None) -> str:
    """The character content of a leaf; the parser has already dropped comments and merged CDATA."""
    return "" if element is None else element.text or ""


def as_date(value: str) -> date | None:
    """The date of a collapsed `xsd:date` without a time zone, or None."""
    try:
        return date.fromisoformat(value) if _DATE.fullmatch(value) else None
    except ValueError:
        return None


@lru_cache(maxsize=512)  # bounded, because a hostile document may bring any namespace
def _qualified(prefix: str, path: str) -> str:
    return "/".join(prefix + step for step in path.split("/"))


class _Reader:
    """Finds elements by local name in the namespace of the root."""

    def __init__(self, root: Node) -> None:
        self.root = root
        namespace = etree.QName(root).namespace
        self.prefix = f"{{{namespace}}}" if namespace else ""

    def path(self, path: str) -> str:
        return _qualified(self.prefix, path)

    def get(self, at: Node | None, path: str) -> str:
        return "" if at is None else text(at.find(self.path(path)))

    def value(self, at: Node | None, path: str) -> str:
        return collapse(self.get(at, path))

    def facts(self, form: FormCode) -> Facts:
        seller, buyer = self.root.find(self.path("Podmiot1")), self.root.find(self.path("Podmiot2"))
        rr = form is FormCode.FA_RR
        body = self.root.find(self.path("FakturaRR" if rr else "Fa"))
        originals = [] if body is None else body.findall(self.path("DaneFaKorygowanej"))
        return Facts(
            form=form,
            seller_nip=self.value(seller, "DaneIdentyfikacyjne/NIP"),
            seller_name=self.get(seller, "DaneIdentyfikacyjne/Nazwa"),
            buyer_nip=self.value(buyer, "DaneIdentyfikacyjne/NIP"),
            buyer_name=self.get(buyer, "DaneIdentyfikacyjne/Nazwa"),
            buyer_other_id=self._other_id(buyer),
            kind=self.value(body, "RodzajFaktury"),
            number=self.get(body, "P_4C" if rr else "P_2"),
            issue_date=as_date(self.value(body, "P_4B" if rr else "P_1")),
            currency=self.value(body, "KodWaluty"),
            gross=self.value(body, "P_12_1" if rr else "P_15"),
            vat=self._vat(body),
            flag_jst=self.value(buyer, "JST"),
            flag_gv=self.value(buyer, "GV"),
            self_invoicing=self.value(body, "Adnotacje/P_17") == "1",
            has_attachment=self.root.find(self.path("Zalacznik")) is not None,
            third_parties=tuple(self._third_party(p) for p in self.root.findall(self.path("Podmiot3"))),
            corrected=tuple(self._corrected(o) for o in originals),
            payment_due=self._payment_due(body),
        )

    def _corrected(self, original: Node) -> CorrectedInvoice:
        return CorrectedInvoice(
            self.get(original, "NrFaKorygowanej"),
            self.value(original, "NrKSeFFaKorygowanej"),
            self.value(original, "NrKSeFN") == "1",
        )

    def _vat(self, body: Node | None) -> str:
        """The tax of all rates, in PLN where the invoice gives it; empty when there is none or one is no number."""
        amounts = [self.value(body, f"P_14_{n}W") or self.value(body, f"P_14_{n}") for n in range(1, 6)]
        try:
            return str(sum((Decimal(a) for a in amounts if a), Decimal())) if any(amounts) else ""
        except InvalidOperation:
            return ""

    def _each(self, elements: list[Node], name: str) -> tuple[str, ...]:
        return tuple(value for value in (self.value(e, name) for e in elements) if value)

    def _payment_due(self, body: Node | None) -> tuple[str, ...]:
        terms = [] if body is None else body.findall(self.path("Platnosc/TerminPlatnosci"))
        return self._each(terms, "Termin")

    def _other_id(self, buyer: Node | None) -> str:
        """The buyer's identifier when it is no NIP: `DE123456789` of the Union, `GB 77 1234` of elsewhere."""
        vat_eu = self.value(buyer, "DaneIdentyfikacyjne/NrVatUE")
        if vat_eu:
            return self.value(buyer, "DaneIdentyfikacyjne/KodUE") + vat_eu
        parts = (self.value(buyer, f"DaneIdentyfikacyjne/{name}") for name in ("KodKraju", "NrID"))
        return " ".join(part for part in parts if part)

    def _third_party(self, party: Node) -> ThirdParty:
        return ThirdParty(
            role=self.value(party, "Rola"),
            nip=self.value(party, "DaneIdentyfikacyjne/NIP"),
            internal_id=self.value(party, "DaneIdentyfikacyjne/IDWew"),
            name=self.get(party, "DaneIdentyfikacyjne/Nazwa"),
        )
