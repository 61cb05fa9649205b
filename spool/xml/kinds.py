"""Documents that are no invoices, though a program wrote them as one: bills, notes, pro forma, duplicates (jst.md §3b).

What the issuer itself calls the document is certain: it stands in the number or begins a note. What only sounds like a
note (a penalty, interest, a refund without VAT) is a suspicion.
"""

import re
from collections.abc import Iterator
from itertools import islice

from spool.domain.catalogue import problem
from spool.domain.document import collapse
from spool.domain.errors import Problem
from spool.xml.outline import RATES, Outline, Part

_ROWS, _NOTES = 20, 50
_CALLED = (
    (r"pro ?-? ?forma", "faktura pro forma"),
    (r"duplikat", "duplikat faktury"),
    (r"nota (ksi[ęe]gowa|obci[ąa][żz]eniowa|uznaniowa|odsetkowa)", "nota księgowa"),
    (r"nota koryguj[ąa]ca", "nota korygująca"),
    (r"faktura wewn[ęe]trzna", "faktura wewnętrzna"),
)
_IN_A_NUMBER = (*_CALLED, (r"rachunek", "rachunek"), (r"nota(?=[ /.-]*\d)", "nota księgowa"),
                (r"paragon", "paragon"))  # fmt: skip
_NUMBER = [
    (re.compile(rf"(^|[^\w]){pattern}($|[^a-ząćęłńóśźż])", re.IGNORECASE), what) for pattern, what in _IN_A_NUMBER
]
_ANY_NUMBER = re.compile("|".join(pattern.pattern for pattern, _ in _NUMBER), re.IGNORECASE)
_NOTE = [(re.compile(rf"{pattern}\b", re.IGNORECASE), what) for pattern, what in _CALLED]
_NOT_ZERO = re.compile("[1-9]")
_LIKE_A_NOTE = re.compile(
    r"\b(not[ay] (ksi[ęe]gow|obci[ąa][żz]eniow|odsetkow)|kar[ay] umown|odsetki (za|ustawowe|od)|piecz[ay] zast[ęe]pcz|"
    r"rodzin\w* zast[ęe]pcz|refundacj|zwrot (koszt|dotacji|nadp)|op[łl]at[ay] za upomnien)",
    re.IGNORECASE,
)


def warnings(outline: Outline) -> Iterator[Problem]:
    """The first sign that this is no invoice."""
    number = outline.body.text("P_2")
    called = collapse(number)
    # Nearly every number is none of these: one search instead of eight.
    for pattern, what in _NUMBER if _ANY_NUMBER.search(called) else ():
        if pattern.search(called):
            yield problem("not_for_ksef", field="Fa/P_2", value=number, what=what, **_line(outline.body, "P_2"))
            return
    for part in islice(outline.body.each("DodatkowyOpis"), _NOTES):
        for pattern, what in _NOTE:
            if pattern.match(part.value("Wartosc")):
                value = part.value("Wartosc")
                yield problem(
                    "not_for_ksef", field="Fa/DodatkowyOpis", value=value, what=what, **_line(part, "Wartosc")
                )
                return
    if not _taxed(outline.body):
        yield from _like_a_note(outline)


def _like_a_note(outline: Outline) -> Iterator[Problem]:
    for row in islice(outline.rows(), _ROWS):
        name = row.value("P_7")
        if _LIKE_A_NOTE.search(name):
            yield problem("looks_like_note", field="Fa/FaWiersz/P_7", value=name, **_line(row, "P_7"))
            return


def _taxed(body: Part) -> bool:
    return any(_NOT_ZERO.search(body.value(rate)) for rate in RATES)


def _line(part: Part, name: str) -> dict[str, int]:
    element = part.get(name)
    return {} if element is None or element.sourceline is None else {"line": element.sourceline}
