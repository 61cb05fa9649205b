"""`sluza register …` as a person types it."""

import asyncio
import csv
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import openpyxl
import pytest
from click.testing import CliRunner, Result

from sluza.__main__ import cli
from sluza.samples import MUNICIPALITY_NIP
from spool.access import FILE, Spool
from spool.domain.errors import RegisterRefused, SluzaError
from spool.domain.exits import Exit, exit_for
from tests.folders_bench import SCHOOL, WELFARE, Bench, bench_at, sale
from tests.integration.command_rig import CONFIG
from tests.register_samples import KSEF, purchase

MONTH = "2026-11"
Sluza = Callable[..., Result]
_WELFARE = f'[[unit]]\nid = "{WELFARE}"\nname = "Ośrodek"\ncontext = "gmina"\n\n[receive]'


@pytest.fixture(name="bench")
def bench_fixture(tmp_path: Path) -> Iterator[Bench]:
    with bench_at(tmp_path) as found:
        yield found


@pytest.fixture(name="sluza")
def sluza_fixture(bench: Bench) -> Sluza:
    """The command on the spool of the bench."""
    values = {"nip": MUNICIPALITY_NIP, "url": "http://127.0.0.1:1", "cert": "/nie/ma.pem", "key": "/nie/ma.key"}
    config = bench.state.parent / "sluza.toml"
    text = CONFIG.format(state=bench.state, **values).replace("[receive]", _WELFARE)
    config.write_text(text + "\n[retention.classes]\nB25 = 25\n", encoding="utf-8")

    def run(*words: str) -> Result:
        return CliRunner().invoke(cli, ["--config", str(config), "register", *words])

    return run


def refused(done: Result) -> SluzaError:
    """The error that the command ended with; the program prints it and exits with code 1."""
    assert isinstance(done.exception, SluzaError), done.output
    return done.exception


def test_the_monthly_registers_in_every_format(bench: Bench, sluza: Sluza) -> None:
    """CSV to the screen, JSON for programs, XLSX into a file; of the municipality or of one unit."""
    number = bench.number(asyncio.run(bench.post(sale(), "a.xml")))
    bench.receive(purchase(), KSEF, SCHOOL, number="D/1")
    bench.receive(purchase("D/2"), KSEF[:-2] + "80", None, number="D/2")
    (line,) = csv.DictReader(
        io.StringIO(sluza("issued", "--month", MONTH).stdout_bytes.decode("utf-8-sig")), delimiter=";"
    )
    assert line["Numer KSeF"] == number
    assert len(json.loads(sluza("received", "--month", MONTH, "--format", "json").stdout)) == 2
    (mine,) = json.loads(sluza("received", "--month", MONTH, "--unit", SCHOOL, "--format", "json").stdout)
    assert (mine["number"], mine["net"], mine["received_on"]) == ("D/1", "100.00", "2026-11-20")
    assert json.loads(sluza("received", "--month", "2026-10", "--format", "json").stdout) == []
    path = bench.state.parent / "r.xlsx"
    assert sluza("issued", "--month", MONTH, "--format", "xlsx", "--out", str(path)).exit_code == 0
    assert openpyxl.load_workbook(path).active.max_row == 2


def test_wrong_words_are_answered_in_one_sentence(bench: Bench, sluza: Sluza) -> None:
    """A month that is none, a unit that is none, a workbook without a file."""
    assert sluza("issued", "--month", "2026-13").exit_code == 2
    assert sluza("issued", "--month", MONTH, "--format", "xlsx").exit_code == 2
    assert "nie-ma" in str(refused(sluza("issued", "--month", MONTH, "--unit", "nie-ma")))
    typo = bench.state.parent / "nie" / "ma"
    assert str(typo) in str(refused(sluza("issued", "--month", MONTH, "--out", str(typo / "r.csv"))))
    assert not typo.exists()


def test_rule_D2_the_day_of_actual_receipt_is_entered(bench: Bench, sluza: Sluza) -> None:
    """Only a day before that of the number, and not before the issue."""
    bench.receive(purchase(), KSEF, SCHOOL, number="D/1")
    for wrong in ("2026-11-20", "2026-11-25", "2026-11-18"):
        assert isinstance(refused(sluza("receipt", KSEF, "--on", wrong)), RegisterRefused)
    assert sluza("receipt", KSEF, "--on", "2026-11-19", "--name", "Anna").exit_code == 0
    (found,) = json.loads(sluza("received", "--month", MONTH, "--format", "json").stdout)
    assert (found["received_on"], found["number_day"]) == ("2026-11-19", "2026-11-20")
    assert "Nie ma faktury" in str(refused(sluza("receipt", "nic", "--on", "2026-11-19")))


