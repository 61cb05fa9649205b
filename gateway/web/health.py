"""Is everything all right? Pure: what the spool says and the present instant in, findings in plain Polish out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from gateway.web import kept, outages, saved
from gateway.web.finding import Finding, Level
from gateway.web.people import in_queue, needing
from gateway.web.upkeep import Upkeep, upkeep
from gateway.web.warned import told
from gateway.web.words import counted, moment, plural
from spool.domain.alarms import Alarm, Mail
from spool.domain.backups import BACKUP
from spool.domain.built import too_early, wrong_clock
from spool.domain.environments import PROD, TRAINING
from spool.domain.identity import FOR_A_PERSON, RECONCILE_FIRST, Doubt
from spool.domain.ledger import (
    ALIVE,
    ALIVE_EVERY_S,
    DISK_OF_FOLDERS,
    FOLDER,
    KSEF_LETS_GO,
    LEFT,
    Condition,
    Document,
    Outage,
    Received,
)
from spool.domain.states import LIVE, State
from spool.domain.volumes import ARCHIVE
from spool.worlds import ENVIRONMENT

SOON = timedelta(hours=2)
RECEIVE_QUIET = timedelta(hours=2)
NUMBERED_LONG = timedelta(hours=1)
FAR_SILENT = timedelta(hours=2)
UNANSWERED_LONG = timedelta(minutes=30)
UNCLEARED_LONG = timedelta(minutes=10)
_NAMED = 5
_BEATS_MISSED = 4
SHOWN = 50
"""Rows of the queue on the page; the spool is asked for one more, to know whether there are others."""


@dataclass(frozen=True)
class Far:
    """A remote unit: when its computer was heard of last, and how much waits for it."""

    unit: str
    seen_at: datetime | None
    waiting: int


@dataclass(frozen=True)
class Lingering:
    """How many documents are where none should stay long: counted by the spool, told by `findings`."""

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


@dataclass(frozen=True)
class Snapshot:
    """What the spool said at one moment. `queue` is ordered by due date; `latest` has the newest invoice first."""

    at: datetime
    contexts: Sequence[str]
    queue: Sequence[Document]
    counts: Mapping[str, int]
    conditions: Sequence[Condition]
    received_total: int
    unassigned: int
    latest: Sequence[Received]
    lingering: Lingering = Lingering()
    outages: Sequence[Outage] = ()
    alarms: Sequence[Alarm] = ()
    unsent: Sequence[Mail] = ()
    permissions_over: int = 0
    upkeep: Upkeep = Upkeep()  # noqa: RUF009 - frozen
    shortage: str = ""
    """Why nothing new can be stored beside the spool; the sentence comes from the disk itself, not from the spool."""

    @property
    def waiting(self) -> int:
        """Live documents without a KSeF number."""
        return sum(self.counts.get(state, 0) for state in LIVE - {State.ACCEPTED})

    def condition(self, context: str, name: str) -> Condition | None:
        """A condition of a context, if it is set."""
        return next((c for c in self.conditions if c.context == context and c.name == name), None)


def overdue(document: Document, now: datetime) -> bool:
    """Its safe date has passed without a number."""
    return document.due_safe is not None and document.due_safe < now


def soon(document: Document, now: datetime) -> bool:
    """Its safe date is near."""
    return document.due_safe is not None and now <= document.due_safe < now + SOON


def unreachable(condition: Condition | None) -> bool:
    """`reachable` says no."""
    return condition is not None and condition.value.get("ok") is False


def findings(snapshot: Snapshot) -> list[Finding]:
    """Everything that is not as it should be, the worst first; empty when all is well."""
    found = [Finding(Level.ALARM, wrong_clock(snapshot.at), "own_clock")] if too_early(snapshot.at) else []
    found += [
        *_disks(snapshot),
        *_deadlines(snapshot),
        *_contexts(snapshot),
        *needing(snapshot.counts),
        *_silent(snapshot),
    ]
    found += [
        Finding(Level.ALARM if w.grave else Level.LOOK, w.sentence, w.code)
        for w in told(snapshot.alarms, snapshot.unsent)
    ]
    found += [*_lingering(snapshot.lingering), *_receiving(snapshot), *_folders(snapshot), *_left(snapshot)]
    found += far_away(snapshot.lingering.far, snapshot.at)
    found += upkeep(snapshot.upkeep, snapshot.at)
    seen = (snapshot.outages, snapshot.conditions, snapshot.at)
    found += [Finding(Level.ALARM, text, code) for code, text in outages.alarms(*seen)]
    found += [Finding(Level.LOOK, text, code) for code, text in outages.notes(*seen)]
    found += saved.findings(snapshot.condition("", BACKUP), snapshot.at)
    found += saved.archives(snapshot.condition("", ARCHIVE))
    lets_go = snapshot.condition("", KSEF_LETS_GO)
    found += [Finding(Level.LOOK, text, code) for code, text in kept.notes(snapshot.permissions_over, lets_go)]
    trained = _trained(snapshot)
    return sorted((_in_training(f, trained) for f in found), key=lambda f: -f.level)


def _trained(snapshot: Snapshot) -> frozenset[str]:
    """The contexts that are for training while another is in earnest, by what the programs wrote at their start."""
    said = {c.context: c.value.get("name") for c in snapshot.conditions if c.name == ENVIRONMENT}
    here = {context: said.get(context, PROD.name) for context in snapshot.contexts}
    return frozenset(c for c, name in here.items() if name != PROD.name and PROD.name in here.values())


def _in_training(finding: Finding, trained: frozenset[str]) -> Finding:
    """Nobody is called because a training does not work."""
    if finding.code.partition(":")[2] not in trained:
        return finding
    return replace(finding, level=Level.LOOK, sentence=f"{TRAINING}: {finding.sentence}")


def in_order(snapshot: Snapshot) -> str:
    """The second sentence of a good day: what is in the queue, and until when."""
    nearest = next((d.due_safe for d in snapshot.queue if d.due_safe), None)
    return in_queue(snapshot.waiting, nearest, snapshot.at)


def _disks(snapshot: Snapshot) -> list[Finding]:
    """A full disk, one without inodes, one that became read-only (faults F04 to F06)."""
    found = []
    if snapshot.shortage:
        text = f"Nowych faktur Śluza nie przyjmuje, przyjęte wysyła dalej. {snapshot.shortage}"
        found.append(Finding(Level.ALARM, text, "disk:spool"))
    told = snapshot.condition("", DISK_OF_FOLDERS)
    if told is not None:
        text = f"Wyników nie można teraz zapisać w folderach; czekają bezpiecznie. {said(told)}"
        found.append(Finding(Level.ALARM, text, DISK_OF_FOLDERS))
    return found


def _deadlines(snapshot: Snapshot) -> list[Finding]:
    late = sum(overdue(d, snapshot.at) for d in snapshot.queue)
    near = sum(soon(d, snapshot.at) for d in snapshot.queue)
    found = []
    if late:
        more = "Co najmniej " if late >= SHOWN else ""
        be = plural(late, ("jest", "są", "jest"))
        found.append(
            Finding(Level.ALARM, f"{more}{counted(late)} {be} po terminie przesłania do KSeF.", "deadline:late")
        )
    if near:
        found.append(
            Finding(
                Level.LOOK, f"Za mniej niż 2 godziny mija termin: {counted(near)} bez numeru KSeF.", "deadline:near"
            )
        )
    return found


def _contexts(snapshot: Snapshot) -> list[Finding]:
    found: list[Finding] = []
    for condition in snapshot.conditions:
        name, since = condition.context, moment(condition.at, snapshot.at)
        if condition.name == "paused":
            text = f"Wysyłka „{name}” jest wstrzymana od {since}. {said(condition)}"
            found.append(Finding(Level.ALARM, text.strip(), f"paused:{name}"))
        elif condition.name == "reachable" and unreachable(condition):
            text = f"KSeF nie odpowiada od {since} („{name}”). Faktury czekają bezpiecznie i zostaną wysłane same."
            found.append(Finding(Level.LOOK, text, f"unreachable:{name}"))
        elif condition.name == "strange":
            text = (
                f"KSeF odpowiada od {since} inaczej, niż zna ta wersja Śluzy („{name}”). Faktury czekają bezpiecznie, "
                f"a terminy biegną: proszę sprawdzić, czy jest nowsza wersja programu. {said(condition)}"
            )
            found.append(Finding(Level.ALARM, text.strip(), f"strange:{name}"))
        elif condition.name == "packages_fail":
            text = f"KSeF odrzucił ostatnią paczkę faktur w całości („{name}”, od {since}): idą pojedynczo, wolniej."
            found.append(Finding(Level.LOOK, f"{text} {said(condition)}".strip(), f"packages:{name}"))
        elif condition.name.startswith("damaged"):
            text = f"Zapisana treść dokumentu {condition.value.get('document')} jest uszkodzona i nie zostanie wysłana."
            found.append(Finding(Level.ALARM, text, f"damaged:{condition.value.get('document')}"))
        elif condition.name == RECONCILE_FIRST:
            found.append(Finding(Level.ALARM, not_compared(condition, since), f"reconcile:{name}"))
        elif condition.name == "clock":
            found.append(Finding(Level.ALARM, _clock(condition), f"clock:{name}"))
    return found


def not_compared(condition: Condition, since: str) -> str:
    """Nothing is sent until KSeF was compared with the spool (faults F11, F12)."""
    of = f" „{condition.context}”" if condition.context else ""
    cure = "Zostanie wznowiona po porównaniu z KSeF, które agent robi sam; można je też uruchomić: sluza reconcile."
    if _by_a_person(condition):
        cure = "Jeśli poprzedni serwer na pewno już nie działa, proszę uruchomić: sluza reconcile."
    return f"Wysyłka{of} jest wstrzymana od {since}. {said(condition)} {cure}"


def _by_a_person(condition: Condition) -> bool:
    """Only a person can say that nobody else sends in our name."""
    return bool(FOR_A_PERSON & {Doubt(name) for name in condition.value.get("doubts", ())})


def silent(alive: Condition | None, now: datetime) -> bool:
    """The agent's last sign of life is old, or comes from the future because a clock was set back."""
    return alive is not None and abs(now - alive.at) > _BEATS_MISSED * timedelta(seconds=ALIVE_EVERY_S)


