"""Saying numbers and times in the language of the page. `now` is handed in."""

from datetime import date, datetime, timedelta

from gateway.render.text import amount
from gateway.web.languages import ENGLISH, Said, phrase, say, spoken
from spool.domain.calendar import WARSAW
from spool.domain.catalogue import printable
from spool.domain.document import Facts

INVOICE = (phrase("faktura"), phrase("faktury"), "faktur")
WAITS = (phrase("czeka"), phrase("czekają"), "czeka")
DAYS = (phrase("dzień"), phrase("dni"), "dni")
_WEEKDAYS = ("pon.", "wt.", "śr.", "czw.", "pt.", "sob.", "niedz.")


def plural(count: int, forms: tuple[str, str, str]) -> str:
    """The form for 1, for 2-4, for the rest: `faktura, faktury, faktur`; in English the first two are translated."""
    if count == 1 or spoken() == ENGLISH:
        return say(forms[count != 1])
    few = count % 10 in {2, 3, 4} and count % 100 not in {12, 13, 14}
    return Said(forms[1] if few else forms[2])


def counted(count: int, forms: tuple[str, str, str] = INVOICE) -> str:
    """`3 faktury`; thousands are set apart."""
    return Said(f"{number(count)} {plural(count, forms)}")


def number(count: int) -> str:
    """12 345, with a space that does not break; in English 12,345."""
    return f"{count:,}" if spoken() == ENGLISH else f"{count:,}".replace(",", "\u00a0")


def paid(facts: Facts) -> str:
    """`1 230,00 PLN`: what is to be paid, as the print shows it; in English `1,230.00 PLN`. Empty where it could not be
    read."""
    shown = amount(facts.gross)
    if spoken() == ENGLISH and shown != facts.gross:  # what is no number stays as it is
        shown = shown.translate(_ENGLISH_MARKS)
    return f"{shown} {facts.currency}".replace("\u00a0", " ").strip()


_ENGLISH_MARKS = str.maketrans({"\u00a0": ",", ",": "."})


def one_line(text: str, length: int = 400) -> str:
    """A sentence of ours fit for one line: the spaces that we set ourselves stay spaces."""
    return printable(text.replace("\u00a0", " "), length)


def moment(at: datetime, now: datetime) -> str:
    """Warsaw time as people say it: `dziś 23:59`, `jutro 23:59`, `pt. 27.11, 23:59`, `Fri 27 Nov, 23:59`."""
    there, here = at.astimezone(WARSAW), now.astimezone(WARSAW)
    days = (there.date() - here.date()).days
    if days in _NEAR:
        return Said(f"{say(_NEAR[days])} {there:%H:%M}")
    if spoken() == ENGLISH:
        pattern = "EEE d MMM, HH:mm" if there.year == here.year else "EEE d MMM y, HH:mm"
        return Said(_in_english(there, pattern))
    year = f".{there:%Y}" if there.year != here.year else ""
    return Said(f"{_WEEKDAYS[there.weekday()]} {there:%d.%m}{year}, {there:%H:%M}")


def day(at: date) -> str:
    """`27.11.2026`, `27 Nov 2026`. A datetime is taken as it stands, so it is handed in as Warsaw time."""
    return _in_english(at, "d MMM y") if spoken() == ENGLISH else f"{at:%d.%m.%Y}"


def day_of_year(at: date) -> str:
    """`27.11`, `27 Nov`, where the year is known."""
    return _in_english(at, "d MMM") if spoken() == ENGLISH else f"{at:%d.%m}"


def _in_english(at: date, pattern: str) -> str:
    from babel.dates import format_date, format_datetime  # here, because the command line never speaks English

    if isinstance(at, datetime):
        return format_datetime(at, pattern, tzinfo=at.tzinfo, locale="en_GB")
    return format_date(at, pattern, locale="en_GB")


def actor(name: str) -> str:
    """Who did it: our programs by what they do, people by their names."""
    return say(_PROGRAMS[name]) if name in _PROGRAMS else name


_PROGRAMS = {
    "agent": phrase("Śluza, łącznik z KSeF"),
    "gateway": phrase("Śluza, bramka"),
    "spool": phrase("Śluza, kolejka"),
}


def clock(now: datetime) -> str:
    """`pt. 20.11.2026, 22:20:05`, so that a monitor which stopped can be told."""
    here = now.astimezone(WARSAW)
    if spoken() == ENGLISH:
        return _in_english(here, "EEE d MMM y, HH:mm:ss")
    return f"{_WEEKDAYS[here.weekday()]} {here:%d.%m.%Y, %H:%M:%S}"


_NEAR = {-1: phrase("wczoraj"), 0: phrase("dziś"), 1: phrase("jutro")}


def left(until: datetime, now: datetime) -> str:
    """How long until then: `3 godz. 5 min`, or `po terminie od 2 dni`."""
    gap = until - now
    return say("po terminie od {span}", span=_span(-gap)) if gap < timedelta(0) else _span(gap)


def _span(gap: timedelta) -> str:
    minutes = int(gap.total_seconds() // 60)
    days, hours = minutes // 1440, minutes // 60
    if days >= 2:
        return say("{days} dni", days=days)
    if hours >= 10:
        return say("{hours} godz.", hours=hours)
    if hours:
        return say("{hours} godz. {minutes} min", hours=hours, minutes=minutes % 60)
    return say("{minutes} min", minutes=minutes) if minutes else say("mniej niż 1 min")
