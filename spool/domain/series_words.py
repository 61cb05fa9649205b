"""What people read about the order of a numbering series, in Polish. Pure."""

from datetime import datetime

from spool.domain.calendar import WARSAW
from spool.domain.ledger import Document
from spool.domain.municipality import Unit
from spool.domain.series import STRICT, goes_at
from spool.domain.states import LABELS

_STRICT = "do jej terminu zostały najwyżej 3 godziny. Projekt notatki służbowej jest w historii tamtej faktury."
_BLANK = "………………………………"
_WARN = "jednostka nie wstrzymuje następnych numerów (series_order = warn)."


def waits(document: Document, earlier: Document) -> str:
    """Why this document is held back, and until when."""
    at = goes_at(document.due_safe)
    until = f" Najpóźniej {_moment(at)} zostanie wysłana, nawet jeśli tamta nadal go nie ma." if at else ""
    return f"Czeka na numer KSeF faktury nr {earlier.facts.number}, wcześniejszej w serii {document.series}.{until}"


def overtook(earlier: Document, unit: Unit) -> str:
    """That a document went although an earlier number was open."""
    why = _STRICT if unit.series_order == STRICT else _WARN
    return f"Wysłano, zanim numer KSeF ma wcześniejsza faktura nr {earlier.facts.number} z tej serii: {why}"


def memo(document: Document, earlier: Document, unit: Unit, municipality: str, now: datetime) -> str:
    """The draft of the official memo to the head of the unit about the broken continuity (JST rule S8)."""
    issued = f" z dnia {earlier.issue_date:%d.%m.%Y}" if earlier.issue_date else ""
    due = f" (termin: {_moment(document.due_safe)})" if document.due_safe else ""
    return f"""NOTATKA SŁUŻBOWA (projekt)
{municipality}, {unit.name}
Dla: kierownik jednostki
W sprawie: ciągłość numeracji faktur, seria {document.series}

Faktura nr {earlier.facts.number}{issued}, przyjęta do wysyłki {_moment(earlier.created_at)}, nie ma numeru KSeF.
Jej stan: {LABELS[earlier.state]}, od {_moment(earlier.updated_at)}.
Przyczyna: {earlier.reason or _BLANK}
Fakturę nr {document.facts.number}{due} wysłano {_moment(now)}, nie czekając na numer KSeF
wcześniejszej, aby dotrzymać terminu. Tak samo są wysyłane dalsze numery tej serii, gdy zbliża
się ich termin.
Co dalej z fakturą bez numeru: {_BLANK}
Sporządził(a), data, podpis: {_BLANK}"""


def _moment(at: datetime) -> str:
    return f"{at.astimezone(WARSAW):%d.%m.%Y o godz. %H:%M}"
