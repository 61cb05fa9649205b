"""Drafts of letters to suppliers (jst.md P4, P6, P12, D7). Pure; people send.

To one whose invoice nobody could be found for, and to one whose invoice did not come. The first asks for a
correcting invoice and never offers a correction note, which the act does not know any more.
"""

from datetime import date

from spool.domain.catalogue import printable
from spool.domain.document import Facts
from spool.domain.municipality import Municipality, Unit
from spool.domain.papers import Paper
from spool.domain.seller_due import SellerDue

_BLANK = "…………………………"


def letter(facts: Facts, ksef_number: str, municipality: Municipality, unit: Unit | None, day: date) -> str:
    """The text, lines separated by \\n; what is not known is a dotted line to be filled in by hand."""
    number, issued = _shown(facts.number), f"{facts.issue_date:%d.%m.%Y}" if facts.issue_date else _BLANK
    about = f"faktura nr {number} z dnia {issued}, numer KSeF {ksef_number}"
    body = [
        *_what_is_wrong(facts, municipality),
        "Prosimy o wystawienie w KSeF faktury korygującej, która poda:",
        "",
        f"  – nabywcę (Podmiot2): {municipality.name}, NIP {municipality.nip}, znacznik JST równy 1;",
        f"  – odbiorcę (Podmiot3): {_named(unit)}, {_identifier(unit)}, rola 8 (JST – odbiorca).",
        "",
        "W następnych fakturach prosimy podawać te dane od razu: bez nich jednostka nie widzi faktury w KSeF.",
        "Danych nie da się poprawić notą – przepisy jej już nie przewidują, potrzebna jest faktura korygująca.",
    ]
    return _framed(facts.seller_name, facts.seller_nip, about, body, municipality, day)


def ask_for_invoice(paper: Paper, due: SellerDue, municipality: Municipality, day: date) -> str:
    """The same to a seller whose offline invoice did not come to KSeF within his own term (jst.md D7, D8)."""
    number, issued = _shown(paper.number), f"{paper.issue_date:%d.%m.%Y}"
    about = f"potwierdzenie transakcji nr {number} z dnia {issued}"
    body = [
        f"{paper.received_on:%d.%m.%Y} otrzymaliśmy od Państwa dokument na kwotę {paper.gross} {paper.currency},",
        "wystawiony offline. Do dziś nie otrzymaliśmy w KSeF faktury, do której prowadzi kod na tym dokumencie:",
        "",
        f"  {paper.code_link or _BLANK}",
        "",
        f"Termin jej przesłania do KSeF: {due.sentence}.",
        "",
        "Prosimy o przesłanie tej samej faktury do KSeF, o podanie jej numeru KSeF albo o wyjaśnienie, dlaczego",
        "jej tam nie ma. Do czasu nadania numeru dokument jest dla nas tylko potwierdzeniem transakcji i nie możemy",
        "go zaksięgować.",
    ]
    return _framed(paper.seller_name, paper.seller_nip, about, body, municipality, day)


def _framed(name: str, nip: str, about: str, body: list[str], municipality: Municipality, day: date) -> str:
    """The text of a letter between its heading and its end; lines separated by \\n."""
    lines = [
        "PROJEKT PISMA DO DOSTAWCY – proszę sprawdzić, uzupełnić i wysłać samodzielnie",
        "",
        f"{municipality.name}, NIP {municipality.nip}",
        f"{day:%d.%m.%Y}",
        "",
        f"Do: {_shown(name)}, NIP {_shown(nip)}",
        f"Dotyczy: {about}",
        "",
        "Szanowni Państwo,",
        "",
        *body,
        "",
        f"W razie pytań prosimy o kontakt: {municipality.contact or _BLANK}",
        "",
        "Z poważaniem",
        _BLANK,
        "",
    ]
    return "\n".join(lines)


def _what_is_wrong(facts: Facts, municipality: Municipality) -> list[str]:
    if facts.buyer_nip and facts.buyer_nip != municipality.nip:
        return [
            f"na fakturze jako nabywcę wskazali Państwo podmiot o NIP {_shown(facts.buyer_nip)}. Podatnikiem VAT,",
            f"a więc nabywcą, jest {municipality.name}; jednostka jest tylko odbiorcą.",
        ]
    if any(party.role == "8" for party in facts.third_parties):
        return ["na fakturze nie ma jednoznacznie wskazanej jednostki gminy, dla której był zakup (Podmiot3, rola 8)."]
    return ["faktura nie wskazuje jednostki gminy, dla której był zakup."]


def _named(unit: Unit | None) -> str:
    return unit.name if unit else f"{_BLANK} (nazwa jednostki)"


def _identifier(unit: Unit | None) -> str:
    if unit and (unit.nip or unit.idwew):
        return f"NIP {unit.nip}" if unit.nip else f"IDWew {unit.idwew}"
    return f"NIP albo IDWew {_BLANK}"


def _shown(text: str) -> str:
    return printable(text, 200) if text else _BLANK
