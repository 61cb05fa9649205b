"""A small model of KSeF: what it knows and how that changes with time. Its register is the truth of the simulation.

Written from the published interface and independent of the product and of the sandbox. It decrypts what it is sent,
checks hashes and numbers, and judges documents some time after it took them in. Answers are in `ksef_answers`.
"""

import hashlib
import re
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

from cryptography import x509
from cryptography.hazmat.primitives import hashes, padding, serialization
from cryptography.hazmat.primitives.asymmetric import padding as rsa_padding
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.x509.oid import NameOID

WARSAW = ZoneInfo("Europe/Warsaw")
SESSION_LIFE = timedelta(hours=12)
RETRYABLE = frozenset({405, 500, 550})
_OF_CONTENT = frozenset({410, 430, 450})
_FIELD = {
    name: re.compile(rb"<%s>([^<]*)</%s>" % (name.encode(), name.encode()))
    for name in ("NIP", "RodzajFaktury", "P_1", "P_2")
}


def sha(raw: bytes) -> bytes:
    """SHA-256."""
    return hashlib.sha256(raw).digest()


def b64(raw: bytes) -> str:
    """Base64 as KSeF writes it."""
    return b64encode(raw).decode()


class KeyPair:
    """One of KSeF's encryption keys. Making one is slow, so a process of the simulation makes two and keeps them."""

    def __init__(self) -> None:
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=1024)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "KSeF model")])
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(self._key.public_key())
        builder = builder.serial_number(1).not_valid_before(datetime(2026, 1, 1, tzinfo=UTC))
        made = builder.not_valid_after(datetime(2028, 1, 1, tzinfo=UTC)).sign(self._key, hashes.SHA256())
        der = serialization.Encoding.DER
        public = self._key.public_key().public_bytes(der, serialization.PublicFormat.SubjectPublicKeyInfo)
        self.certificate, self.id = b64(made.public_bytes(der)), b64(sha(public))

    def unwrap(self, wrapped: str) -> bytes:
        """A symmetric key. ValueError when it was wrapped for another key."""
        oaep = rsa_padding.OAEP(rsa_padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
        return self._key.decrypt(b64decode(wrapped), oaep)


@dataclass(frozen=True)
class Secret:
    """Key and IV of a session or an export."""

    key: bytes
    iv: bytes

    def decrypt(self, text: bytes) -> bytes:
        """ValueError when the padding is wrong."""
        decryptor = Cipher(algorithms.AES(self.key), modes.CBC(self.iv)).decryptor()
        unpadder = padding.PKCS7(128).unpadder()
        return unpadder.update(decryptor.update(text) + decryptor.finalize()) + unpadder.finalize()

    def encrypt(self, raw: bytes) -> bytes:
        """With PKCS#7."""
        encryptor, padder = (
            Cipher(algorithms.AES(self.key), modes.CBC(self.iv)).encryptor(),
            padding.PKCS7(128).padder(),
        )
        return encryptor.update(padder.update(raw) + padder.finalize()) + encryptor.finalize()


@dataclass(frozen=True)
class Paper:
    """What KSeF reads in an invoice."""

    raw: bytes
    nip: str
    kind: str
    number: str
    issued: str

    @classmethod
    def read(cls, raw: bytes) -> "Paper":
        """The fields that count; empty where missing."""
        found = {name: (m[1].decode() if (m := pattern.search(raw)) else "") for name, pattern in _FIELD.items()}
        return cls(raw, found["NIP"], found["RodzajFaktury"], found["P_2"], found["P_1"])

    @property
    def key(self) -> tuple[str, str, str]:
        """What KSeF keeps unique."""
        return self.nip, self.kind, self.number


@dataclass
class Entry:
    """A document taken in, in one session. `code` is its status; `planned` what KSeF will say if nothing else."""

    ref: str
    session: "Sitting"
    paper: Paper
    at: datetime
    listed_at: datetime
    planned: int
    code: int = 100
    number: str = ""
    original: "Registered | None" = None
    offline: bool = False
    name: str = ""
    lost_extensions: bool = False

    @property
    def sha256(self) -> str:
        """Of its bytes."""
        return sha(self.paper.raw).hex()

    @property
    def open(self) -> bool:
        """KSeF has not judged it yet."""
        return self.code in (100, 150)


@dataclass
class Sitting:
    """A session. `hidden` is why KSeF does not show it to us: "unknown", or a reason of a 403."""

    ref: str
    secret: Secret | None
    created: datetime
    batch: bool = False
    closed: datetime | None = None
    final: datetime | None = None
    hidden: str = ""
    entries: list[Entry] = field(default_factory=list)
    code: int = 0
    declared: dict[int, tuple[int, str]] = field(default_factory=dict)
    parts: dict[int, bytes] = field(default_factory=dict)
    package: tuple[int, str] = (0, "")
    offline: bool = False
    processing_until: datetime | None = None
    says_440_until: datetime | None = None

    @property
    def valid_until(self) -> datetime:
        """KSeF takes nothing in after this."""
        return self.created + SESSION_LIFE


@dataclass
class Registered:
    """An invoice that KSeF has. `stored` is its date of permanent storage; None for what is not there yet."""

    number: str
    sha256: str
    paper: Paper
    acquired: datetime
    stored: datetime
    session: str
    ours: bool = True
    hidden: bool = False


@dataclass
class Habits:
    """How this KSeF behaves in one schedule; seconds and shares."""

    judging_s: float = 2.0
    stuck: float = 0.0
    stuck_s: float = 600.0
    verdicts: tuple[tuple[int, float], ...] = ()
    list_lag_s: float = 0.0
    storing_s: float = 5.0
    hwm_lag_s: float = 20.0
    upo_after_close: bool = False
    upo_s: float = 1.0
    no_extensions: float = 0.0
    duplicated: float = 0.0
    page: int = 1000
    package: int = 10_000
    final_s: float = 1.0
    package_fails: float = 0.0
    false_440: float = 0.0
    unpacking_s: float = 2.0
    packed_twice: float = 0.0
    wrong_upo: float = 0.0


class Model:
    """The state of KSeF. `later(seconds, call)` is how it lets time pass; `heard` is told of every registration."""

    def __init__(
        self, dice: Random, now: Callable[[], datetime], later: Callable[..., None], keys: list[KeyPair]
    ) -> None:
        self.dice, self.now, self.later = dice, now, later
        self.keys = keys
        self.habits = Habits()
        self.sessions: dict[str, Sitting] = {}
        self.register: list[Registered] = []
        self.by_key: dict[tuple[str, str, str], Registered] = {}
        self.by_number: dict[str, Registered] = {}
        self.purchases: list[Registered] = []
        self.on_registered: Callable[[Registered], None] = lambda _registered: None
        self.on_unpacked: Callable[[Entry], None] = lambda _entry: None
        self._serial = 0
        self.calm = False
        self._refuses: dict[bytes, int] = {}

    def ref(self, kind: str) -> str:
        """A new reference number."""
        self._serial += 1
        return f"20261120-{kind}-{self._serial:010X}-{int(self.dice.random() * 16**10):010X}-00"

    def secret(self, encryption: dict[str, str]) -> Secret | None:
        """The key of a new session; None when it was wrapped for another key. KeyError for a retired key id."""
        pair = next((k for k in self.keys if k.id == encryption.get("publicKeyId")), None)
        if pair is None:
            raise KeyError("publicKeyId")
        try:
            return Secret(
                pair.unwrap(encryption["encryptedSymmetricKey"]), b64decode(encryption["initializationVector"])
            )
        except ValueError:
            return None

    # -- documents ---------------------------------------------------------------------------------------------

    def take_in(self, session: Sitting, raw: bytes, *, offline: bool, name: str = "") -> Entry:
        """A document enters; its verdict comes later."""
        dice, habits, now = self.dice, self.habits, self.now()
        planned = self._plan(raw)
        lag = 0.0 if self.calm else habits.list_lag_s * dice.random()
        entry = Entry(
            self.ref("EE"), session, Paper.read(raw), now, now + timedelta(seconds=lag), planned, offline=offline,
            name=name,
        )  # fmt: skip
        session.entries.append(entry)
        pause = habits.judging_s * dice.random()
        if dice.random() < habits.stuck and not self.calm:
            pause += habits.stuck_s * dice.random()
        self.later(pause / 2, self._begin, entry)
        self.later(pause, self.judge, entry)
        return entry

    def _plan(self, raw: bytes) -> int:
        """Drawn anew for every copy, but what is wrong with the content is wrong in each of them."""
        digest, code = sha(raw), 200 if self.calm else self._draw()
        refused = self._refuses.setdefault(digest, code if code in _OF_CONTENT else 0)
        if refused == 410 and self.calm:
            return 200  # the right was granted meanwhile
        return refused or (200 if code in _OF_CONTENT else code)

    def _draw(self) -> int:
        at = self.dice.random()
        for code, share in self.habits.verdicts:
            at -= share
            if at < 0:
                return code
        return 200

    def _begin(self, entry: Entry) -> None:
        if entry.code == 100:
            entry.code = 150

    def judge(self, entry: Entry) -> None:
        """The verdict. Numbers are compared, contents are not."""
        if not entry.open:
            return
        now, paper = self.now(), entry.paper
        known = self.by_key.get(paper.key)
        if entry.planned != 200:
            entry.code = entry.planned
        elif known is not None:
            entry.code, entry.original = 440, known
            entry.lost_extensions = self.dice.random() < self.habits.no_extensions
        elif paper.issued > now.astimezone(WARSAW).date().isoformat():
            entry.code = 450
        else:
            entry.code = 200
            entry.number = self.registered(paper, entry.session.ref, ours=True).number

    def registered(self, paper: Paper, session: str, *, ours: bool) -> Registered:
        """Into the register."""
        now = self.now()
        self._serial += 1
        head = f"{paper.nip}-{now.astimezone(WARSAW):%Y%m%d}-{self._serial:012X}"
        stored = now + timedelta(seconds=self.habits.storing_s * self.dice.random())
        made = Registered(f"{head}-{_crc8(head)}", sha(paper.raw).hex(), paper, now, stored, session, ours)
        self.register.append(made)
        self.by_key.setdefault(paper.key, made)
        self.by_number[made.number] = made
        self.on_registered(made)
        return made

    def sold_to_us(self, raw: bytes) -> Registered:
        """A supplier's invoice."""
        now, paper = self.now(), Paper.read(raw)
        self._serial += 1
        head = f"{paper.nip}-{now.astimezone(WARSAW):%Y%m%d}-{self._serial:012X}"
        stored = now + timedelta(seconds=self.habits.storing_s * self.dice.random())
        made = Registered(f"{head}-{_crc8(head)}", sha(raw).hex(), paper, now, stored, "", ours=False)
        self.purchases.append(made)
        return made

    # -- sessions ----------------------------------------------------------------------------------------------

    def settle(self, session: Sitting) -> None:
        """Bring its state up to now: it ends by itself at its time, and is final when everything in it is judged."""
        now = self.now()
        if session.closed is None and now >= session.valid_until:
            session.closed = session.valid_until
            session.code = 440 if session.batch else session.code
        if session.closed is None or session.final is not None:
            return
        if session.processing_until is not None and now < session.processing_until:
            return
        if any(e.open for e in session.entries) or now < session.closed + timedelta(seconds=self.habits.final_s):
            return
        session.final = now
        if not session.code:
            good = any(e.code == 200 for e in session.entries)
            session.code = 200 if good else 445 if session.entries else 440

    def hwm(self) -> datetime:
        """Everything stored up to here is shown, and nothing more comes."""
        return self.now() - timedelta(seconds=self.habits.hwm_lag_s)

    def shown(self, kept: list[Registered]) -> list[Registered]:
        """What a list shows now, in order of storage: all up to the mark, and by chance what lies beyond."""
        now, hwm = self.now(), self.hwm()
        seen = [r for r in kept if r.stored <= hwm or (r.stored <= now and self.dice.random() < 0.5)]
        return sorted(seen, key=lambda r: r.stored)


def _crc8(text: str) -> str:
    crc = 0
    for byte in text.encode():
        crc ^= byte
        for _ in range(8):
            crc = ((crc << 1) ^ 0x107) if crc & 0x80 else crc << 1
    return f"{crc & 0xFF:02X}"
