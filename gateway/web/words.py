"""Saying numbers and times in Polish. Pure: `now` is handed in."""

from datetime import datetime, timedelta

from gateway.render.text import amount
from spool.domain.calendar import WARSAW
from spool.domain.catalogue import printable
from spool.domain.document import Facts

INVOICE = ("faktura", "faktury", "faktur")
_WEEKDAYS = ("pon.", "wt.", "śr.", "czw.", "pt.", "sob.", "niedz.")


def plural(count: int, forms: tuple[str, str, str]) -> str:
    """The form for 1, for 2-4, for the rest: `faktura, faktury, faktur`."""
    if count == 1:
        return forms[0]
    few = count % 10 in {2, 3, 4} and count % 100 not in {12, 13, 14}
    return forms[1] if few else forms[2]


def counted(count: int, forms: tuple[str, str, str] = INVOICE) -> str:
    """`3 faktury`; thousands are set apart by a space."""
    return f"{number(count)} {plural(count, forms)}"


def number(count: int) -> str:
    """12 345, with a space that does not break."""
    return f"{count:,}".replace(",", "\u00a0")


def paid(facts: Facts) -> str:
    """`1 230,00 PLN`: what is to be paid, as the print shows it; empty where it could not be read."""
    return f"{amount(facts.gross)} {facts.currency}".replace("\u00a0", " ").strip()


def one_line(text: str, length: int = 400) -> str:
    """A sentence of ours fit for one line: the spaces that we set ourselves stay spaces."""
    return printable(text.replace("\u00a0", " "), length)


def moment(at: datetime, now: datetime) -> str:
    """Warsaw time as people say it: `dziś 23:59`, `jutro 23:59`, `pt. 27.11, 23:59`."""
    there, here = at.astimezone(WARSAW), now.astimezone(WARSAW)
    days = (there.date() - here.date()).days
    if days in _NEAR:
        return f"{_NEAR[days]} {there:%H:%M}"
    year = f".{there:%Y}" if there.year != here.year else ""
    return f"{_WEEKDAYS[there.weekday()]} {there:%d.%m}{year}, {there:%H:%M}"


def actor(name: str) -> str:
    """Who did it: our programs by what they do, people by their names."""
    return _PROGRAMS.get(name, name)


_PROGRAMS = {"agent": "Śluza, łącznik z KSeF", "gateway": "Śluza, bramka", "spool": "Śluza, kolejka"}


def clock(now: datetime) -> str:
    """`pt. 20.11.2026, 22:20:05`, so that a monitor which stopped can be told."""
    here = now.astimezone(WARSAW)
    return f"{_WEEKDAYS[here.weekday()]} {here:%d.%m.%Y, %H:%M:%S}"


_NEAR = {-1: "wczoraj", 0: "dziś", 1: "jutro"}


def left(until: datetime, now: datetime) -> str:
    """How long until then: `3 godz. 5 min`, or `po terminie od 2 dni`."""
    gap = until - now
    return f"po terminie od {_span(-gap)}" if gap < timedelta(0) else _span(gap)


def _span(gap: timedelta) -> str:
    minutes = int(gap.total_seconds() // 60)
    days, hours = minutes // 1440, minutes // 60
    if days >= 2:
        return f"{days} dni"
    if hours >= 10:
        return f"{hours} godz."
    if hours:
        return f"{hours} godz. {minutes % 60} min"
    return f"{minutes} min" if minutes else "mniej niż 1 min"
