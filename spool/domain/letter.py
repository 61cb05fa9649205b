"""The draft of a letter to a supplier whose invoice nobody could be found for (jst.md P4, P6, P12). Pure; people send.

It asks for a correcting invoice and never offers a correction note, which the act does not know any more.
"""

from datetime import date

from spool.domain.catalogue import printable
from spool.domain.document import Facts
from spool.domain.municipality import Municipality, Unit

_BLANK = "…………………………"


def letter(facts: Facts, ksef_number: str, municipality: Municipality, unit: Unit | None, day: date) -> str:
    """The text, lines separated by \\n; what is not known is a dotted line to be filled in by hand."""
    number, issued = _shown(facts.number), f"{facts.issue_date:%d.%m.%Y}" if facts.issue_date else _BLANK
    lines = [
        "PROJEKT PISMA DO DOSTAWCY – proszę sprawdzić, uzupełnić i wysłać samodzielnie",
        "",
        f"{municipality.name}, NIP {municipality.nip}",
        f"{day:%d.%m.%Y}",
        "",
        f"Do: {_shown(facts.seller_name)}, NIP {_shown(facts.seller_nip)}",
        f"Dotyczy: faktura nr {number} z dnia {issued}, numer KSeF {ksef_number}",
        "",
        "Szanowni Państwo,",
        "",
        *_what_is_wrong(facts, municipality),
        "Prosimy o wystawienie w KSeF faktury korygującej, która poda:",
        "",
        f"  – nabywcę (Podmiot2): {municipality.name}, NIP {municipality.nip}, znacznik JST równy 1;",
        f"  – odbiorcę (Podmiot3): {_named(unit)}, {_identifier(unit)}, rola 8 (JST – odbiorca).",
        "",
        "W następnych fakturach prosimy podawać te dane od razu: bez nich jednostka nie widzi faktury w KSeF.",
        "Danych nie da się poprawić notą – przepisy jej już nie przewidują, potrzebna jest faktura korygująca.",
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
