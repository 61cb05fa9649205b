"""The rows of the spool as values: what gateway and agent tell each other. All instants carry an offset (UTC)."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any

from spool.domain.announcements import Announcement, Category
from spool.domain.deadlines import Deadline
from spool.domain.document import Facts, Mode
from spool.domain.errors import Problem
from spool.domain.series import NO_PLACE, Place
from spool.domain.states import State
from spool.domain.terms import DueState

ONLINE, BATCH = "online", "batch"
"""The two kinds of session (protocol §6, §7)."""
LOGIN = "login"
"""The kind of a pause because KSeF does not let us in."""
RENEWAL = "renewal:"
"""How the conditions begin that say why a certificate could not be renewed; then its use."""
ALIVE = "agent_alive"
"""The condition, of no context, by which the agent says that it lives; its `at` is the last time."""
ALIVE_EVERY_S = 30.0
PROGRAMS = frozenset({"gateway", "agent", "spool"})
"""Actors of the history that are no people."""
NO_CERTIFICATE = "no_offline_certificate"
"""The condition of a context in which an offline document could not get its KOD II."""
FOLDER = "folder:"
"""Begins the name of the condition, of no context, of a unit's folder that is not there; alone it is the root."""
LEFT = "left:"
"""Begins the name of the condition, of no context, of a unit in whose drop folder lies what is no file."""
TRAY = "_centrala"
"""The central tray, where an owner of folders is named; in a row it is the absence of a unit."""
DISK_OF_FOLDERS = "disk:folders"
"""The condition, of no context, of a disk of the units' folders that takes nothing more."""

KSEF_LETS_GO = "ksef_lets_go"
"""The condition, of no context, of a year whose invoices KSeF stops keeping at the end of this one."""


@dataclass(frozen=True)
class Kod2:
    """KOD II as it was signed: the link, and the serial number of the Offline certificate behind it."""

    url: str
    serial: str


@dataclass(frozen=True)
class NewDocument:
    """What intake hands to the store: everything decided, nothing durable yet.

    `wish` (online or offline24) and `asked_at` are what the unit did; `due` is what the law makes of it, None for a
    refused document. `corrects` is the SHA-256 of the original of a technical correction; `awaits` the number of the
    original whose KSeF number a refused correcting invoice needs; `place` is its place in a numbering series.
    `warnings` are findings with which it goes; `original` are the bytes as they came, where we mended their encoding.
    """

    unit: str
    context: str
    source: str
    source_name: str
    sha256: str
    size: int
    facts: Facts
    wish: Mode
    asked_at: datetime
    state: State
    reason: str = ""
    problems: tuple[Problem, ...] = ()
    due: Deadline | None = None
    kod2: Kod2 | None = None
    corrects: str = ""
    awaits: str = ""
    actor: str = "gateway"
    place: Place = NO_PLACE
    warnings: tuple[Problem, ...] = ()
    original: bytes = field(default=b"", repr=False)

    def refused(self, problems: Sequence[Problem], awaits: str = "") -> "NewDocument":
        """The same, refused; `awaits` is the number of an original that has no KSeF number yet."""
        return replace(self, state=State.REFUSED, problems=tuple(problems), awaits=awaits)


@dataclass(frozen=True)
class Document:
    """One outgoing document as the spool has it.

    `held_back` counts while it is queued, `parked` (a person holds it) while it is held: `spool.domain.series`.
    `repaired_from` is the SHA-256 of the file as it came, where this document is what we made of it.
    """

    seq: int
    id: str
    unit: str
    context: str
    sha256: str
    size: int
    source: str
    source_name: str
    name: str
    state: State
    reason: str
    facts: Facts
    problems: tuple[Problem, ...]
    mode: Mode
    issued_at: datetime
    due_safe: datetime | None
    due_local: datetime | None
    due_basis: str
    due_why: str
    next_action_at: datetime
    attempts: int
    session: str | None
    invoice_ref: str | None
    ksef_number: str | None
    acquisition_date: datetime | None
    upo_sha256: str | None
    created_at: datetime
    updated_at: datetime
    version: int
    shown: int
    wish: Mode
    asked_at: datetime
    deemed: bool
    due_state: DueState
    due_because: str
    announcements: tuple[str, ...]
    handed_over_at: datetime | None
    kod2_url: str
    cert_serial: str
    corrects: str
    awaits: str
    owed: bool
    series: str = ""
    series_n: int = 0
    in_order: bool = False
    held_back: bool = False
    parked: bool = False
    warnings: tuple[Problem, ...] = ()
    repaired_from: str = ""

    @property
    def sent_offline(self) -> bool:
        """`offlineMode` of the send: a document that merely missed its day goes online (deadlines §1)."""
        return bool(self.corrects) or (self.mode.offline and not self.deemed)

    @property
    def issue_date(self) -> date | None:
        """`P_1`."""
        return self.facts.issue_date


