"""A desk in the town hall for the tests of papers: a spool with purchases, a configuration, and the command line."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from click.testing import CliRunner, Result

from gateway.render.marks import Marks
from gateway.render.work import draw
from sluza.cli.received import received
from spool.access import Spool
from spool.bodies import sha256_hex
from spool.domain.announcements import Announcement, Category
from spool.domain.calendar import end_of_day, start_of_day
from spool.domain.codes import kod1_url, kod2_unsigned
from spool.domain.document import Facts, FormCode
from spool.domain.ledger import PERSON, NewReceived, Outage
from spool.domain.municipality import Context, ContextType, Municipality, Unit
from spool.law import Law, Rules

NIP, SELLER = "5080014460", "7770001111"
QR = "https://qr-test.ksef.mf.gov.pl"
NUMBER = "7770001111-20261120-AAAAAA-AAAAAA-7F"
ISSUED = date(2026, 11, 20)  # a Friday
NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)
RAW = b"<Faktura>the bytes that KSeF has</Faktura>"
CONFIG = """
[municipality]
name = "Gmina Przykładowa"
nip = "5080014460"
contact = "Anna Nowak, tel. 12 345 67 89"
[paths]
state = "{directory}/state"
folders = "{directory}/folders"
[receive]
since = 2026-11-01
[[context]]
id = "gmina"
type = "nip"
value = "5080014460"
environment = "test"
token_file = "token"
[[unit]]
id = "sp1"
name = "Szkoła Podstawowa nr 1"
nip = "5250000015"
context = "gmina"
[[unit]]
id = "gops"
name = "Ośrodek Pomocy Społecznej"
context = "gmina"
"""


def town() -> Municipality:
    """The same municipality without a file."""
    context = Context("gmina", ContextType.NIP, NIP, "test", "", "", QR)
    units = {
        "sp1": Unit("sp1", "Szkoła Podstawowa nr 1", "gmina", nip="5250000015"),
        "gops": Unit("gops", "Ośrodek Pomocy Społecznej", "gmina"),
    }
    return Municipality("Gmina Przykładowa", NIP, {"gmina": context}, units, contact="Anna Nowak, tel. 12 345 67 89")


@dataclass(frozen=True)
class Desk:
    """The spool, and whoever sits before it; `rules` are those of `town`."""

    directory: Path
    spool: Spool
    rules: Rules = field(default_factory=lambda: Rules(Law(), town()))

    def receive(self, raw: bytes = RAW, number: str = NUMBER, unit: str | None = "sp1", **facts: Any) -> None:
        """An invoice of the seller from KSeF."""
        known = Facts(FormCode.FA3, seller_nip=SELLER, seller_name="Hurtownia", buyer_nip=NIP, number="F/1",
                      issue_date=ISSUED, currency="PLN", gross="123.00")  # fmt: skip
        new = NewReceived(
            number, "gmina", sha256_hex(raw), replace(known, **facts), {}, NOW, NOW, unit, "third_party_8", "Rola 8."
        )
        assert self.spool.write_now(lambda s: s.add_received(new, raw, NOW))

    def received_up_to(self, moment: datetime) -> None:
        """The agent has asked for everything until then."""
        self.spool.write_now(lambda s: s.set_mark("gmina", "Subject2", moment))

    def announce(self, category: Category, first: date, last: date | None, hour: int = 0) -> None:
        """An outage from this hour of one day to the last moment of another, as a person enters it."""
        end = end_of_day(last) if last else None
        start = start_of_day(first) + timedelta(hours=hour)
        period = Announcement("AW-1", category, start, end, start)
        self.spool.write_now(
            lambda s: s.put_outage(Outage(period, "test", PERSON, "Awaria", "https://bip.example", "anna", "anna", ""))
        )

    def run(self, *words: object) -> Result:
        """`sluza received …`, with the configuration."""
        arguments = [*map(str, words), "--config", str(self.directory / "sluza.toml")]
        return CliRunner().invoke(received, arguments, obj=None)


@cache
def _empty() -> bytes:
    """A spool with every schema step done, made once: the steps take longer than most of these tests."""
    with TemporaryDirectory() as directory:
        path = Path(directory) / "spool.db"
        Spool(path).close()
        return path.read_bytes()


@contextmanager
def desk_at(directory: Path) -> Iterator[Desk]:
    """An empty spool where the configuration says that it is."""
    (directory / "sluza.toml").write_text(CONFIG.format(directory=directory), encoding="utf-8")
    (directory / "state").mkdir()
    (directory / "state" / "spool.db").write_bytes(_empty())
    spool = Spool(directory / "state" / "spool.db")
    try:
        yield Desk(directory, spool)
    finally:
        spool.close()


def kod1(raw: bytes = RAW, seller: str = SELLER, issued: date = ISSUED, portal: str = QR) -> str:
    """The link below KOD I of these bytes."""
    return kod1_url(portal, seller, issued, sha256_hex(raw))


def kod2(raw: bytes = RAW, seller: str = SELLER, portal: str = QR) -> str:
    """The link below KOD II of these bytes, its signature as long as an RSA key makes it."""
    unsigned = kod2_unsigned(portal, "Nip", seller, seller, "01F20A5D352AE590", sha256_hex(raw))
    return f"https://{unsigned}/{'aB3-' * 85}xx"


def printed(*links: str) -> bytes:
    """A PDF with these codes, as the product itself prints one: KOD I first."""
    marks = Marks(kod1_url=links[0], kod2_url=links[1] if len(links) > 1 else "")
    fields = b'<Faktura xmlns="http://crd.gov.pl/wzor/2025/06/25/13775/"><Fa><P_2>F/1</P_2><FaWiersz/></Fa></Faktura>'
    return draw(fields, marks)