def _agent_is_silent(snapshot: Snapshot) -> bool:
    return silent(snapshot.condition("", ALIVE), snapshot.at)


def _silent(snapshot: Snapshot) -> list[Finding]:
    """The agent does not live, or contexts from which it has never told anything."""
    alive = snapshot.condition("", ALIVE)
    if alive is not None and _agent_is_silent(snapshot):
        since = moment(alive.at, snapshot.at)
        text = f"Program wysyłający (agent) nie działa od {since}. Nic nie jest wysyłane."
        if alive.at > snapshot.at:
            text = (
                "Nie wiadomo, czy program wysyłający (agent) działa: jego ostatni znak życia ma godzinę, "
                f"której jeszcze nie było ({since}). Proszę sprawdzić zegar serwera."
            )
        return [Finding(Level.ALARM, text, "agent")]
    return [
        Finding(Level.LOOK, f"Agent nie połączył się jeszcze z KSeF („{context}”).", f"agent:{context}")
        for context in snapshot.contexts
        if snapshot.condition(context, "reachable") is None and snapshot.condition(context, "paused") is None
    ]


def _clock(condition: Condition) -> str:
    """The agent compares our clock with KSeF's (faults F14)."""
    seconds = condition.value.get("seconds")
    apart = f" o {abs(seconds)} s" if isinstance(seconds, int) else ""
    text = f"Zegar tego serwera różni się od zegara KSeF{apart}. Proszę włączyć synchronizację czasu. {said(condition)}"
    return text.strip()


