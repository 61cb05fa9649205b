"""Is everything all right? Pure: what the spool says and the present instant in, findings in plain Polish out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from gateway.web import kept, outages, saved
from gateway.web.finding import Finding, Level
from gateway.web.languages import Said, phrase, say
from gateway.web.lingering import Lingering, far_away, lingering, some
from gateway.web.people import Trained, in_queue, needing, waiting
from gateway.web.upkeep import Upkeep, not_renewed, upkeep
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
    RENEWAL,
    Condition,
    Document,
    Outage,
    Received,
)
from spool.domain.volumes import ARCHIVE
from spool.worlds import ENVIRONMENT

SOON = timedelta(hours=2)
RECEIVE_QUIET = timedelta(hours=2)
_BEATS_MISSED = 4
_LATE = (
    phrase("jest po terminie przesłania do KSeF."),
    phrase("są po terminie przesłania do KSeF."),
    "jest po terminie przesłania do KSeF.",
)
SHOWN = 50
"""Rows of the queue on the page; the spool is asked for one more, to know whether there are others."""


@dataclass(frozen=True)
class Snapshot:
    """What the spool said at one moment. `queue` is ordered by due date; `latest` has the newest invoice first.

    Nothing but `trained` has anything of a training (decision 0048).
    """

    at: datetime
    contexts: Sequence[str]
    queue: Sequence[Document]
    counts: Mapping[str, int]
    conditions: Sequence[Condition]
    received_total: int
    unassigned: int
    latest: Sequence[Received]
    lingering: Lingering = Lingering()  # noqa: RUF009 - frozen
    outages: Sequence[Outage] = ()
    alarms: Sequence[Alarm] = ()
    unsent: Sequence[Mail] = ()
    permissions_over: int = 0
    trained: Trained = Trained()  # noqa: RUF009 - frozen
    upkeep: Upkeep = Upkeep()  # noqa: RUF009 - frozen
    shortage: str = ""
    """Why nothing new can be stored beside the spool; the sentence comes from the disk itself, not from the spool."""

    @property
    def waiting(self) -> int:
        """Live documents without a KSeF number."""
        return waiting(self.counts)

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
        Finding(Level.ALARM if w.grave else Level.LOOK, w.sentence, w.code, kept=w.kept)
        for w in told(snapshot.alarms, snapshot.unsent)
    ]
    found += [*lingering(snapshot.lingering), *_receiving(snapshot), *_folders(snapshot), *_left(snapshot)]
    found += far_away(snapshot.lingering.far, snapshot.at)
    found += [*upkeep(snapshot.upkeep, snapshot.at), *not_renewed(snapshot.conditions, snapshot.at)]
    seen = (snapshot.outages, snapshot.conditions, snapshot.at)
    found += [Finding(Level.ALARM, text, code) for code, text in outages.alarms(*seen)]
    found += [Finding(Level.LOOK, text, code) for code, text in outages.notes(*seen)]
    found += saved.findings(snapshot.condition("", BACKUP), snapshot.at)
    found += saved.archives(snapshot.condition("", ARCHIVE))
    lets_go = snapshot.condition("", KSEF_LETS_GO)
    found += [Finding(Level.LOOK, text, code) for code, text in kept.notes(snapshot.permissions_over, lets_go)]
    trained = _trained(snapshot)
    return sorted((_in_training(f, trained) for f in found), key=lambda f: -f.level)


_OF_CONTEXTS = frozenset(
    {"paused", "unreachable", "strange", "packages", "reconcile", "clock", "agent", "receiving", "certificate"}
) | {RENEWAL.rstrip(":")}
"""Findings whose code has a context in its second place."""


def _trained(snapshot: Snapshot) -> frozenset[str]:
    """The contexts that are for training while another is in earnest, by what the programs wrote at their start."""
    said = {c.context: c.value.get("name") for c in snapshot.conditions if c.name == ENVIRONMENT}
    here = {context: said.get(context, PROD.name) for context in snapshot.contexts}
    return frozenset(c for c, name in here.items() if name != PROD.name and PROD.name in here.values())


def _in_training(finding: Finding, trained: frozenset[str]) -> Finding:
    """Nobody is called because a training does not work."""
    kind, about, *_ = (*finding.code.split(":"), "")
    if kind not in _OF_CONTEXTS or about not in trained:
        return finding
    sentence = finding.sentence
    told = say("{training}: {sentence}", training=say(TRAINING), sentence=sentence)
    return replace(finding, level=Level.LOOK, sentence=told if isinstance(sentence, Said) else str(told))


def in_order(snapshot: Snapshot) -> str:
    """The second sentence of a good day: what is in the queue, and until when."""
    nearest = next((d.due_safe for d in snapshot.queue if d.due_safe), None)
    return in_queue(snapshot.waiting, nearest, snapshot.at)


def _disks(snapshot: Snapshot) -> list[Finding]:
    """A full disk, one without inodes, one that became read-only (faults F04 to F06)."""
    found = []
    if snapshot.shortage:
        text = say("Nowych faktur Śluza nie przyjmuje, przyjęte wysyła dalej. {kept}", kept=snapshot.shortage)
        found.append(Finding(Level.ALARM, text, "disk:spool", kept=snapshot.shortage))
    told = snapshot.condition("", DISK_OF_FOLDERS)
    if told is not None:
        kept = said(told)
        text = say("Wyników nie można teraz zapisać w folderach; czekają bezpiecznie. {kept}", kept=kept)
        found.append(Finding(Level.ALARM, text, DISK_OF_FOLDERS, kept=kept))
    return found


def _deadlines(snapshot: Snapshot) -> list[Finding]:
    late = sum(overdue(d, snapshot.at) for d in snapshot.queue)
    near = sum(soon(d, snapshot.at) for d in snapshot.queue)
    found = []
    if late:
        many = say("Co najmniej {many}", many=counted(late)) if late >= SHOWN else counted(late)
        text = say("{many} {what}", many=many, what=plural(late, _LATE))
        found.append(Finding(Level.ALARM, text, "deadline:late"))
    if near:
        text = say("Za mniej niż 2 godziny mija termin: {many} bez numeru KSeF.", many=counted(near))
        found.append(Finding(Level.LOOK, text, "deadline:near"))
    return found


def _contexts(snapshot: Snapshot) -> list[Finding]:
    found: list[Finding] = []
    for condition in snapshot.conditions:
        name, since, kept = condition.context, moment(condition.at, snapshot.at), said(condition)
        words = {"name": name, "since": since, "kept": kept}
        if condition.name == "paused":
            text = say("Wysyłka „{name}” jest wstrzymana od {since}. {kept}", **words)
            found.append(Finding(Level.ALARM, text, f"paused:{name}", kept=kept))
        elif condition.name == "reachable" and unreachable(condition):
            text = say(
                "KSeF nie odpowiada od {since} („{name}”). Faktury czekają bezpiecznie i zostaną wysłane same.", **words
            )
            found.append(Finding(Level.LOOK, text, f"unreachable:{name}"))
        elif condition.name == "strange":
            text = say(
                "KSeF odpowiada od {since} inaczej, niż zna ta wersja Śluzy („{name}”). Faktury czekają bezpiecznie, "
                "a terminy biegną: proszę sprawdzić, czy jest nowsza wersja programu. {kept}",
                **words,
            )
            found.append(Finding(Level.ALARM, text, f"strange:{name}", kept=kept))
        elif condition.name == "packages_fail":
            text = say(
                "KSeF odrzucił ostatnią paczkę faktur w całości („{name}”, od {since}): idą pojedynczo, wolniej. "
                "{kept}",
                **words,
            )
            found.append(Finding(Level.LOOK, text, f"packages:{name}", kept=kept))
        elif condition.name.startswith("damaged"):
            document = condition.value.get("document")
            text = say("Zapisana treść dokumentu {id} jest uszkodzona i nie zostanie wysłana.", id=document)
            found.append(Finding(Level.ALARM, text, f"damaged:{document}"))
        elif condition.name == RECONCILE_FIRST:
            found.append(Finding(Level.ALARM, not_compared(condition, since), f"reconcile:{name}", kept=kept))
        elif condition.name == "clock":
            found.append(Finding(Level.ALARM, _clock(condition), f"clock:{name}", kept=kept))
    return found


def not_compared(condition: Condition, since: str) -> str:
    """Nothing is sent until KSeF was compared with the spool (faults F11, F12)."""
    of = f" „{condition.context}”" if condition.context else ""
    cure = say(
        "Zostanie wznowiona po porównaniu z KSeF, które agent robi sam; można je też uruchomić: sluza reconcile."
    )
    if _by_a_person(condition):
        cure = say("Jeśli poprzedni serwer na pewno już nie działa, proszę uruchomić: sluza reconcile.")
    why = said(condition)
    return say("Wysyłka{of} jest wstrzymana od {since}. {kept} {cure}", of=of, since=since, kept=why, cure=cure)


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
        text = say("Program wysyłający (agent) nie działa od {since}. Nic nie jest wysyłane.", since=since)
        if alive.at > snapshot.at:
            text = say(
                "Nie wiadomo, czy program wysyłający (agent) działa: jego ostatni znak życia ma godzinę, "
                "której jeszcze nie było ({since}). Proszę sprawdzić zegar serwera.",
                since=since,
            )
        return [Finding(Level.ALARM, text, "agent")]
    return [
        Finding(Level.LOOK, say("Agent nie połączył się jeszcze z KSeF („{name}”).", name=context), f"agent:{context}")
        for context in snapshot.contexts
        if snapshot.condition(context, "reachable") is None and snapshot.condition(context, "paused") is None
    ]


def _clock(condition: Condition) -> str:
    """The agent compares our clock with KSeF's (faults F14)."""
    seconds, kept = condition.value.get("seconds"), said(condition)
    if not isinstance(seconds, int):
        return say(
            "Zegar tego serwera różni się od zegara KSeF. Proszę włączyć synchronizację czasu. {kept}", kept=kept
        )
    return say(
        "Zegar tego serwera różni się od zegara KSeF o {apart} s. Proszę włączyć synchronizację czasu. {kept}",
        apart=abs(seconds),
        kept=kept,
    )


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
            since, why = moment(_since(failing), snapshot.at), said(failing)
            text = say(
                "Nie udaje się odbierać faktur zakupowych z KSeF („{name}”) od {since}. {kept}",
                name=context, since=since, kept=why,
            )  # fmt: skip
            found.append(Finding(Level.ALARM, text, f"receiving:{context}", kept=why))
        elif last is not None and snapshot.at - last.at > max(RECEIVE_QUIET, 4 * _interval(last)):
            since = moment(last.at, snapshot.at)
            text = say("Faktur zakupowych z KSeF („{name}”) nie odbierano od {since}.", name=context, since=since)
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