def test_a_document_gets_a_class_of_its_own(bench: Bench, sluza: Sluza) -> None:
    """One of the configuration's, until it is taken away again; for a sale and for a purchase."""
    document = asyncio.run(bench.post(sale(), "a.xml"))
    bench.receive(purchase(), KSEF, SCHOOL, number="D/1")
    for kind, key in (("issued", document.id), ("received", KSEF)):
        assert sluza("retention", key, "--class", "B25").exit_code == 0
        (found,) = json.loads(sluza(kind, "--month", MONTH, "--format", "json").stdout)
        assert (found["retention"], found["keep_until"]) == ("B25", "2051-12-31")
        assert sluza("retention", key, "--by-unit").exit_code == 0
        (found,) = json.loads(sluza(kind, "--month", MONTH, "--format", "json").stdout)
        assert found["retention"] == "KSeF-10"
    assert "Klasy z konfiguracji: KSeF-10, B25" in refused(sluza("retention", KSEF, "--class", "X")).hint
    assert isinstance(refused(sluza("retention", "nic", "--class", "B25")), RegisterRefused)
    assert sluza("retention", KSEF).exit_code == 2


def test_rule_U6_the_register_of_users(bench: Bench, sluza: Sluza) -> None:
    """Statement, permission, withdrawal; a refusal is exit code 1 with the cure, and the same file in each format."""
    who = ("--person", "Anna Nowak", "--unit", SCHOOL)
    error = refused(sluza("users", "add", *who, "--scope", "InvoiceRead", "--by", "Wójt"))
    assert (exit_for(error), "statements add" in error.hint) == (Exit.REFUSED, True)
    assert sluza("statements", "add", *who, "--by", "Skarbnik").exit_code == 0
    assert sluza("users", "add", *who, "--scope", "InvoiceRead", "--by", "Wójt", "--until", "2099-01-01").exit_code == 0
    assert isinstance(refused(sluza("users", "withdraw", "1", "--by", "Wójt", "--on", "2099-01-01")), RegisterRefused)
    assert sluza("users", "withdraw", "1", "--by", "Wójt").exit_code == 0
    (found,) = json.loads(sluza("users", "--format", "json").stdout)
    assert (found["name"], found["unit"], found["scope"]) == ("Anna Nowak", "Szkoła Podstawowa nr 1", "InvoiceRead")
    assert (found["granted_by"], found["withdrawn_by"], found["until"]) == ("Wójt", "Wójt", "2099-01-01")
    assert found["withdrawn_on"]
    assert json.loads(sluza("users", "--format", "json", "--unit", WELFARE).stdout) == []
    assert "Anna" in sluza("users").stdout
    assert len(json.loads(sluza("statements", "--format", "json").stdout)) == 1


def test_rule_U7_the_idwew_register(bench: Bench, sluza: Sluza) -> None:
    """A free number with its check digit; a wrong one is refused with the right one; one of a stranger, too."""
    assert f"{MUNICIPALITY_NIP}-0001" in sluza("idwew", "add", "--person", "Anna", "--unit", SCHOOL, "--by", "S").stdout
    given = ("--section", "Świetlica", "--unit", SCHOOL, "--by", "S")
    error = refused(sluza("idwew", "add", "--idwew", f"{MUNICIPALITY_NIP}-00070", *given))
    right = error.hint.split()[-1].rstrip(".")
    assert sluza("idwew", "add", "--idwew", right, *given).exit_code == 0
    assert "nie zaczyna się od NIP" in str(refused(sluza("idwew", "add", "--idwew", "6824515772-12343", *given)))
    assert sluza("idwew", "withdraw", right, "--by", "S").exit_code == 0
    first, second = json.loads(sluza("idwew", "--format", "json").stdout)
    assert (first["person"], first["section"], second["section"]) == ("Anna", None, "Świetlica")
    assert second["withdrawn_on"]
    assert sluza("idwew", "add", "--unit", SCHOOL, "--by", "S").exit_code == 2


def test_rule_U9_the_incident_register(bench: Bench, sluza: Sluza) -> None:
    """What is entered is shown with both moments in Warsaw time; nothing happens in the future."""
    words = ("--description", "Zgubiony  laptop", "--reporter", "Anna")
    assert isinstance(refused(sluza("incidents", "add", "--happened", "2099-01-01T08:15", *words)), RegisterRefused)
    assert sluza("incidents", "add", "--happened", "2026-11-20T08:15", *words).exit_code == 0
    (found,) = json.loads(sluza("incidents", "--format", "json").stdout)
    assert (found["happened_on"], found["description"], found["reporter"]) == (
        "2026-11-20T08:15", "Zgubiony laptop", "Anna",
    )  # fmt: skip


def test_what_is_entered_is_in_the_chained_history(bench: Bench, sluza: Sluza) -> None:
    """With the name of who typed it."""
    sluza("statements", "add", "--person", "Anna", "--unit", SCHOOL, "--by", "Skarbnik", "--name", "Ewa Kot")
    bench.spool.close()
    again = Spool(bench.state / FILE)
    try:
        assert [e.actor for e in again.read_now(lambda s: s.history("person:1"))] == ["Ewa Kot", "Ewa Kot"]
        assert again.read_now(lambda s: s.broken_link()) is None
    finally:
        again.close()
