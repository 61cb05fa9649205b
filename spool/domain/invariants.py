"""What must always hold in the spool, as rules: facts of one document in, findings out. Pure; `now` is in `Around`.

The numbers are those of the project's list of invariants (`sluza check` prints them). What is a fact of the whole
spool and not of one document (a body, a double number, the chain) is put into words here and found by named queries.
"""

import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from spool.domain.document import Mode
from spool.domain.identity import RECONCILE_FIRST
from spool.domain.ledger import PROGRAMS
from spool.domain.states import FIRST, LABELS, LIVE, MOVES, NUMBERED, TERMINAL, State
from spool.domain.terms import DueState

SPOOL = "SQLite"
"""Not of the list: the file itself, which everything else rests on."""

KSEF = "KSeF"
"""Not of the list: without an answer of KSeF nothing can be said about I2 to I4."""

MEANING = {
    SPOOL: "plik spoolu jest spójny",
    KSEF: "rejestr KSeF dał się odczytać w całości",
    "I1": "treść każdego dokumentu jest w spoolu, w całości",
    "I2": "KSeF ma każdą naszą fakturę najwyżej raz",
    "I3": "o każdej naszej fakturze w KSeF Śluza wie",
    "I4": "numer KSeF ma jeden dokument, a jeden dokument jeden numer",
    "I5": "stan każdego dokumentu wynika z jego historii",
    "I6": "każda wysyłka jest zapisana, żadna nie biegnie podwójnie",
    "I8": "zapisane bajty są tymi, które przyjęto",
    "I9": "zakończone dokumenty wracają tylko dozwoloną drogą",
    "I10": "każda odmowa ma zrozumiały powód",
    "I11": "żaden dokument nie śpi bez powodu",
    "I12": "każdy termin jest znany, a miniony zgłoszony",
    "I13": "każda faktura otrzymana jest raz",
    "I14": "w każdej roli pisze jeden proces naraz",
    "I15": "historia jest nienaruszona",
    "I17": "liczby dokumentów się zgadzają",
}

RESTORE = "Proszę zatrzymać Śluzę i odtworzyć spool z kopii zapasowej; nic nie kasować."
REPORT = "Proszę zgłosić to serwisowi Śluzy razem z wynikiem: sluza queue show."
SLEEPS_AFTER = timedelta(days=1)
SENDING_TAKES = timedelta(minutes=15)
"""A call to KSeF ends within a minute and a half; then the intent has an answer, or is in doubt."""
_TICK = timedelta(minutes=1)
_FOR_PEOPLE_ONLY = frozenset({State.CEASED, State.QUARANTINED})
_WITHOUT_DATE = frozenset({DueState.PENDING.value, DueState.CEASED.value})
_GOES_BY_ITSELF = frozenset({State.QUEUED, State.SUBMITTED, State.UNKNOWN, State.ACCEPTED})
_NEEDS_A_REASON = frozenset({State.WAITING, State.HELD, State.CONFLICT})
_OPEN_ATTEMPT = frozenset({"", "submitted", "unknown", "accepted"})
_FOR_DEVELOPERS = re.compile(r"Traceback \(most recent|File \"[^\"]+\", line \d+|<class '| object at 0x[0-9a-f]")


@dataclass(frozen=True)
class Finding:
    """One invariant that does not hold, about one thing: a document's id, a KSeF number, a hash, a place."""

    invariant: str
    subject: str
    message: str
    hint: str = ""


@dataclass(frozen=True)
class Move:
    """One change of state in the history: "FROM>TO"."""

    at: str
    actor: str
    move: str
    note: str

    @property
    def before(self) -> str:
        """The state that was left; empty at the entry."""
        return self.move.partition(">")[0]

    @property
    def after(self) -> str:
        """The state that was reached."""
        return self.move.partition(">")[2]


@dataclass(frozen=True)
class Try:
    """One attempt to send; `outcome` is empty while it has none."""

    sha256: str
    started_at: str
    outcome: str


@dataclass(frozen=True)
class Life:
    """One outgoing document as it is stored, with its changes of state and its attempts. `said` is shown to people."""

    id: str
    context: str
    sha256: str
    state: str
    reason: str
    said: tuple[str, ...]
    ksef_number: str | None
    mode: str
    due_state: str
    due_safe: datetime | None
    next_action_at: datetime | None
    moves: tuple[Move, ...]
    attempts: tuple[Try, ...]
    held_back: bool = False
    training: bool = False


