"""A whole town as real processes, of which gateway and agent are killed and started again, over and over.

Nothing here knows how the product works inside: it drops files, posts over HTTP, has suppliers issue invoices, kills by
SIGKILL at named points or after so many commits, and then looks at the sandbox's ledger, the folders and the spool.
"""

import itertools
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zipfile
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pypdfium2

from sluza.samples import MUNICIPALITY_NIP, SCHOOL_IDWEW, SCHOOL_NIP, consumer_invoice, purchase_for_unit
from spool import files
from spool.access import FILE, Spool
from spool.bodies import sha256_hex
from spool.domain.calendar import warsaw_date
from spool.domain.ledger import Document
from spool.domain.states import State
from spool.looking import Looking
from spool.poison import TOO_OFTEN
from spool.store import Store
from tests import credentials
from tests.integration.agent_rig import Sandbox
from tests.spool_story import report_of

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 120.0
_TICK_S = 0.05
UNITS = ("sp1", "gops", "ug")
TOKEN = "t" * 43


@dataclass(frozen=True)
class Case:
    """One kill: at a named point (`point`, n-th passing, of one document only with `prefix`), or, without a point, when
    `n` events were written into the history since the program is ready."""

    point: str
    n: int
    prefix: str = ""

    @property
    def asked(self) -> str:
        """The value of CRASH_AT."""
        return f"{self.point}:{self.n}" + (f":{self.prefix}" if self.prefix else "")


@dataclass
class Dropped:
    """What was handed in, and what must become of it."""

    unit: str
    stem: str
    raw: bytes
    path: Path | None = None
    outcome: State = State.DELIVERED
    kept: bool = True
    posted: bool = False

    @property
    def sha256(self) -> str:
        """As everywhere."""
        return sha256_hex(self.raw)


@dataclass
class Program:
    """Gateway or agent: started, killed by the case at hand, started again with the next one."""

    role: str
    town: "Town"
    cases: deque[Case] = field(default_factory=deque)
    fired: list[Case] = field(default_factory=list)
    process: "subprocess.Popen[bytes] | None" = None
    starts: int = 0
    in_a_row: int = 0
    """Kills since the spool was quiet last."""
    _armed: bool = False
    _out: Path = Path()
    _events: int = 0

    def start(self) -> None:
        """Start it, armed with the next case; but not a third time in a row, which would make whatever it has in hand
        poison. Where a case is meant for one document, that is what the case is for."""
        self.starts += 1
        environment = os.environ | self.town.environment
        self._armed = bool(self.cases) and (self.in_a_row < TOO_OFTEN - 1 or bool(self.cases[0].prefix))
        if self._armed and self.cases[0].point:
            environment["CRASH_AT"] = self.cases[0].asked
        self._out = self.town.logs / f"{self.role}.{self.starts}.out"
        self._events = -1
        command = [sys.executable, "-m", self.role, "--config", str(self.town.config)]
        with self._out.open("wb") as out, (self.town.logs / f"{self.role}.log").open("ab") as log:
            self.process = subprocess.Popen(
                command, stdout=out, stderr=log, cwd=self.town.cwd, env=environment, start_new_session=True
            )

    @property
    def ready(self) -> dict[str, Any]:
        """What it said when it was ready; empty before."""
        lines = self._out.read_text(encoding="utf-8").splitlines() if self.process else []
        return json.loads(lines[-1]) if lines else {}

    def tick(self) -> None:
        """Start it again when it was killed; kill it when its time has come. Fails when it ended in any other way."""
        assert self.process is not None
        code = self.process.poll()
        if code is not None:
            assert code == -signal.SIGKILL, f"{self.role} ended with {code}; {self.tail()}"
            assert self.cases, f"{self.role} was killed without a case"
            self.fired.append(self.cases.popleft())
            self.in_a_row += 1
            self.town.wait(lambda: not _alive(self.process), f"{self.role}: its workers end with it")
            self.start()
        elif self._armed and self.cases and not self.cases[0].point and self.ready:
            events = self.town.events()
            self._events = events if self._events < 0 else self._events
            if events - self._events >= self.cases[0].n:
                self.process.kill()
                self.process.wait()

    def again(self) -> None:
        """A clean stop and a start."""
        self.stop()
        self.start()

    def rested(self) -> None:
        """The spool is quiet: it may be killed again."""
        self.in_a_row = 0
        if self.cases and not self._armed:
            self.again()

    def stop(self) -> None:
        """A clean stop, as by the supervisor."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            finally:
                self.process.kill()
        self.process = None

    def tail(self) -> str:
        """The end of its log, for a failed test."""
        return (self.town.logs / f"{self.role}.log").read_text(encoding="utf-8", errors="replace")[-3000:]


def _alive(process: "subprocess.Popen[bytes] | None") -> bool:
    """Anything of the dead program's process group."""
    assert process is not None
    try:
        os.killpg(process.pid, 0)
    except ProcessLookupError:
        return False
    return True


