"""The part of the configuration that both sides share: who we are, where things lie, which way out to the network.

`gateway.settings` and `agent.settings` read their own tables beside this one; every table is frozen after reading.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from spool.domain.environments import BY_NAME, SANDBOX
from spool.domain.errors import ConfigError
from spool.domain.identifiers import internal_id_is_valid, nip_is_valid
from spool.domain.municipality import Context, ContextType, Municipality, Policy, Unit
from spool.domain.policies import QUESTIONS
from spool.domain.retention import DEFAULT, KSEF_YEARS, Classes
from spool.law import Law, Rules
from spool.pictures import KINDS, LARGEST, kind_of
from spool.toml import Table, load

DEFAULT_PATH = Path("/etc/sluza/sluza.toml")
_TABLES = (
    "municipality", "paths", "http", "admin", "context", "unit", "receive", "network", "folders", "shares", "policy",
    "calendar", "latarnia", "alerts", "retention", "backup", "archive", "keys", "training",
)  # fmt: skip
LOCAL_RULE = "maintenance_after_offline24"
"""The policy about maintenance announced within an offline24 term (deadlines K3); read here, for both programs."""
KEYS = "keys"
"""The directory of the keys below the state directory."""
CREDENTIAL = "sluza-keys"
"""How systemd calls the password of the keys unless told otherwise (LoadCredential=)."""
RENEW_DAYS = 30
"""After the first reminder at 60 days, and with time left for the others if it fails."""
_LONGEST_RENEWAL = 365
_LONGEST_YEARS = 100
_T = TypeVar("_T", Context, Unit)
_ID = re.compile(r"[a-z][a-z0-9-]{0,31}")
_RESERVED = {"con", "prn", "aux", "nul"} | {f"{p}{n}" for p in ("com", "lpt") for n in range(1, 10)}


@dataclass(frozen=True)
class Paths:
    """`state` holds spool, locks and TLS material (0700); `folders` is the root of the units' folders.

    `reserve` bytes beside the spool are kept for documents under way on a full disk (`spool.room`).
    """

    state: Path
    folders: Path
    reserve: int = 0


@dataclass(frozen=True)
class Keys:
    """Keys that Śluza keeps itself, in `<directory>/<context>/`, encrypted with the password in `password_file`.

    `previous_file` has the password before it, while keys may still be encrypted with that one.
    The agent renews a certificate `renew_days` before its end; 0: a person does.
    """

    directory: Path
    password_file: Path | None
    previous_file: Path | None
    renew_days: float


@dataclass(frozen=True)
class Settings:
    """Everything that gateway and agent must agree on; `source` is the file it came from.

    `sandbox_port`: on loopback, of the sandbox that the service runs for training; 0: it runs none.
    """

    source: Path
    municipality: Municipality
    paths: Paths
    clock_url: str
    law: Law = Law()  # noqa: RUF009 - frozen
    classes: Classes = Classes()  # noqa: RUF009 - frozen
    sandbox_port: int = 0

    @property
    def rules(self) -> Rules:
        """The law as it applies to this municipality."""
        return Rules(self.law, self.municipality)


def find_config(given: str | None) -> Path:
    """`--config`, else SLUZA_CONFIG, else /etc/sluza/sluza.toml."""
    return Path(given or os.environ.get("SLUZA_CONFIG", "") or DEFAULT_PATH)


def read(path: Path) -> tuple[Settings, Table]:
    """The shared settings and the root table, from which the parts read their own. Raises ConfigError by field."""
    root = load(path)
    root.done(*_TABLES)
    paths = _paths(root.table("paths"))
    keys = _keys(root.table("keys"), paths.state)
    port = _sandbox_port(root.table("training"))
    municipality = _municipality(root, keys, port)
    if port and not any(c.own_sandbox for c in municipality.contexts.values()):
        raise ConfigError(
            "Pole „training.sandbox_port” uruchamia piaskownicę, z której nie korzysta żaden kontekst.",
            'Proszę dodać [[context]] z environment = "sandbox" i bez pola url albo usunąć tabelę [training].',
        )
    clock_url = os.environ.get("SLUZA_CLOCK_URL", "")
    if clock_url and any(c.environment != "sandbox" for c in municipality.contexts.values()):
        raise ConfigError(
            "Zmienna SLUZA_CLOCK_URL działa tylko w piaskownicy, a konfiguracja wskazuje prawdziwy KSeF.",
            "Proszę usunąć tę zmienną środowiska.",
        )
    classes = _retention(root.table("retention"), municipality.units)
    return Settings(path, municipality, paths, clock_url, _law(root), classes, port), root


def _sandbox_port(table: Table) -> int:
    port = table.number("sandbox_port", 0, 0, 65535)
    table.done()
    return int(port)


def _keys(table: Table, state: Path) -> Keys:
    """A password comes from systemd where it hands one over, else from a file of its own."""
    given, before = table.path("password_file"), table.path("previous_password_file")
    name = table.text("credential", CREDENTIAL)
    present, previous = _handed(name) or given, _handed(f"{name}-previous") or before
    if previous is not None and present is None:
        raise table.bad("previous_password_file", str(before), "brak password_file, czyli obecnego hasła")
    keys = Keys(
        state / KEYS,
        present,
        previous,
        table.number("renew_days", RENEW_DAYS, 0, _LONGEST_RENEWAL),
    )
    table.done()
    return keys


def _handed(name: str) -> Path | None:
    """A secret of this name that systemd has handed to this program (LoadCredential=)."""
    directory = os.environ.get("CREDENTIALS_DIRECTORY", "")
    path = Path(directory, name)
    return path if directory and path.exists() else None


def _paths(table: Table) -> Paths:
    state, folders = table.path("state", "/var/lib/sluza"), table.path("folders", "/srv/sluza")
    reserve = table.number("reserve_mb", 64, 0, 100_000)
    table.done()
    assert state is not None
    assert folders is not None
    return Paths(state, folders, int(reserve * 1_000_000))


def policy(table: Table, key: str, default: str, choices: tuple[str, ...]) -> Policy:
    """One `[policy.<key>]`: its value, and the order behind it."""
    own = table.table(key)
    found = Policy(own.text("value", default, choices=choices), own.text("order", ""))
    own.done()
    return found


def policies(table: Table, *, of_a_unit: bool = False) -> dict[str, Policy]:
    """Every policy of `spool.domain.policies` that this table decides; for a unit only those that units may have."""
    asked = [q for q in QUESTIONS.values() if q.of_a_unit or not of_a_unit]
    return {q.name: policy(table, q.name, q.default, q.values) for q in asked if table.has(q.name)}


def _law(root: Table) -> Law:
    calendar = root.table("calendar")
    changes = dict.fromkeys(calendar.days("days_off"), True) | dict.fromkeys(calendar.days("working_days"), False)
    calendar.done()
    return Law(changes, policy(root.table("policy"), LOCAL_RULE, "none", ("none", "next_working_day")))


def _retention(table: Table, units: dict[str, Unit]) -> Classes:
    """The classes of retention: those of the configuration beside the one that KSeF itself has."""
    years = {DEFAULT: KSEF_YEARS} | table.table("classes").counts(_LONGEST_YEARS)
    default = table.text("default", DEFAULT, choices=years)
    table.done()
    for unit in units.values():
        if unit.retention and unit.retention not in years:
            raise table.bad("classes", unit.retention, f"jednostka {unit.id} ma klasę, której tu nie ma")
    return Classes(years, default, {u.id: u.retention for u in units.values() if u.retention})


def _municipality(root: Table, keys: Keys, sandbox_port: int) -> Municipality:
    table = root.table("municipality")
    name, nip, arms, contact = table.text("name"), table.text("nip"), _coat_of_arms(table), table.text("contact", "")
    table.done()
    if not nip_is_valid(nip):
        raise table.bad("nip", nip, "zła cyfra kontrolna albo liczba cyfr")
    contexts = _by_id([_context(t, keys, sandbox_port) for t in root.tables("context")], "context")
    units = _by_id([_unit(t, contexts) for t in root.tables("unit")], "unit")
    if sum(u.town_hall for u in units.values()) > 1:
        raise ConfigError("Pole „town_hall = true” może mieć tylko jedna jednostka.")
    return Municipality(name, nip, contexts, units, arms, contact, policies(root.table("policy")))


def _coat_of_arms(table: Table) -> Path | None:
    """The path of a picture that can be read, is one of our kinds and not too large."""
    path = table.path("coat_of_arms")
    if path is None:
        return None
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise table.bad("coat_of_arms", str(path), f"nie można odczytać pliku: {error.strerror}") from error
    if not kind_of(raw):
        raise table.bad("coat_of_arms", str(path), f"to nie jest obraz {', '.join(KINDS.values())}")
    if len(raw) > LARGEST:
        raise table.bad("coat_of_arms", str(path), f"plik jest większy niż {LARGEST // 1000} kB")
    return path


def _context(table: Table, keys: Keys, sandbox_port: int) -> Context:
    environment = BY_NAME[table.text("environment", choices=BY_NAME)]
    kind = ContextType(table.text("type", "nip", choices=[t.value for t in ContextType]))
    value = table.text("value")
    if not (nip_is_valid(value) if kind is ContextType.NIP else internal_id_is_valid(value)):
        raise table.bad("value", value, "zła cyfra kontrolna albo budowa")
    own = environment.name == SANDBOX.name
    ours = own and sandbox_port > 0 and not table.has("url")
    beside = f"http://127.0.0.1:{sandbox_port}"
    beacon = table.text("latarnia_url", f"{beside}/latarnia" if ours else "") if own else environment.latarnia_url
    name = _id(table)
    context = Context(
        id=name,
        type=kind,
        value=value,
        environment=environment.name,
        url=(f"{beside}/v2" if ours else table.text("url") if own else environment.url).rstrip("/"),
        latarnia_url=beacon.rstrip("/"),
        qr_url=(table.text("qr_url", "https://qr-test.ksef.mf.gov.pl") if own else environment.qr_url).rstrip("/"),
        auth_cert=table.path("auth_cert"),
        auth_key=table.path("auth_key"),
        auth_password_file=table.path("auth_password_file"),
        token_file=table.path("token_file"),
        offline_cert=table.path("offline_cert"),
        offline_key=table.path("offline_key"),
        offline_password_file=table.path("offline_password_file"),
        safe=keys.directory / name,
        safe_password_file=keys.password_file,
        safe_previous_file=keys.previous_file,
        renew_days=keys.renew_days,
        own_sandbox=ours,
    )
    table.done()
    return context


def _unit(table: Table, contexts: dict[str, Context]) -> Unit:
    own = table.table("policy")
    unit = Unit(
        id=_id(table),
        name=table.text("name"),
        context=table.text("context", choices=contexts),
        nip=table.text("nip", ""),
        idwew=table.text("idwew", ""),
        taxpayer=table.flag("taxpayer", False),
        remote=table.flag("remote", False),
        town_hall=table.flag("town_hall", False),
        series=table.text("series", ""),
        series_order=table.text("series_order", "warn", choices=("off", "warn", "strict")),
        alerts=table.addresses("alerts"),
        retention=table.text("retention", ""),
        known_by=table.texts("known_by"),
        repair_encoding=table.flag("repair_encoding", False),
        policies=policies(own, of_a_unit=True),
    )
    own.done()
    table.done()
    if unit.nip and not nip_is_valid(unit.nip):
        raise table.bad("nip", unit.nip, "zła cyfra kontrolna albo liczba cyfr")
    if unit.idwew and not internal_id_is_valid(unit.idwew):
        raise table.bad("idwew", unit.idwew, "zła cyfra kontrolna albo budowa NIP-ddddc")
    try:
        groups = re.compile(unit.series).groupindex
    except re.error as error:
        raise table.bad("series", unit.series, f"to nie jest wyrażenie regularne: {error}") from error
    if unit.series and "n" not in groups:
        raise table.bad("series", unit.series, "brak grupy (?P<n>…), która wskazuje kolejny numer w serii")
    return unit


def _id(table: Table) -> str:
    value = table.text("id")
    if not _ID.fullmatch(value) or value in _RESERVED:
        raise table.bad("id", value, "małe litery, cyfry i myślniki, do 32 znaków, bez nazw zastrzeżonych w Windows")
    return value


def _by_id(found: list[_T], what: str) -> dict[str, _T]:
    """Index by id; at least one, no id twice."""
    if not found:
        raise ConfigError(f"Konfiguracja nie ma ani jednej tabeli [[{what}]].")
    for item in found:
        if sum(other.id == item.id for other in found) > 1:
            raise ConfigError(f"Identyfikator „{item.id}” występuje w tabelach [[{what}]] więcej niż raz.")
    return {item.id: item for item in found}