@dataclass(frozen=True)
class Around:
    """What a document's life is judged against. `conditions` are names by context, `last_send` the latest by context;
    `down` are contexts whose KSeF does not answer, `silent` says that the agent gives no sign of life."""

    now: datetime
    longest_pause: timedelta
    conditions: Mapping[str, frozenset[str]]
    last_send: Mapping[str, datetime]
    down: frozenset[str] = frozenset()
    silent: bool = True


def of_a_life(life: Life, around: Around) -> Iterator[Finding]:
    """Everything that can be said of one document by itself."""
    yield from _number(life)
    yield from _path(life)
    yield from _attempts(life)
    yield from _refusal(life)
    yield from _sleep(life, around)
    yield from _deadline(life)


def _number(life: Life) -> Iterator[Finding]:
    """I4: a KSeF number and the states that have one belong together."""
    numbered = life.state in NUMBERED
    if numbered and not life.ksef_number:
        yield Finding("I4", life.id, f"Stan „{_label(life.state)}”, ale bez numeru KSeF.", REPORT)
    elif life.ksef_number and not numbered and life.state in set(State):
        yield Finding("I4", life.id, f"Ma numer KSeF {life.ksef_number}, ale stan „{_label(life.state)}”.", REPORT)


def _path(life: Life) -> Iterator[Finding]:
    """I5 and I9: the history is a path of the table of moves and ends where the document is."""
    if life.state not in set(State):
        yield Finding("I5", life.id, f"Stan „{life.state}” nie istnieje.", RESTORE)
        return
    if not life.moves:
        yield Finding("I5", life.id, "Dokument nie ma historii: nie wiadomo, skąd się wziął.", RESTORE)
        return
    at = ""
    for move in life.moves:
        if move.before in TERMINAL and move.before == at:
            if not _way_back(move):
                text = f"Zakończony dokument ({_label(move.before)}) zmienił stan na „{_label(move.after)}” bez prawa."
                yield Finding("I9", life.id, text, REPORT)
        elif move.before != at or not _allowed(move):
            text = f"Historia ma niemożliwą zmianę stanu: „{_label(at)}”, potem „{move.move}”."
            yield Finding("I5", life.id, text, REPORT)
        at = move.after
    if at != life.state:
        text = f"Według historii stan to „{_label(at)}”, a zapisany jest „{_label(life.state)}”."
        yield Finding("I5", life.id, text, RESTORE)


def _allowed(move: Move) -> bool:
    if move.after not in set(State):
        return False
    target = State(move.after)
    return target in (FIRST if not move.before else MOVES.get(State(move.before), frozenset()))


def _way_back(move: Move) -> bool:
    """As DESIGN 4.6 has it: what ceased or was quarantined comes back by a person's word only."""
    by_itself = move.before in _FOR_PEOPLE_ONLY and move.actor in PROGRAMS
    return _allowed(move) and not by_itself


def _attempts(life: Life) -> Iterator[Finding]:
    """I6: each change to SENDING has its intent and the other way round; only the last attempt may be without an end;
    the bytes that went are the document's."""
    sends = [move.at for move in life.moves if move.after == State.SENDING]
    if sends != [attempt.started_at for attempt in life.attempts]:
        text = f"Wysyłek w historii: {len(sends)}, zapisanych zamiarów: {len(life.attempts)}; nie pasują do siebie."
        yield Finding("I6", life.id, text, REPORT)
    if any(attempt.sha256 != life.sha256 for attempt in life.attempts):
        yield Finding("I6", life.id, "Wysłano inne bajty niż te, które są zapisane.", REPORT)
    if any(attempt.outcome in _OPEN_ATTEMPT for attempt in life.attempts[:-1]):
        yield Finding("I6", life.id, "Wysłano ponownie, zanim poznano wynik poprzedniej wysyłki.", REPORT)
    begun = bool(life.attempts) and not life.attempts[-1].outcome
    if begun != (life.state == State.SENDING) and life.state in set(State):
        text = "Wysyłka trwa, ale nie ma jej zamiaru." if not begun else "Zapisany zamiar wysyłki nie ma wyniku."
        yield Finding("I6", life.id, text, REPORT)