class Town:
    """Sandbox, gateway and agent on one directory."""

    def __init__(self, directory: Path, sandbox: Sandbox) -> None:
        self.directory = directory
        self.sandbox = sandbox
        self.folders, self.state = directory / "foldery", directory / "state"
        self.logs, self.cwd = directory / "logs", directory / "cwd"
        self.config = directory / "sluza.toml"
        self.dropped: list[Dropped] = []
        self.supplied: dict[str, tuple[str, bytes]] = {}
        self.rounds = 0
        self.serial = next(_SERIALS)
        for path in (self.logs, self.cwd, directory / "home", directory / "tmp", directory / "obce"):
            path.mkdir()
        (directory / "obce" / "kanarek.txt").write_text("nie ruszać", encoding="utf-8")
        self.environment = {
            "SLUZA_CLOCK_URL": f"{sandbox.url}/sandbox/clock",
            "PYTHONPATH": str(ROOT),
            "HOME": str(directory / "home"),
            "TMPDIR": str(directory / "tmp"),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        for name, offline in (("pieczec", False), ("offline", True)):
            credentials.seal(MUNICIPALITY_NIP, offline=offline).write_pem(directory, name)
        self.config.write_text(_configuration(self), encoding="utf-8")
        spool = Spool(self.state / FILE)
        spool.write_now(lambda store: store.add_token("ug", sha256_hex(TOKEN.encode()), datetime.now(UTC), "test"))
        spool.close()
        self.looking = Looking(self.state / FILE)
        self.gateway, self.agent = Program("gateway", self), Program("agent", self)
        self._outside = self._strangers()

    def start(self) -> None:
        """Both programs."""
        for program in (self.gateway, self.agent):
            program.start()

    def close(self) -> None:
        """Stop everything."""
        for program in (self.gateway, self.agent):
            program.stop()
        self.looking.close()

    def look(self, job: Callable[[Store], Any]) -> Any:
        """Read the spool."""
        return self.looking.read_now(job)

    def events(self) -> int:
        """How many events the history has."""
        return int(self.look(lambda store: store.rows_in("event")))

    # -- what comes in -----------------------------------------------------------------------------------------

    def feed(self) -> None:
        """One round: folders, offline, HTTP, a bad invoice, a foreign file, a supplier, a notice of Latarnia."""
        self.rounds += 1
        n, day = self.rounds, warsaw_date(self.sandbox.now())
        self.drop("sp1", f"sp{n}", self.invoice("sp1", str(n)))
        self.drop("gops", f"go{n}", self.invoice("gops", str(n)), folder="offline24")
        self.dropped.append(Dropped("ug", f"ug{n}", self.invoice("ug", str(n))))
        self.drop("gops", f"zla{n}", b"<?xml version='1.0'?><Faktura>GOPS-x%d</Faktura>" % n, outcome=State.REFUSED)
        note = b"notatka ksiegowej SP1-n%d" % n
        self.drop("sp1", f"notatka{n}", note, ending=".txt", outcome=State.REFUSED, kept=False)
        self.supply(n, day)
        ahead = self.sandbox.now() + timedelta(days=30 + n)
        times = {"start": ahead.isoformat(), "end": (ahead + timedelta(hours=1)).isoformat()}
        self.sandbox.announce(status="MAINTENANCE", **times)

    def invoice(self, unit: str, number: str) -> bytes:
        """An invoice of today, by the sandbox's clock, whose number says whose it is."""
        today = warsaw_date(self.sandbox.now())
        return consumer_invoice(number=f"{_PREFIXES[unit]}-{self.serial}/{number}", issue_date=today)

    def drop(self, unit: str, stem: str, raw: bytes, *, folder: str = "", ending: str = ".xml", **more: Any) -> Dropped:
        """A file into `do-wyslania`, as a program saves it: under another name first."""
        box = self.folders / unit / "do-wyslania" / folder
        self.wait(box.is_dir, f"the folders of {unit}", drive=True)
        path = box / f"{stem}{ending}"
        unfinished = box / f"{stem}.tmp"
        unfinished.write_bytes(raw)
        unfinished.replace(path)
        self.dropped.append(Dropped(unit, stem, raw, path, **more))
        return self.dropped[-1]

    def supply(self, n: int, day: date) -> None:
        """Suppliers invoice the school and, without naming a unit, the municipality."""
        for unit, more in (("sp1", {"nip": SCHOOL_NIP}), ("_centrala", {"third_parties": ()})):
            raw = purchase_for_unit(number=f"DOST-{unit}-{self.serial}-{n}", issue_date=day, **more)
            self.supplied[self.sandbox.call("POST", "/sandbox/inbound", raw=raw)["ksef_number"]] = (unit, raw)

    def _post(self, one: Dropped) -> None:
        """One try over HTTP; a lost answer is no answer, the client comes again."""
        url = self.gateway.ready.get("url", "")
        if not url:
            return
        headers = {"Authorization": f"Bearer {TOKEN}", "X-File-Name": quote(f"{one.stem}.xml")}
        headers["Content-Type"] = "application/xml"
        request = urllib.request.Request(f"{url}/v1/invoices", one.raw, headers, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                one.posted = answer.status in {200, 202}
        except urllib.error.HTTPError as error:
            raise AssertionError(error.read()) from error
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return

    # -- waiting -----------------------------------------------------------------------------------------------

    def wait(self, ready: Callable[[], bool], what: str, *, drive: bool = False) -> None:
        """Until it is true, with a bound (invariant I18). `drive`: the programs are killed and started meanwhile."""
        end = time.monotonic() + PATIENCE_S
        while not ready():
            if time.monotonic() > end:
                raise AssertionError(f"not within {PATIENCE_S:g} s: {what}; {self.story()}")
            if drive:
                self.tick()
            time.sleep(_TICK_S)

    def tick(self) -> None:
        """Look after the programs that were started, and post what was not answered."""
        for program in (self.gateway, self.agent):
            if program.process is not None:
                program.tick()
        for one in self.dropped:
            if one.path is None and not one.posted:
                self._post(one)

    def settle(self) -> None:
        """Until everything that came in is where it belongs and both programs live."""
        self.wait(self.quiet, "the spool is quiet", drive=True)
        for program in (self.gateway, self.agent):
            program.rested()

    def quiet(self) -> bool:
        """Nothing is on its way any more: files taken, documents ended and shown, purchases in their folders."""
        if not (self.gateway.ready and self.agent.ready) or any(d.path and d.path.exists() for d in self.dropped):
            return False
        if any(d.path is None and not d.posted for d in self.dropped):
            return False
        return all(map(self._aside, self.dropped)) and bool(self.look(self._spool_is_quiet))

    def _aside(self, one: Dropped) -> bool:
        """What has no row in the spool is told of in the folder."""
        return one.kept or next((self.folders / one.unit).glob(f"odrzucone/*/{one.stem}.json"), None) is not None

    def _spool_is_quiet(self, store: Store) -> bool:
        documents = store.documents(limit=100_000)
        poison = store.crashed(TOO_OFTEN)
        expected = {d.sha256 for d in self.dropped if d.kept}
        known = {d.sha256 for d in documents}
        ended = all(d.state in {State.DELIVERED, State.REFUSED, State.QUARANTINED} for d in documents)
        shown = all(d.shown >= d.version or d.id in poison for d in documents)
        mirrored = {r.ksef_number for r in store.received_page(limit=100_000) if r.mirrored_at}
        return expected <= known and ended and shown and self.supplied.keys() <= mirrored

    # -- what must be true -------------------------------------------------------------------------------------

    def check(self) -> None:
        """Every invariant that can be seen from outside, and those that `sluza check` sees in the spool."""
        ledger = self.sandbox.ledger()
        documents: dict[str, Document] = {d.sha256: d for d in self.look(lambda store: store.documents(limit=100_000))}
        for one in self.dropped:
            self._check_dropped(one, ledger, documents)
        ours = {d.sha256 for d in self.dropped if d.outcome is State.DELIVERED}
        sent = [i for i in ledger.values() if i["session"] and i["invoice_number"].split("-")[0] in _PREFIXES.values()]
        assert {i["sha256"] for i in sent} >= ours
        for number, (unit, raw) in self.supplied.items():
            found = list(self.folders.glob(f"*/odebrane/*/*{number}.xml"))
            assert [(p.parts[-4], p.read_bytes()) for p in found] == [(unit, raw)], (number, found)
            assert found[0].with_suffix(".json").exists()
            assert found[0].with_suffix(".pdf").exists()
        self._check_isolation()
        assert self._strangers() == self._outside  # I16
        report = report_of(self.state / FILE, self.sandbox.now())
        assert report.ok, report.in_order()

    def _check_dropped(self, one: Dropped, ledger: dict[str, Any], documents: dict[str, Document]) -> None:
        home, registered = self.folders / one.unit, ledger.get(one.sha256)
        if one.outcome is State.DELIVERED:
            assert registered is not None, one.stem
            assert registered["posts"] == 1, (one.stem, registered, self.story())
            files = {p.name: p for p in home.glob(f"wyslane/*/{one.stem}.*")}
            assert files.keys() == {f"{one.stem}{e}" for e in (".xml", ".upo.xml", ".pdf", ".json")}, files
            assert files[f"{one.stem}.xml"].read_bytes() == one.raw
            said = json.loads(files[f"{one.stem}.json"].read_bytes())
            assert (said["state"], said["sha256"]) == ("DELIVERED", one.sha256)
            assert said["ksef_number"] == registered["ksef_number"] == documents[one.sha256].ksef_number
        else:
            assert registered is None
            ending = ".xml" if one.path is None else one.path.suffix
            files = {p.name: p for p in home.glob(f"odrzucone/*/{one.stem}.*")}
            assert files.keys() == {f"{one.stem}{e}" for e in (ending, ".blad.txt", ".json")}, files
            assert files[f"{one.stem}{ending}"].read_bytes() == one.raw
            assert not one.kept or documents[one.sha256].state is one.outcome
        assert not list(home.glob(f"w-toku/{one.stem}.*"))

    def _check_isolation(self) -> None:
        """I7: no file in a unit's folder carries another unit's number, name or bytes; and nothing unfinished stays."""
        foreign = {unit: [p for other, p in _PREFIXES.items() if other != unit] for unit in (*UNITS, "_centrala")}
        # What a living gateway is just writing goes by itself; what a killed one left is seen for ever.
        self.wait(lambda: not self._unfinished(), "nothing unfinished is left")
        for path in self.folders.rglob("*"):
            if not path.is_file() or path.name.startswith(files.TEMPORARY_PREFIX):
                continue
            unit, folder, *_ = (*path.relative_to(self.folders).parts, "")
            if (unit, folder) == ("_centrala", "rejestry"):
                continue  # the registers of the whole municipality
            assert not path.name.startswith(".sluza-") or path.name == ".sluza-folder", f"left behind: {path}"
            text = path.name.encode() + _said_in(path, path.stat().st_mtime_ns)
            assert not [word for word in foreign[unit] if f"{word}-".encode() in text], path

    def _unfinished(self) -> list[Path]:
        return [p for p in self.folders.rglob(f"{files.TEMPORARY_PREFIX}*") if p.exists()]

    def _strangers(self) -> dict[str, int]:
        """What lies outside the configured roots, with its last change; the sockets of worker pools apart."""
        ours = (self.folders, self.state, self.logs)
        found = (p for p in self.directory.rglob("*") if not any(p.is_relative_to(root) for root in ours))
        sockets = self.directory / "tmp"
        return {str(p): p.stat().st_mtime_ns for p in found if p != sockets and not p.is_relative_to(sockets)}

    def story(self) -> str:
        """Every document with its history, for a failed test."""

        def job(store: Store) -> str:
            out = [f"gateway {self.gateway.cases} {self.gateway.ready} agent {self.agent.cases} {self.agent.ready}"]
            out += [f"not taken: {d.path}" for d in self.dropped if d.path and d.path.exists()]
            out += [f"not posted: {d.stem}" for d in self.dropped if d.path is None and not d.posted]
            out += [f"{d.unit}/odrzucone: no JSON of {d.stem}" for d in self.dropped if not self._aside(d)]
            for d in store.documents(limit=1000):
                if d.state not in {State.DELIVERED, State.REFUSED} or d.shown < d.version:
                    moves = [(e.move, e.note) for e in store.history(d.id)]
                    out.append(f"{d.id} {d.name} {d.state} {d.next_action_at} {d.reason} {moves}")
            received = {r.ksef_number: r.mirrored_at for r in store.received_page(limit=1000)}
            out.append(f"received {[n for n in self.supplied if not received.get(n)]}")
            return "\n".join(out)

        return str(self.look(job)) + self.gateway.tail()[-1500:] + self.agent.tail()[-1500:]

    def command(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """`sluza …` as a person types it."""
        return subprocess.run(
            [sys.executable, "-m", "sluza", "--config", str(self.config), *words],
            capture_output=True, text=True, timeout=100, cwd=ROOT, env=os.environ | self.environment,
        )  # fmt: skip


@cache
def _said_in(path: Path, _changed_ns: int) -> bytes:
    """What a file says; in what is compressed any three letters stand by chance, once in some hundred files."""
    if path.suffix == ".pdf":
        with closing(pypdfium2.PdfDocument(path)) as pdf:
            return b"\n".join(page.get_textpage().get_text_bounded().encode() for page in pdf)
    if path.suffix == ".xlsx":
        with zipfile.ZipFile(path) as sheets:
            return b"\n".join(sheets.read(name) for name in sheets.namelist())
    return path.read_bytes()


_PREFIXES = {"sp1": "SP1", "gops": "GOPS", "ug": "UG"}
_SERIALS = itertools.count(1)
"""Of the towns on one sandbox: their numbers must not meet."""


def run(town: Town, cases: Iterable[tuple[str, Case]], *, patience: int = 3) -> list[Case]:
    """Feed, kill, settle and check until every case was fired; returns those not reached in `patience` rounds."""
    for role, case in cases:
        (town.gateway if role == "gateway" else town.agent).cases.append(case)
    missed: list[Case] = []
    waited: dict[str, tuple[Case, int]] = {}
    town.start()
    while town.gateway.cases or town.agent.cases:
        town.feed()
        town.settle()
        town.check()
        for program in (town.gateway, town.agent):
            if not program.cases:
                continue
            case, rounds = waited.get(program.role, (program.cases[0], 0))
            rounds = rounds + 1 if case == program.cases[0] else 1
            waited[program.role] = (program.cases[0], rounds)
            if rounds == patience - 1:
                town.sandbox.advance(minutes=11)  # what nobody uses any more is closed
            if rounds >= patience:
                missed.append(program.cases.popleft())
                program.again()
    town.settle()
    town.check()
    return missed


def _configuration(town: Town) -> str:
    units = "".join(
        f'[[unit]]\nid = "{name}"\nname = "Jednostka {name}"\ncontext = "gmina"\n{more}\n'
        for name, more in (
            ("sp1", f'nip = "{SCHOOL_NIP}"'), ("gops", f'idwew = "{SCHOOL_IDWEW}"'), ("ug", "town_hall = true"),
        )
    )  # fmt: skip
    return f"""
[municipality]
name = "Gmina Przykładowa"
nip = "{MUNICIPALITY_NIP}"
[paths]
state = "{town.state}"
folders = "{town.folders}"
[http]
listen = "127.0.0.1:0"
tls = false
[admin]
listen = "127.0.0.1:0"
[[context]]
id = "gmina"
value = "{MUNICIPALITY_NIP}"
environment = "sandbox"
url = "{town.sandbox.url}/v2"
latarnia_url = "{town.sandbox.url}/latarnia"
auth_cert = "{town.directory}/pieczec.crt"
auth_key = "{town.directory}/pieczec.key"
offline_cert = "{town.directory}/offline.crt"
offline_key = "{town.directory}/offline.key"
{units}
[receive]
since = 2026-11-01
every_seconds = 1
[folders]
settle_seconds = 0.2
incomplete_seconds = 1
rescan_seconds = 1
[latarnia]
every_seconds = 0.3
[policy.offline24]
value = "allowed"
order = "zarządzenie nr 1/2026"
"""
