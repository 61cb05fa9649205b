"""Realistic invoices for measuring: as a school's accounting program writes them, no two alike in any row."""

import random
from collections.abc import Iterator
from datetime import date

from sluza.sample_parts import Line
from sluza.samples import MUNICIPALITY_NIP, SCHOOL_NIP, unit_invoice

SIZE = 10_000
"""Bytes of the ordinary invoice of the benchmarks, give or take one row."""
NIP, UNIT_NIP = MUNICIPALITY_NIP, SCHOOL_NIP

_GOODS = (
    "Obiad dwudaniowy", "Śniadanie", "Wynajem sali gimnastycznej", "Zajęcia dodatkowe z robotyki", "Dostawa wody",
    "Odbiór ścieków", "Energia elektryczna", "Ciepło systemowe", "Czynsz za lokal użytkowy", "Zużycie mediów",
    "Wywóz odpadów segregowanych", "Karnet na pływalnię", "Bilet wstępu do muzeum", "Usługa ksero", "Transport uczniów",
)  # fmt: skip
_FOR = ("ucznia klasy", "lokatora mieszkania", "grupy", "uczestnika kursu", "najemcy garażu", "oddziału", "stołówki nr")
_BUYERS = ("Jaśmin", "Źródło", "Gęślik", "Krąg", "Łąka", "Świt", "Orzeł", "Północ", "Zdrój", "Mostek")


def invoices(count: int, *, size: int = SIZE, seed: int = 1, issued: date | None = None) -> Iterator[bytes]:
    """`count` valid invoices of about `size` bytes with different numbers, buyers, goods and amounts.

    The same `seed` gives the same invoices; different seeds share no number. `issued` is today if not given.
    """
    chance = random.Random(seed)  # noqa: S311 - data for measuring
    rows = None
    for serial in range(1, count + 1):
        if rows is None:
            rows = _rows_for(size, chance)
        yield _invoice(f"SP1/{seed}/{serial}/2026", rows, chance, issued or date.today())  # noqa: DTZ011 - any day will do


def _rows_for(size: int, chance: random.Random) -> int:
    small, large = (len(_invoice("SP1/0/0/2026", rows, chance, date(2026, 1, 1))) for rows in (1, 21))
    return max(1, 1 + round((size - small) / ((large - small) / 20)))


def _invoice(number: str, rows: int, chance: random.Random, issued: date) -> bytes:
    return unit_invoice(
        number=number,
        issue_date=issued,
        created=f"{issued}T{chance.randrange(6, 18):02}:{chance.randrange(60):02}:{chance.randrange(60):02}Z",
        buyer_name=f"{chance.choice(_BUYERS)} {chance.randrange(1000)} sp. z o.o.",
        lines=[_line(chance) for _ in range(rows)],
    )


def _line(chance: random.Random) -> Line:
    what = f"{chance.choice(_GOODS)} – {chance.choice(_FOR)} {chance.randrange(1, 1000)}"
    return Line(what, f"{chance.randrange(1, 2000)}.{chance.randrange(100):02}", chance.choice(("23", "8", "5", "zw")))