@dataclass(frozen=True)
class Event:
    """One row of history; `move` is "FROM>TO" for a change of state, else a word."""

    seq: int
    at: datetime
    subject: str
    actor: str
    move: str
    note: str
    data: dict[str, Any]

    @property
    def state(self) -> str:
        """The state that this event led to; empty when it moved nothing."""
        return self.move.rpartition(">")[2] if ">" in self.move else ""


@dataclass(frozen=True)
class NewReceived:
    """A received invoice as the agent fetched it; the unit is decided before it is stored."""

    ksef_number: str
    context: str
    sha256: str
    facts: Facts
    metadata: dict[str, Any]
    acquisition_date: datetime
    permanent_storage_date: datetime
    unit: str | None
    rule: str
    why: str
    remarks: tuple[Problem, ...] = field(default=(), kw_only=True)


@dataclass(frozen=True)
class Received(NewReceived):
    """A received invoice as the spool has it; `unit` None is the central tray.

    `assigned_by` is the person who decided last where it goes, empty where only rules did.
    """

    cursor: int
    stored_at: datetime
    mirrored_at: datetime | None
    assigned_by: str = ""


@dataclass(frozen=True)
class Session:
    """A KSeF session that we opened; `ksef` is the address of the KSeF that knows it, empty if unknown."""

    reference: str
    context: str
    form: str
    opened_at: datetime
    valid_until: datetime
    closed_at: datetime | None
    final_at: datetime | None
    lost_at: datetime | None = None
    ksef: str = ""
    kind: str = ONLINE


@dataclass(frozen=True)
class Waiting:
    """What a context has in its queue and may send now: how many documents, and whether one needs a batch session."""

    plain: int
    attached: bool


@dataclass(frozen=True)
class Entry:
    """One document for a batch package: no more of it than choosing and packing need.

    `series` is unit and name of its numbering series, `n` its number there; `held_back`: not before the earlier ones.
    `without_duty`: it goes only where the treasurer has said so (`spool.law.cease`).
    """

    id: str
    sha256: str
    size: int
    series: tuple[str, str] | None = None
    n: int = 0
    held_back: bool = False
    without_duty: bool = False


@dataclass(frozen=True)
class Choice:
    """The documents chosen for a package, and whether it is sent offline."""

    offline: bool
    entries: tuple[Entry, ...]


@dataclass(frozen=True)
class HeldSeries:
    """A numbering series in which documents are held back; `due` is the nearest safe date of those, if any has one."""

    unit: str
    series: str
    due: datetime | None


@dataclass(frozen=True)
class PackedPart:
    """One encrypted part: its size in bytes, its Base64 SHA-256, and where KSeF wants it (`url`, `headers`)."""

    ordinal: int
    size: int
    hash: str
    url: str = field(default="", repr=False)
    headers: dict[str, str] = field(default_factory=dict)
    sent_at: datetime | None = None


@dataclass(frozen=True)
class Package:
    """A batch package on its way; `session` is None until KSeF has opened one for it."""

    name: str
    context: str
    session: str | None
    created_at: datetime
    parts: tuple[PackedPart, ...]


@dataclass(frozen=True)
class Condition:
    """A condition of a context, such as `paused` or `reachable` (DESIGN decision 11)."""

    context: str
    name: str
    value: dict[str, Any]
    at: datetime


@dataclass(frozen=True)
class Outage:
    """An announcement as the spool has it: the period, where it comes from, and who answers for it."""

    announcement: Announcement
    environment: str
    source: str
    title: str
    link: str
    actor: str
    confirmed_by: str
    cancelled_by: str

    @property
    def acts(self) -> bool:
        """True when deadlines follow it: not cancelled, and a total failure only once a person confirmed it.

        The test environments' beacon shows sample messages for months, so only a person's word acts there.
        """
        if self.cancelled_by or (self.source == LATARNIA and self.environment in _BEACON_IS_NO_GUIDE):
            return False
        return self.announcement.category is not Category.TOTAL_FAILURE or bool(self.confirmed_by)


LATARNIA, PERSON = "latarnia", "person"
_BEACON_IS_NO_GUIDE = frozenset({"test", "demo"})