def _lingering(seen: Lingering) -> list[Finding]:
    """Documents that should have gone on by themselves and did not."""
    found = []
    if seen.without_upo:
        text = f"{counted(seen.without_upo)}: numer KSeF od ponad godziny, a UPO jeszcze nie pobrano."
        found.append(Finding(Level.LOOK, text, "without_upo"))
    if seen.undelivered:
        text = f"{counted(seen.undelivered)}: numer KSeF i UPO są, ale od ponad godziny brak ich w folderze jednostki."
        found.append(Finding(Level.ALARM, text, "undelivered"))
    if count := seen.unanswered.get(State.SUBMITTED, 0):
        text = f"{counted(count)}: KSeF przetwarza od ponad 30 minut. Nie wysyłamy drugi raz, czekamy na wynik."
        found.append(Finding(Level.LOOK, text, "unanswered:submitted"))
    if count := seen.unanswered.get(State.UNKNOWN, 0):
        text = f"{counted(count)}: wynik wysyłki jest nieznany od ponad 30 minut. Nie wysyłamy drugi raz bez pewności."
        found.append(Finding(Level.ALARM, text, "unanswered:unknown"))
    if seen.owed:
        text = (
            f"{counted(seen.owed)}: KSeF odrzucił po wystawieniu offline, a termin biegnie. Trzeba poprawić i wysłać."
        )
        found.append(Finding(Level.ALARM, text, "deadline:owed"))
    if seen.without_due:
        text = f"{counted(seen.without_due)} bez terminu przesłania. Proszę sprawdzić te dokumenty."
        found.append(Finding(Level.ALARM, text, "deadline:none"))
    if seen.ceased_for_nothing:
        text = (
            f"{counted(seen.ceased_for_nothing)}: obowiązek przesłania uznano za wygasły, ale komunikat o awarii "
            "całkowitej odwołano. Same nie zostaną wysłane, a termin biegnie: sluza queue list --state CEASED, potem "
            "sluza queue retry ID --reason POWÓD."
        )
        found.append(Finding(Level.ALARM, text, "ceased_for_nothing"))
    return [*found, *_stuck(seen)]


