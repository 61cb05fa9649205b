"""The seam: the calls of KSeF that we use, in our own words. `agent.ksef.client` is its only implementation.

Every call returns its own value or raises `NoAnswer`, which carries what that means (an outcome) already classified
by `agent.ksef.errors`; no caller guesses from exceptions. Paths and figures: protocol §2, §6, §8, §9, §16.
"""

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from spool.domain.ledger import ONLINE, PackedPart
from spool.domain.outcomes import Outcome


@dataclass(frozen=True)
class Pending:
    """KSeF is still working on it: ask again, never repeat the request."""


@dataclass(frozen=True)
class Done:
    """The thing itself went well, or is over; its own value says more."""


@dataclass(frozen=True)
class Reading:
    """What an answer means: `outcome`, where it came from (`code`, such as "invoice:410"), and the cure."""

    outcome: Outcome | Pending | Done
    code: str
    hint: str = ""

    @property
    def reason(self) -> str:
        """The Polish sentence of an outcome that has one, else empty."""
        return str(getattr(self.outcome, "reason", ""))


class NoAnswer(Exception):  # noqa: N818 - not an error of ours: a thing the world said, or did not say
    """A call that did not give its value; `reading` says why and what follows from it."""

    def __init__(self, reading: Reading) -> None:
        super().__init__(f"{reading.code}: {reading.reason}")
        self.reading = reading

    @property
    def code(self) -> str:
        """The stable code of the answer, such as "http:21180" or "network:timeout"."""
        return self.reading.code


@dataclass(frozen=True)
class Challenge:
    """A login challenge, valid ten minutes (protocol §2.1)."""

    text: str
    timestamp_ms: int


@dataclass(frozen=True)
class Token:
    """A bearer token; never shown."""

    text: str = field(repr=False)
    valid_until: datetime


@dataclass(frozen=True)
class AuthOperation:
    """A login under way: its reference and the token that may ask about it."""

    reference: str
    token: str = field(repr=False)


@dataclass(frozen=True)
class PublicKey:
    """One of KSeF's encryption keys: Base64 DER certificate, its id, and what it is for (protocol §3)."""

    certificate: str
    key_id: str
    usages: tuple[str, ...]
    valid_from: datetime
    valid_to: datetime


@dataclass(frozen=True)
class WrappedKey:
    """A symmetric key as KSeF takes it: wrapped for one of its public keys, with the IV, both Base64."""

    encrypted_key: str
    iv: str
    key_id: str


@dataclass(frozen=True)
class Sealed:
    """One document encrypted for one session; hashes are Base64 SHA-256 (protocol §4)."""

    invoice_hash: str
    invoice_size: int
    encrypted_hash: str
    encrypted_size: int
    content: str = field(repr=False)


@dataclass(frozen=True)
class Opened:
    """A session that KSeF has just opened."""

    reference: str
    valid_until: datetime


@dataclass(frozen=True)
class ListedSession:
    """A session as the list of a context's sessions shows it; `online` or batch, with how many documents it has."""

    reference: str
    online: bool
    created: datetime
    invoices: int


@dataclass(frozen=True)
class Archive:
    """A packed batch: size and Base64 SHA-256 of the tar.gz before it was cut and encrypted, and its parts."""

    size: int
    hash: str
    parts: tuple[PackedPart, ...]


@dataclass(frozen=True)
class OpenedBatch:
    """A batch session that KSeF has just opened, and the parts with the addresses where it wants them."""

    reference: str
    parts: tuple[PackedPart, ...]


@dataclass(frozen=True)
class InvoiceStatus:
    """One document in one session as KSeF sees it (protocol §6.4); `reading` is the verdict on it.

    `invoicing_date` is the hand-over: when KSeF accepted the file for processing. `upo_url` is a presigned address of
    its receipt, good for some days, that no limit counts (protocol §8).
    """

    reference: str
    invoice_hash: str
    reading: Reading
    invoicing_date: datetime | None = None
    upo_url: str = field(default="", repr=False)


@dataclass(frozen=True)
class Page:
    """A page of a session's documents and the token that leads to the next one."""

    items: tuple[InvoiceStatus, ...]
    next_page: str = ""


@dataclass(frozen=True)
class Registered:
    """A registered invoice as the metadata query shows it."""

    ksef_number: str
    sha256: str
    kind: str
    number: str
    acquisition_date: datetime | None


@dataclass(frozen=True)
class Found:
    """What a metadata query over permanent storage shows.

    `complete`: no page is missing and every row is readable. `hwm`: up to there nothing can be added any more
    (protocol §9.2); None where KSeF did not say.
    """

    invoices: tuple[Registered, ...]
    complete: bool
    hwm: datetime | None


@dataclass(frozen=True)
class Part:
    """One part of an export package: a presigned address, and the sizes and Base64 hashes to hold it against."""

    ordinal: int
    url: str = field(repr=False)
    encrypted_size: int
    encrypted_hash: str
    size: int
    plain_hash: str


