"""The commands can do what the pages can, speak JSON, fit a screen, and explain themselves."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from gateway.web.app import PAGES
from gateway.web.health import Snapshot
from gateway.web.pages.documents import ACTIONS
from gateway.web.upkeep import Upkeep
from sluza import man
from sluza.__main__ import cli
from sluza.cli.status import screen
from spool.domain.errors import ConfigError
from tests.alarms_bench import Bench, at, opened
from tests.backup_bench import Town

BY_COMMAND = {
    "/wyloguj": "",  # a command has no session
    "/haslo": "user password",
    "/kody": "user no-codes",
    "/faktury/{id}/zrob/{action}": " ".join(f"queue {name};" for name in ACTIONS),
    "/odebrane/{number}/zrob/{verb}": "received assign; received remirror; received receipt-date",
    "/odebrane/sprawdz": "received verify",
    "/odebrane/papier": "received paper add",
    "/odebrane/papier/{paper}/{verb}": "received paper allow; received paper withdraw",
    "/awarie": "outage add",
    "/awarie/{id}/{verb}": "outage confirm; outage close; outage cancel",
    "/alarmy": "alerts test",
    "/konta": "user add",
    "/konta/{login}/{verb}": "user password; user disable; user enable; user no-codes",
}
"""What does on the command line what a form does on a page."""
NO_JSON = {"gateway", "agent", "sandbox", "training-sandbox", "folders", "completion"}
"""Processes, and a script for a shell; `register issued` and `received` have `--format json`."""


def commands(group: click.Group = cli, path: str = "") -> Iterator[tuple[str, click.Command]]:
    """Every command with its whole name, but for what only our own programs call."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if command.hidden:
            continue
        if isinstance(command, click.Group):
            yield from commands(command, f"{path}{name} ")
        else:
            yield f"{path}{name}", command


def test_whatever_a_page_does_a_command_does() -> None:
    """Each POST page names its commands, and there are such commands."""
    posts = {page.path for page in PAGES if page.method == "POST"}
    assert posts == set(BY_COMMAND)
    known = {name for name, _ in commands()}
    named = {one.strip() for text in BY_COMMAND.values() for one in text.split(";") if one.strip()}
    assert named - known == set()


def test_every_command_speaks_json() -> None:
    """By `--json`, or `--format json` where there are several formats."""
    silent = {
        name
        for name, command in commands()
        if not any(
            "--json" in p.opts or (p.name == "form" and "json" in getattr(p.type, "choices", ()))
            for p in command.params
        )
    }
    assert silent == NO_JSON


def test_every_command_says_in_polish_what_it_does() -> None:
    """And every option of ours, too."""
    assert [name for name, command in commands() if not command.help] == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_a_script_of_that_shell(shell: str) -> None:
    """It calls us by name; nothing is printed beside it."""
    done = CliRunner().invoke(cli, ["completion", shell])
    assert done.exit_code == 0
    assert "_SLUZA_COMPLETE" in done.output


def test_the_manual_page_names_every_command() -> None:
    """No line begins with a character that roff would take as its own, except its own."""
    page = man.page()
    assert [name for name, _ in commands() if f".SS sluza {name}".replace("-", r"\-") not in page] == []
    own = {".TH", ".SH", ".SS", ".TP", ".B", '.\\"'}
    assert [line for line in page.splitlines() if line.startswith((".", "'")) and line.split(" ")[0] not in own] == []


def test_the_manual_page_is_read_by_man() -> None:
    """Where there is a `man`, it has nothing to complain of."""
    try:
        done = subprocess.run(
            ["man", "--warnings", "-l", "-"], input=man.page(), capture_output=True, text=True,
            env={"MANPAGER": "cat", "LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin", "MANWIDTH": "100"},
        )  # fmt: skip
    except OSError:
        pytest.skip("no man here")
    assert "sluza queue proof" in done.stdout.replace("\x08", "")
    assert not [line for line in done.stderr.splitlines() if "warning" in line]


def crowded(bench: Bench) -> Snapshot:
    """Much is wrong, and much is waiting."""
    for n in range(30):
        bench.add(f"FV/{n}/BARDZO/DLUGI/NUMER/FAKTURY/KTORY/SIE/NIE/MIESCI/{n:060}", at(9))
    queue = bench.spool.read_now(lambda s: s.by_due(50))
    upkeep = Upkeep(unmended=3, unmended_days=3, guessed=[f"osoba{n}" for n in range(20)])
    return Snapshot(at(12), ["gmina"], queue, {"QUEUED": 30, "HELD": 2}, (), 0, 0, (), upkeep=upkeep)


def test_status_fits_one_screen(tmp_path_factory: pytest.TempPathFactory) -> None:
    """80 by 24, the prompt included: the gravest first, the nearest deadlines, and word that there is more."""
    with opened(tmp_path_factory.mktemp("status")) as bench:
        seen = crowded(bench)
    lines = screen(seen, 80, 23)
    texts = [line.plain for line in lines]
    assert len(texts) <= 23
    assert max(line.cell_len for line in lines) <= 80
    assert "po terminie przesłania" in texts[0]
    assert any("więcej: sluza status" in text for text in texts)
    assert sum("FV/" in text for text in texts) >= 3
    assert any(text.startswith("Dokumenty:") for text in texts)
    everything = screen(seen, 80, 0)
    assert sum("Na konto" in line.plain for line in everything) == 20


def test_status_on_a_good_day_is_short() -> None:
    """One sentence, then what there is."""
    seen = Snapshot(at(12), ["gmina"], (), {}, (), 0, 0, ())
    quiet = replace(seen, contexts=[])
    texts = [line.plain for line in screen(quiet, 80, 23)]
    assert texts[0].startswith("Wszystko w porządku.")
    assert len(texts) <= 5


def test_verbs_are_loaded_only_when_called() -> None:
    """`sluza validate` starts without the pages: nobody waits for what is not needed."""
    code = "import sys, sluza.__main__; print('aiohttp' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "False"


def test_an_unknown_unit_is_one_sentence_whoever_asks(tmp_path: Path) -> None:
    """The id that was not found, and where the right ones are."""
    town = Town(tmp_path / "town")
    for words in (
        ["register", "issued", "--unit", "sp2", "--month", "2026-11"],
        ["register", "users", "add", "--person", "A", "--unit", "sp2", "--scope", "InvoiceRead", "--by", "B"],
        ["unit", "token", "sp2"],
        ["unit", "card", "sp2", "--out", str(tmp_path / "karta.pdf")],
        ["submit", str(town.config), "--unit", "sp2"],
        ["user", "add", "ewa", "--name", "Ewa", "--role", "accountant", "--unit", "sp2"],
    ):
        done = town.sluza(*words)
        assert isinstance(done.exception, ConfigError), (words, done.output)
        assert (str(done.exception), done.exception.hint) == (
            "Nie ma jednostki „sp2”.",
            "Listę pokaże: sluza unit list",
        )