def _stuck(seen: Lingering) -> list[Finding]:
    """What a person has to move: set aside, left in another's folder, or of a unit that is configured no more."""
    found = []
    if seen.set_aside:
        named = _some(seen.set_aside)
        text = f"Odłożono na bok, bo przerywa pracę programu: {named}. Przywraca: sluza queue retry ID."
        found.append(Finding(Level.ALARM, text, "set_aside"))
    if seen.uncleared:
        named = _some([f"„{owner}”" for owner in seen.uncleared])
        text = f"Faktura przydzielona innej jednostce nadal leży w folderze: {named}. Śluza usunie ją później."
        found.append(Finding(Level.ALARM, text, "uncleared"))
    for unit, count in sorted(seen.homeless.items()):
        text = f"{counted(count)}: jednostki „{unit}” nie ma już w konfiguracji, więc wyników nie można jej oddać."
        found.append(Finding(Level.LOOK, text, f"homeless:{unit}"))
    return found


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMED]) + (" i inne" if len(names) > _NAMED else "")


def _receiving(snapshot: Snapshot) -> list[Finding]:
    """Contexts in which purchases have not come for too long, or cannot be fetched.

    A dead agent, and a KSeF that does not answer at all, are told elsewhere: this would only be what follows from it.
    """
    if _agent_is_silent(snapshot):
        return []
    found = []
    for context in snapshot.contexts:
        failing, last = snapshot.condition(context, "receive_failing"), snapshot.condition(context, "last_received")
        if unreachable(snapshot.condition(context, "reachable")):
            continue
        if failing is not None:
            since = moment(_since(failing), snapshot.at)
            text = f"Nie udaje się odbierać faktur zakupowych z KSeF („{context}”) od {since}. {said(failing)}"
            found.append(Finding(Level.ALARM, text.strip(), f"receiving:{context}"))
        elif last is not None and snapshot.at - last.at > max(RECEIVE_QUIET, 4 * _interval(last)):
            since = moment(last.at, snapshot.at)
            text = f"Faktur zakupowych z KSeF („{context}”) nie odbierano od {since}."
            found.append(Finding(Level.ALARM, text, f"receiving:{context}"))
    return found


def _since(condition: Condition) -> datetime:
    """When it began, as its writer says; `at` of a condition is renewed with its detail."""
    try:
        return datetime.fromisoformat(str(condition.value.get("since"))).astimezone(UTC)
    except ValueError:
        return condition.at


def _interval(last: Condition) -> timedelta:
    """How often the agent asks, as it wrote itself."""
    seconds = last.value.get("every_seconds")
    return timedelta(seconds=seconds) if isinstance(seconds, int | float) else timedelta(0)


def far_away(units: Sequence[Far], now: datetime) -> list[Finding]:
    """Remote units whose computers are silent: their own program warns there, this is for who can lift a telephone."""
    found = []
    for one in units:
        if one.seen_at is not None and abs(now - one.seen_at) < FAR_SILENT:
            continue
        since = f"nie łączy się od {moment(one.seen_at, now)}" if one.seen_at else "jeszcze się nie połączył"
        rest = f" Czeka na niego: {one.waiting}." if one.waiting else ""
        found.append(Finding(Level.LOOK, f"Komputer jednostki zdalnej „{one.unit}” {since}.{rest}", f"far:{one.unit}"))
    return found


def unavailable_folders(snapshot: Snapshot) -> list[str]:
    """The units whose folder is not there (the central tray and the whole root among them), by what the watch wrote."""
    return [c.name.removeprefix(FOLDER) for c in snapshot.conditions if c.context == "" and c.name.startswith(FOLDER)]


def _folders(snapshot: Snapshot) -> list[Finding]:
    """One sentence, however many folders one lost share has taken with it."""
    units = sorted(unavailable_folders(snapshot))
    if not units:
        return []
    if "" in units:
        text = "Foldery jednostek są niedostępne. Wyniki czekają bezpiecznie, pliki nie giną."
        return [Finding(Level.ALARM, text, "folders")]
    names = _some([f"„{unit}”" for unit in units])
    text = f"Niedostępny folder: {names}. Pliki i wyniki czekają; proszę sprawdzić, czy zasób jest podłączony."
    return [Finding(Level.ALARM, text, "folders")]


def _left(snapshot: Snapshot) -> list[Finding]:
    """One sentence for each unit in whose drop folder lies what will never be sent (faults X09)."""
    found = []
    for condition in snapshot.conditions:
        if condition.name.startswith(LEFT):
            named = condition.value.get("named", [])
            more = " i inne" if condition.value.get("count", 0) > len(named) else ""
            text = (
                f"W „do-wyslania” jednostki „{condition.value.get('unit')}” leży coś, co nie jest plikiem i nie "
                f"zostanie wysłane: {', '.join(named)}{more}. Proszę to usunąć, a faktury zapisać w „do-wyslania”."
            )
            found.append(Finding(Level.ALARM, text, condition.name))
    return found


def said(condition: Condition) -> str:
    """What whoever set the condition left for people: the reason and the cure."""
    parts = (condition.value.get("reason") or condition.value.get("detail"), condition.value.get("hint"))
    return " ".join(str(part) for part in parts if part)