def unavailable_folders(snapshot: Snapshot) -> list[str]:
    """The units whose folder is not there (the central tray and the whole root among them), by what the watch wrote."""
    return [c.name.removeprefix(FOLDER) for c in snapshot.conditions if c.context == "" and c.name.startswith(FOLDER)]


def _folders(snapshot: Snapshot) -> list[Finding]:
    """One sentence, however many folders one lost share has taken with it."""
    units = sorted(unavailable_folders(snapshot))
    if not units:
        return []
    if "" in units:
        text = say("Foldery jednostek są niedostępne. Wyniki czekają bezpiecznie, pliki nie giną.")
        return [Finding(Level.ALARM, text, "folders")]
    text = say(
        "Niedostępny folder: {units}. Pliki i wyniki czekają; proszę sprawdzić, czy zasób jest podłączony.",
        units=some([f"„{unit}”" for unit in units]),
    )
    return [Finding(Level.ALARM, text, "folders")]


def _left(snapshot: Snapshot) -> list[Finding]:
    """One sentence for each unit in whose drop folder lies what will never be sent (faults X09)."""
    found = []
    for condition in snapshot.conditions:
        if condition.name.startswith(LEFT):
            named = ", ".join(condition.value.get("named", []))
            if condition.value.get("count", 0) > len(condition.value.get("named", [])):
                named = say("{names} i inne", names=named)
            text = say(
                "W „do-wyslania” jednostki „{unit}” leży coś, co nie jest plikiem i nie zostanie wysłane: {named}. "
                "Proszę to usunąć, a faktury zapisać w „do-wyslania”.",
                unit=condition.value.get("unit"), named=named,
            )  # fmt: skip
            found.append(Finding(Level.ALARM, text, condition.name))
    return found


def said(condition: Condition) -> str:
    """What whoever set the condition left for people: the reason and the cure."""
    parts = (condition.value.get("reason") or condition.value.get("detail"), condition.value.get("hint"))
    return " ".join(str(part) for part in parts if part)