@dataclass(frozen=True)
class Export:
    """A finished export: its parts, and how far it reaches (protocol §9.3)."""

    parts: tuple[Part, ...]
    invoices: int
    truncated: bool
    last: datetime | None
    hwm: datetime | None


@dataclass(frozen=True)
class Download:
    """What a streamed download turned out to be."""

    size: int
    sha256: bytes


class Door(Protocol):
    """The calls that work without an access token: logging in, and KSeF's public keys."""

    async def challenge(self) -> Challenge:
        """Ask for a challenge."""

    async def public_keys(self) -> list[PublicKey]:
        """KSeF's encryption keys."""

    async def enter_signed(self, challenge: Challenge, certificate_pem: str, key_pem: str) -> AuthOperation:
        """Sign the login request with a certificate (XAdES) and hand it in."""

    async def enter_with_token(self, challenge: Challenge, encrypted_token: str, key_id: str) -> AuthOperation:
        """Hand in an encrypted KSeF token."""

    async def auth_status(self, operation: AuthOperation) -> Reading:
        """How the login is doing."""

    async def redeem(self, operation: AuthOperation) -> tuple[Token, Token]:
        """Access and refresh token, given once only."""

    async def refresh(self, refresh_token: Token) -> Token:
        """A new access token."""


class Tokens(Protocol):
    """Where access tokens come from: `agent.ksef.login`."""

    async def access(self) -> str:
        """A valid access token."""

    def rejected(self, token: str) -> None:
        """KSeF did not take this one."""

    def worked(self) -> None:
        """KSeF took it."""


class Ksef(Protocol):
    """The calls made inside a context, with its access token."""

    def wait(self, group: str, calls: int = 1) -> float:
        """Seconds until so many calls of this budget group may have been made; 0 when at once."""

    async def rate_limits(self) -> dict[str, tuple[int, int, int]]:
        """Per group: requests per second, minute and hour."""

    async def open_session(self, key: WrappedKey) -> Opened:
        """Open an interactive session for FA(3)."""

    async def close_session(self, reference: str) -> None:
        """Close it; closing a closed one is fine."""

    async def open_batch(self, key: WrappedKey, archive: Archive, *, offline: bool) -> OpenedBatch:
        """Open a batch session for a package of FA(3). Nothing is registered before it is closed (protocol §7.2)."""

    async def upload(self, part: PackedPart, file: Path) -> None:
        """One part to the address KSeF gave for it; the same part again replaces it."""

    async def close_batch(self, reference: str) -> None:
        """Close it, which hands the package in; raises NoAnswer also for a closed one (21180)."""

    async def session_status(self, reference: str, kind: str = ONLINE) -> Reading:
        """Pending while it may still change."""

    async def sessions_since(self, since: datetime) -> list[ListedSession]:
        """Sessions of this context and credential that were opened since then, by KSeF's clock."""

    async def send(self, session: str, sealed: Sealed, *, offline: bool, corrects: str = "") -> str:
        """Send one document; returns KSeF's reference of it in that session.

        `corrects` is the hex SHA-256 of the rejected original of a technical correction (protocol §11).
        """

    async def invoice_status(self, session: str, reference: str) -> InvoiceStatus:
        """The verdict on one document."""

    async def session_invoices(self, session: str, page: str = "") -> Page:
        """All documents of a session, page by page."""

    async def upo(self, session: str, reference: str) -> bytes:
        """The receipt (UPO) of one document, by its reference in the session."""

    async def upo_by_number(self, session: str, ksef_number: str) -> bytes:
        """The receipt of one document, by its KSeF number."""

    async def fetch(self, url: str) -> bytes:
        """What lies at a presigned address: a receipt."""

    async def invoice(self, ksef_number: str) -> bytes:
        """The bytes of a registered invoice."""

    async def find(self, subject: str, seller_nip: str, number: str, issued: datetime) -> list[Registered]:
        """Registered invoices with this seller and number, issued on that day."""

    async def find_stored(self, subject: str, seller_nip: str, number: str, since: datetime) -> Found:
        """Invoices with this seller and number that were stored since then, and how far that is final."""

    async def start_export(
        self, key: WrappedKey, subject: str, since: datetime, until: datetime | None, *, facts_of: str = ""
    ) -> str:
        """Ask for a package of everything stored in a window, up to the high-water mark.

        With a seller's NIP in `facts_of` only what KSeF says about that seller's invoices, without the invoices.
        """

    async def export(self, reference: str) -> Export | None:
        """The package, or None while it is being made."""

    async def download(self, url: str, target: Path, limit: int) -> Download:
        """Stream a presigned address into a file, without any bearer."""


def plain(value: Any) -> str:
    """A value of KSeF as text; empty for nothing."""
    return "" if value is None else str(value)
