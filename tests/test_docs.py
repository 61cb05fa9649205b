"""The documents say what the code does."""

from pathlib import Path

from sluza.__main__ import VERBS
from spool.domain.exits import MEANING
from spool.domain.states import as_markdown

ROOT = Path(__file__).resolve().parents[1]


def text(name: str) -> str:
    """A document of the project."""
    return (ROOT / name).read_text(encoding="utf-8")


def test_the_states_page_is_printed_from_the_table() -> None:
    """`docs/states.md` holds the table of `spool.domain.states`, to the letter."""
    assert as_markdown() in text("docs/states.md")


def test_every_verb_is_documented() -> None:
    """The manual names every verb of the command."""
    manual = text("docs/operations.md")
    assert [verb for verb in VERBS if f"sluza {verb}" not in manual] == []


def test_every_exit_code_is_documented() -> None:
    """The manual lists every exit code."""
    manual = text("docs/operations.md")
    assert [code for code, meaning in MEANING.items() if f"| {code.value} | {meaning} |" not in manual] == []


def test_the_readme_begins_with_the_two_commands() -> None:
    """A newcomer finds demo and test on the first lines."""
    first = text("README.md").splitlines()[:6]
    assert any(line.startswith("./install.sh --demo") for line in first)
    assert any(line.startswith("./install.sh --test") for line in first)
