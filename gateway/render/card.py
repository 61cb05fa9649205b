"""The card for the cashier: what to tell a seller so that the invoice finds its unit (JST rule P7). One A4 page."""

from dataclasses import dataclass

from gateway.render.blocks import Block, Document, Heading, Line, Notice, Pairs, Text, Title, Tone
from gateway.render.data import as_data
from gateway.render.marks import FIXED_CREATION
from gateway.render.pdf import write
from gateway.render.text import clean
from spool.domain.municipality import Municipality, Unit

_JST, _GV = "znacznik JST", "znacznik GV"


@dataclass(frozen=True)
class Names:
    """What stands on the card. `identifier` is the recipient's, with its kind in front; empty where there is none."""

    buyer: str
    nip: str
    recipient: str = ""
    identifier: str = ""
    holder: str = ""


def names_of(town: Municipality, unit: Unit, idwew: str = "", holder: str = "") -> Names:
    """For a unit, or for one of its people or sections with an IDWew of their own (`holder`)."""
    if unit.taxpayer:
        return Names(unit.name, unit.nip)
    if idwew:
        return Names(town.name, town.nip, unit.name, f"IDWew {idwew}", holder)
    own = f"NIP {unit.nip}" if unit.nip else f"IDWew {unit.idwew}" if unit.idwew else ""
    return Names(town.name, town.nip, unit.name if own else "", own)


def sentence(names: Names) -> str:
    """What to say at the till."""
    asked = f"Proszę o fakturę w KSeF. Nabywca: {names.buyer}, NIP {names.nip}."
    if names.identifier:
        asked += f" Odbiorca: {names.recipient}, {names.identifier}, rola 8 (jednostka samorządu – odbiorca)."
    return f"{asked} Proszę też o wydruk albo potwierdzenie z kodem QR."


def draw_card(names: Names) -> bytes:
    """The PDF. Runs in a worker, as all drawing does."""
    return write(as_data(_document(names)), original=None, name="", arms=None, created=FIXED_CREATION)


def _document(names: Names) -> Document:
    buyer = [("Nabywca (Podmiot2)", names.buyer), ("NIP nabywcy", names.nip)]
    marked = [(_JST, "1" if names.identifier else "2"), (_GV, "2")]
    recipient = [
        ("Odbiorca (Podmiot3)", names.recipient),
        ("Identyfikator odbiorcy", names.identifier),
        ("Rola odbiorcy", "8 – jednostka samorządu terytorialnego, odbiorca"),
        ("Karta pracownika lub komórki", names.holder),
    ]
    rows = [*buyer, *(recipient if names.identifier else ()), *marked]
    blocks: list[Block] = [
        Title("Karta zakupów", "", clean(names.recipient or names.buyer), ""),
        Notice((clean(sentence(names)),)),
        Heading("Dane dla sprzedawcy"),
        Pairs(tuple((label, clean(value)) for label, value in rows if value)),
        Heading("Dla kupującego"),
        Text(tuple(Line(f"– {text}", Tone.NORMAL) for text in _advice(names))),
    ]
    return Document(tuple(blocks), clean(f"Karta zakupów · {names.recipient or names.buyer}"), title="Karta zakupów")


def _advice(names: Names) -> tuple[str, ...]:
    return (*(_OF_A_UNIT if names.identifier else ()), *_OF_ALL)


_OF_A_UNIT = (
    "Podatnikiem jest gmina: jej NIP podaje się jako NIP nabywcy, nigdy NIP jednostki.",
    "Bez danych odbiorcy faktura trafi do urzędu i jednostka dostanie ją z opóźnieniem.",
)
_OF_ALL = (
    "Wydruk z kodami OFFLINE i CERTYFIKAT to potwierdzenie, nie faktura: proszę oddać go od razu do księgowości.",
    "Not korygujących nie ma: błędne dane poprawia sprzedawca fakturą korygującą.",
)
