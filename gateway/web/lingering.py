"""Documents that are where none should stay long, and units whose computers are silent. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from gateway.web.finding import Finding, Level
from gateway.web.languages import say
from gateway.web.words import counted, moment
from spool.domain.states import State

NUMBERED_LONG = timedelta(hours=1)
FAR_SILENT = timedelta(hours=2)
UNANSWERED_LONG = timedelta(minutes=30)
UNCLEARED_LONG = timedelta(minutes=10)
_NAMED = 5


@dataclass(frozen=True)
class Far:
    """A remote unit: when its computer was heard of last, and how much waits for it."""

    unit: str
    seen_at: datetime | None
    waiting: int


@dataclass(frozen=True)
class Lingering:
    """How many documents are where none should stay long: counted by the spool, told by `lingering`."""

    without_upo: int = 0
    undelivered: int = 0
    unanswered: Mapping[str, int] = field(default_factory=dict)
    without_due: int = 0
    owed: int = 0
    ceased_for_nothing: int = 0
    set_aside: Sequence[str] = ()
    homeless: Mapping[str, int] = field(default_factory=dict)
    far: Sequence[Far] = ()
    uncleared: Sequence[str] = ()


def lingering(seen: Lingering) -> list[Finding]:
    """Documents that should have gone on by themselves and did not."""
    found = []
    if seen.without_upo:
        many = counted(seen.without_upo)
        text = say("{many}: numer KSeF od ponad godziny, a UPO jeszcze nie pobrano.", many=many)
        found.append(Finding(Level.LOOK, text, "without_upo"))
    if seen.undelivered:
        many = counted(seen.undelivered)
        text = say("{many}: numer KSeF i UPO są, ale od ponad godziny brak ich w folderze jednostki.", many=many)
        found.append(Finding(Level.ALARM, text, "undelivered"))
    if count := seen.unanswered.get(State.SUBMITTED, 0):
        many = counted(count)
        text = say("{many}: KSeF przetwarza od ponad 30 minut. Nie wysyłamy drugi raz, czekamy na wynik.", many=many)
        found.append(Finding(Level.LOOK, text, "unanswered:submitted"))
    if count := seen.unanswered.get(State.UNKNOWN, 0):
        many = counted(count)
        text = say(
            "{many}: wynik wysyłki jest nieznany od ponad 30 minut. Nie wysyłamy drugi raz bez pewności.", many=many
        )
        found.append(Finding(Level.ALARM, text, "unanswered:unknown"))
    return [*found, *_due(seen), *_stuck(seen)]


def _due(seen: Lingering) -> list[Finding]:
    """A duty that runs and that nothing here will fulfil by itself."""
    found = []
    if seen.owed:
        text = say(
            "{many}: KSeF odrzucił po wystawieniu offline, a termin biegnie. Trzeba poprawić i wysłać.",
            many=counted(seen.owed),
        )
        found.append(Finding(Level.ALARM, text, "deadline:owed"))
    if seen.without_due:
        many = counted(seen.without_due)
        text = say("{many} bez terminu przesłania. Proszę sprawdzić te dokumenty.", many=many)
        found.append(Finding(Level.ALARM, text, "deadline:none"))
    if seen.ceased_for_nothing:
        text = say(
            "{many}: obowiązek przesłania uznano za wygasły, ale komunikat o awarii całkowitej odwołano. Same nie "
            "zostaną wysłane, a termin biegnie: sluza queue list --state CEASED, potem sluza queue retry ID "
            "--reason POWÓD.",
            many=counted(seen.ceased_for_nothing),
        )
        found.append(Finding(Level.ALARM, text, "ceased_for_nothing"))
    return found


def _stuck(seen: Lingering) -> list[Finding]:
    """What a person has to move: set aside, left in another's folder, or of a unit that is configured no more."""
    found = []
    if seen.set_aside:
        named = some(seen.set_aside)
        text = say(
            "Odłożono na bok, bo przerywa pracę programu: {named}. Przywraca: sluza queue retry ID.", named=named
        )
        found.append(Finding(Level.ALARM, text, "set_aside"))
    if seen.uncleared:
        text = say(
            "Faktura przydzielona innej jednostce nadal leży w folderze: {named}. Śluza usunie ją później.",
            named=some([f"„{owner}”" for owner in seen.uncleared]),
        )
        found.append(Finding(Level.ALARM, text, "uncleared"))
    for unit, count in sorted(seen.homeless.items()):
        text = say(
            "{many}: jednostki „{unit}” nie ma już w konfiguracji, więc wyników nie można jej oddać.",
            many=counted(count), unit=unit,
        )  # fmt: skip
        found.append(Finding(Level.LOOK, text, f"homeless:{unit}"))
    return found


def some(names: Sequence[str]) -> str:
    """The first few of them, and that there are others."""
    named = ", ".join(names[:_NAMED])
    return say("{names} i inne", names=named) if len(names) > _NAMED else named


def far_away(units: Sequence[Far], now: datetime) -> list[Finding]:
    """Remote units whose computers are silent: their own program warns there, this is for who can lift a telephone."""
    found = []
    for one in units:
        if one.seen_at is not None and abs(now - one.seen_at) < FAR_SILENT:
            continue
        text = say("Komputer jednostki zdalnej „{unit}” jeszcze się nie połączył.", unit=one.unit)
        if one.seen_at is not None:
            since = moment(one.seen_at, now)
            text = say("Komputer jednostki zdalnej „{unit}” nie łączy się od {since}.", unit=one.unit, since=since)
        if one.waiting:
            text = say("{sentence} Czeka na niego: {count}.", sentence=text, count=one.waiting)
        found.append(Finding(Level.LOOK, text, f"far:{one.unit}"))
    return found