def _refusal(life: Life) -> Iterator[Finding]:
    """I10: whoever gets a document back is told why, in words for people."""
    if life.state not in (State.REFUSED, State.QUARANTINED):
        return
    last = life.moves[-1].note if life.moves else ""
    if not any(text.strip() for text in (life.reason, *life.said, last)):
        yield Finding("I10", life.id, "Odrzucony bez podania powodu.", REPORT)
    if any(_FOR_DEVELOPERS.search(text) for text in (life.reason, *life.said, last)):
        yield Finding("I10", life.id, "W powodzie odmowy jest tekst techniczny programu.", REPORT)


def _sleep(life: Life, around: Around) -> Iterator[Finding]:
    """I11: a live document has a next step soon, or somebody was told why it has none."""
    if life.state in _NEEDS_A_REASON and not life.reason.strip():
        text = f"Stan „{_label(life.state)}” bez powodu: nikt się nie dowie, na co czeka."
        yield Finding("I11", life.id, text, REPORT)
    elif life.state in _GOES_BY_ITSELF or life.state == State.SENDING:
        yield from _next_step(life, around)


def _next_step(life: Life, around: Around) -> Iterator[Finding]:
    now, at = around.now, life.next_action_at
    named = around.conditions.get(life.context, frozenset())
    if at is None:
        yield Finding("I11", life.id, "Nie ma czasu następnej czynności.", REPORT)
        return
    if at > now + around.longest_pause + _TICK and not named & {"paused", "clock"}:
        text = "Następna czynność jest zaplanowana dalej, niż cokolwiek wolno odłożyć."
        yield Finding("I11", life.id, text, "Proszę sprawdzić zegar serwera.")
        return
    told = around.silent or life.context in around.down or bool(named & {"paused", "clock", RECONCILE_FIRST})
    if told:
        return
    if life.state == State.SENDING:
        asleep = bool(life.attempts) and _older(life.attempts[-1].started_at, now - SENDING_TAKES)
    elif life.state == State.ACCEPTED:
        return  # the receipt is asked for every hour, the folder tells its own troubles
    elif life.state == State.QUEUED and life.held_back:
        return  # it waits for an earlier number, and is told so; that one is judged by itself
    else:
        asleep = at < now - SLEEPS_AFTER and around.last_send.get(life.context, at) < now - SLEEPS_AFTER
    if asleep:
        text = f"Stan „{_label(life.state)}” trwa, a nic się z dokumentem nie dzieje i nikt o tym nie wie."
        yield Finding("I11", life.id, text, "Proszę sprawdzić: sluza status; potem uruchomić Śluzę ponownie.")


def _deadline(life: Life) -> Iterator[Finding]:
    """I12, its first half: what has no number yet has a date, or it is known why there can be none."""
    if life.state not in LIVE or life.ksef_number or life.due_safe is not None:
        return
    outside = life.due_state == DueState.NONE and life.mode == Mode.TOTAL_FAILURE
    training = life.due_state == DueState.NONE and life.training
    if life.due_state not in _WITHOUT_DATE and not outside and not training:
        yield Finding("I12", life.id, "Dokument nie ma terminu przesłania do KSeF.", REPORT)


def of_the_writers(
    fences: Iterable[tuple[int, str, int]], events: Iterable[tuple[int, int | None]]
) -> Iterator[Finding]:
    """I14: no history row was written by a run whose role another had taken by then, or by a run that never was.

    `fences` are (number, role, last row before it), `events` (row, number of its writer), both in order. Rows without
    a number are older than the numbers; 0 is a command.
    """
    coming, newest, role_of, numbered = deque(fences), dict[str, int](), dict[int, str](), False
    for row, number in events:
        while coming and coming[0][2] < row:
            taken, role, _ = coming.popleft()
            newest[role], role_of[taken] = taken, role
        if number is None and numbered:
            yield Finding("I14", f"event:{row}", "Wpis nie mówi, który proces go zapisał.", REPORT)
        elif number and number not in role_of:
            yield Finding("I14", f"event:{row}", "Wpis zapisał proces, który nie miał żadnej roli.", REPORT)
        elif number and newest[role_of[number]] != number:
            text = f"Wpis zapisał proces, którego rolę ({role_of[number]}) miał już inny."
            yield Finding("I14", f"event:{row}", text, REPORT)
        numbered = numbered or number is not None


def _older(stamp: str, moment: datetime) -> bool:
    try:
        return datetime.fromisoformat(stamp) < moment
    except (ValueError, TypeError):
        return True


def _label(state: str) -> str:
    return LABELS[State(state)] if state in set(State) else state or "–"
