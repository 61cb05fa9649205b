"""What a well-formed document is, told from its root: an FA(3), another form of KSeF, or something else in Polish."""

from dataclasses import dataclass

from lxml import etree

from spool.domain.catalogue import problem
from spool.domain.document import FormCode, collapse
from spool.domain.errors import Problem
from spool.xml.facts import FORMS_BY_SYSTEM_CODE
from spool.xml.paths import Node
from spool.xml.schema import FA3_NAMESPACE

_UBL = "urn:oasis:names:specification:ubl:schema:xsd:"
# Namespaces: protocol §5 for the forms of KSeF; the older two were published in the central register of forms.
_NAMESPACES = {
    FA3_NAMESPACE: FormCode.FA3,
    "http://crd.gov.pl/wzor/2023/06/29/12648/": FormCode.FA2,
    "http://crd.gov.pl/wzor/2026/03/06/14189/": FormCode.FA_RR,
    f"{_UBL}Invoice-2": FormCode.PEF,
    f"{_UBL}CreditNote-2": FormCode.PEF_KOR,
}
_FA1_NAMESPACE = "http://crd.gov.pl/wzor/2021/11/29/11089/"
_FORM_NAMES = {
    FormCode.FA2: "faktura w dawnej strukturze FA(2)",
    FormCode.PEF: "faktura PEF (UBL)",
    FormCode.PEF_KOR: "korekta PEF (UBL)",
}
_OTHER_ROOTS = {
    "JPK": "plik JPK",
    "Potwierdzenie": "urzędowe poświadczenie odbioru (UPO)",
    "Deklaracja": "deklaracja podatkowa",
    "AuthTokenRequest": "żądanie logowania do KSeF",
    "html": "strona internetowa (HTML)",
    "schema": "opis struktury (XSD)",
    "Signature": "podpis elektroniczny",
    "Signatures": "podpis elektroniczny",
    "Envelope": "koperta wymiany danych (SOAP)",
}


@dataclass(frozen=True)
class Identity:
    """The form of the document as KSeF knows it, and the refusal for everything that is not FA(3)."""

    form: FormCode
    problem: Problem | None = None


_FA3_ROOT = f"{{{FA3_NAMESPACE}}}Faktura"
_FA3 = Identity(FormCode.FA3)


def identify(root: Node) -> Identity:
    """Which form the root element belongs to; the namespace decides, the form code only helps to name a stranger."""
    if root.tag == _FA3_ROOT:
        return _FA3
    name = etree.QName(root)
    form = _NAMESPACES.get(name.namespace or "", FormCode.UNKNOWN)
    line = root.sourceline
    if form is FormCode.FA_RR:
        return Identity(form, problem("vat_rr", line=line))
    if form in _FORM_NAMES:
        return Identity(form, problem("wrong_form", line=line, what=_FORM_NAMES[form]))
    if name.localname == "Faktura" or name.namespace == FA3_NAMESPACE:
        return Identity(_form_by_code(root), problem("wrong_form", line=line, what=_stranger(root)))
    what = _OTHER_ROOTS.get(name.localname, f"dokument „{name.localname[:40]}”")
    return Identity(FormCode.UNKNOWN, problem("wrong_document", line=line, what=what))


def _stranger(root: Node) -> str:
    """A `Faktura` of no namespace that we know, or another element of the FA(3) namespace."""
    name = etree.QName(root)
    if name.namespace == FA3_NAMESPACE:
        return f"element „{name.localname[:40]}” bez głównego elementu „Faktura”"
    if name.namespace == _FA1_NAMESPACE:
        return "faktura w dawnej strukturze FA(1)"
    if not name.namespace:
        return "faktura bez przestrzeni nazw (w elemencie Faktura brakuje xmlns)"
    return f"faktura o innej przestrzeni nazw „{name.namespace[:80]}”"


def _form_by_code(root: Node) -> FormCode:
    for element in root.iterchildren("{*}Naglowek"):
        for code in element.iterchildren("{*}KodFormularza"):
            return FORMS_BY_SYSTEM_CODE.get(collapse(code.get("kodSystemowy", "")), FormCode.UNKNOWN)
    return FormCode.UNKNOWN
