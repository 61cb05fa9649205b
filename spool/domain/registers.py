"""The registers as tables: their columns, in order, with Polish headings. Pure; `gateway.registers` writes them.

A row is one cell per column. A cell is a text, a day, a moment (Warsaw time, without a zone), an amount, a count or
nothing; the kind of its column says how a program that opens the file has to take it, so that an identifier is never
made a number.
"""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

Cell = str | date | datetime | Decimal | int | None
Row = tuple[Cell, ...]


class Kind(StrEnum):
    """How the cells of a column are to be taken."""

    TEXT = "text"
    DAY = "day"
    MOMENT = "moment"
    AMOUNT = "amount"
    COUNT = "count"


@dataclass(frozen=True)
class Column:
    """One column: `key` for programs, `heading` for people, `width` in characters."""

    key: str
    heading: str
    kind: Kind = Kind.TEXT
    width: int = 16


@dataclass(frozen=True)
class Layout:
    """One register: its name in file names, the name of its sheet, its columns."""

    file: str
    sheet: str
    columns: tuple[Column, ...]

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of the columns."""
        return tuple(column.key for column in self.columns)


_DAY, _AMOUNT = Kind.DAY, Kind.AMOUNT
_UNIT = Column("unit", "Jednostka", width=26)
_AMOUNTS = (
    Column("net", "Netto", _AMOUNT, 13),
    Column("vat", "VAT", _AMOUNT, 12),
    Column("gross", "Brutto", _AMOUNT, 13),
    Column("currency", "Waluta", width=8),
    Column("vat_pln", "VAT w PLN (z faktury w walucie)", _AMOUNT, 14),
)
_CORRECTED = (
    Column("corrects", "Korekta faktury nr", width=20),
    Column("corrects_ksef", "Numer KSeF faktury korygowanej", width=38),
)
_KEEPING = (
    Column("retention", "Klasa archiwalna", width=12),
    Column("keep_until", "Przechowywać do", _DAY, 12),
)
_NOTES = Column("notes", "Uwagi", width=50)
_JPK = Column("jpk_mark", "Oznaczenie JPK_V7M", width=12)
_TITLE = Column("payment_title", "Tytuł płatności od 2027 r. (numer KSeF)", width=38)

ISSUED = Layout(
    "wystawione",
    "Faktury wystawione",
    (
        _UNIT,
        Column("number", "Numer faktury", width=22),
        Column("kind", "Rodzaj", width=8),
        Column("issue_date", "Data wystawienia", _DAY, 12),
        Column("buyer", "Nabywca", width=36),
        Column("buyer_id", "NIP lub inny identyfikator nabywcy", width=16),
        *_AMOUNTS,
        Column("mode", "Tryb", width=12),
        Column("status", "Stan", width=28),
        Column("ksef_number", "Numer KSeF", width=38),
        Column("number_day", "Dzień nadania numeru KSeF", _DAY, 12),
        Column("due", "Termin przesłania do KSeF", _DAY, 12),
        Column("handed_over", "Przesłana do KSeF", _DAY, 12),
        Column("upo", "UPO", width=6),
        Column("upo_day", "Dzień zapisania UPO", _DAY, 12),
        Column("upo_sha256", "Skrót UPO (SHA-256)", width=20),
        _JPK,
        *_CORRECTED,
        _TITLE,
        *_KEEPING,
        Column("id", "Identyfikator w Śluzie", width=30),
        _NOTES,
    ),
)
RECEIVED = Layout(
    "otrzymane",
    "Faktury otrzymane",
    (
        _UNIT,
        Column("supplier", "Dostawca", width=36),
        Column("supplier_nip", "NIP dostawcy", width=13),
        Column("number", "Numer faktury", width=22),
        Column("kind", "Rodzaj", width=8),
        Column("issue_date", "Data wystawienia", _DAY, 12),
        *_AMOUNTS,
        Column("due", "Termin płatności", _DAY, 12),
        Column("paid", "Zapłacona", width=10),
        Column("account", "Rachunek do zapłaty", width=32),
        Column("split_payment", "Mechanizm podzielonej płatności", width=14),
        Column("ksef_number", "Numer KSeF", width=38),
        Column("number_day", "Dzień nadania numeru KSeF", _DAY, 12),
        Column("received_on", "Data otrzymania", _DAY, 12),
        Column("received_by", "Podstawa daty otrzymania", width=30),
        _JPK,
        _TITLE,
        *_CORRECTED,
        *_KEEPING,
        Column("form", "Wzór", width=9),
        Column("why", "Podstawa przydziału jednostce", width=40),
        _NOTES,
    ),
)
PAPERS = Layout(
    "spoza-ksef",
    "Zakupy spoza KSeF",
    (
        Column("id", "Nr wpisu", Kind.COUNT, 8),
        _UNIT,
        Column("supplier", "Dostawca", width=36),
        Column("supplier_nip", "NIP dostawcy", width=13),
        Column("number", "Numer dokumentu", width=22),
        Column("kind", "Rodzaj", width=24),
        Column("issue_date", "Data wystawienia", _DAY, 12),
        Column("received_on", "Data otrzymania", _DAY, 12),
        Column("gross", "Brutto", _AMOUNT, 13),
        Column("currency", "Waluta", width=8),
        Column("status", "Stan", width=28),
        Column("bookable", "Księgować", width=10),
        _JPK,
        Column("ksef_number", "Numer KSeF faktury, która przyszła", width=38),
        Column("scan", "Skan", width=24),
        Column("scan_sha256", "Skrót skanu (SHA-256)", width=20),
        *_KEEPING,
        _NOTES,
    ),
)
MONTHLY = {"issued": ISSUED, "received": RECEIVED, "paper": PAPERS}
"""The monthly registers by the word that the spool marks them with."""

USERS = Layout(
    "uzytkownicy",
    "Użytkownicy i uprawnienia",
    (
        Column("id", "Lp.", Kind.COUNT, 6),
        Column("name", "Imię i nazwisko", width=28),
        Column("post", "Stanowisko", width=22),
        _UNIT,
        Column("scope", "Zakres uprawnień", width=36),
        Column("granted_on", "Data nadania", _DAY, 12),
        Column("granted_by", "Kto nadał", width=24),
        Column("until", "Ważne do", _DAY, 12),
        Column("withdrawn_on", "Data odebrania", _DAY, 12),
        Column("withdrawn_by", "Kto odebrał", width=24),
        _NOTES,
    ),
)
IDWEW = Layout(
    "idwew",
    "Rejestr IDWew",
    (
        Column("idwew", "IDWew", width=20),
        _UNIT,
        Column("person", "Pracownik", width=28),
        Column("section", "Komórka", width=28),
        Column("given_on", "Data nadania", _DAY, 12),
        Column("given_by", "Kto nadał", width=24),
        Column("withdrawn_on", "Data wycofania", _DAY, 12),
        Column("withdrawn_by", "Kto wycofał", width=24),
    ),
)
INCIDENTS = Layout(
    "incydenty",
    "Rejestr incydentów",
    (
        Column("id", "Lp.", Kind.COUNT, 6),
        Column("reported_on", "Data zgłoszenia", Kind.MOMENT, 17),
        Column("happened_on", "Data zdarzenia", Kind.MOMENT, 17),
        Column("description", "Opis", width=70),
        Column("reporter", "Zgłaszający", width=24),
        _UNIT,
    ),
)
STATEMENTS = Layout(
    "oswiadczenia",
    "Oświadczenia o poufności",
    (
        Column("id", "Lp.", Kind.COUNT, 6),
        Column("name", "Imię i nazwisko", width=28),
        Column("post", "Stanowisko", width=22),
        _UNIT,
        Column("signed_on", "Data podpisania", _DAY, 12),
        Column("kept_at", "Miejsce przechowywania", width=28),
        Column("taken_by", "Kto przyjął", width=24),
        Column("withdrawn_on", "Data cofnięcia", _DAY, 12),
        Column("withdrawn_by", "Kto odnotował cofnięcie", width=24),
    ),
)
LAYOUTS = {layout.file: layout for layout in (ISSUED, RECEIVED, PAPERS, USERS, IDWEW, INCIDENTS, STATEMENTS)}
