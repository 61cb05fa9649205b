"""The manual and the administrator's guide say what is true: pictures, links, commands and settings exist."""

import re
import tomllib
from pathlib import Path

import click
import pytest

from sluza.__main__ import cli

ROOT = Path(__file__).resolve().parents[1]
MANUAL = sorted((ROOT / "docs/manual").glob("*.md"))
GUIDES = [*MANUAL, ROOT / "docs/admin-guide.md", ROOT / "docs/operations.md"]
PICTURES = ROOT / "docs/manual/pictures"
MOST_BYTES = 150_000
_COMMAND = re.compile(r"`sluza ([a-z][a-z-]*)(?: ([a-z][a-z-]*))?([^`]*)`")


def names(paths: list[Path]) -> list[str]:
    return [path.name for path in paths]


def test_every_role_has_its_page() -> None:
    """One page for each role, one for outages, one of words; the first page leads to all of them."""
    first = (ROOT / "docs/manual/README.md").read_text(encoding="utf-8")
    others = [path.name for path in MANUAL if path.name != "README.md"]
    assert {"ksiegowosc.md", "koordynator.md", "administrator.md", "nadzor.md", "awarie.md", "slowniczek.md"} <= set(
        others
    )
    assert [name for name in others if f"({name})" not in first] == []


@pytest.mark.parametrize("path", GUIDES, ids=names(GUIDES))
def test_every_picture_and_link_exists(path: Path) -> None:
    """What a page shows or leads to is in the repository, also the heading behind a `#`; a picture has words for it."""
    for mark, words, target in re.findall(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)", path.read_text(encoding="utf-8")):
        if target.startswith("http"):
            continue
        name, _, heading = target.partition("#")
        found = (path.parent / name).resolve() if name else path
        assert found.exists(), target
        assert not mark or len(words) > 15, f"{target}: say what is to be seen"
        assert not heading or heading in headings(found), target


def headings(path: Path) -> set[str]:
    """The addresses of the headings of a page, as GitHub makes them."""
    found = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in found}


def test_no_picture_is_too_big_or_unused() -> None:
    """Every picture is shown somewhere in the manual, and none is over 150 kB."""
    text = "".join(path.read_text(encoding="utf-8") for path in MANUAL)
    pictures = sorted(PICTURES.glob("*.png"))
    assert pictures
    assert [p.name for p in pictures if f"pictures/{p.name}" not in text] == []
    assert [p.name for p in pictures if p.stat().st_size > MOST_BYTES] == []


@pytest.mark.parametrize("path", GUIDES, ids=names(GUIDES))
def test_every_command_exists(path: Path) -> None:
    """Each `sluza …` is a verb with that subcommand, and knows the options that are named with it."""
    context = click.Context(cli)
    for verb, sub, rest in _COMMAND.findall(path.read_text(encoding="utf-8")):
        command = cli.get_command(context, verb)
        assert command is not None, f"sluza {verb}"
        if isinstance(command, click.Group) and sub:
            command = command.get_command(click.Context(command), sub)
            assert command is not None, f"sluza {verb} {sub}"
        known = set(_options(command))
        assert set(re.findall(r"(?<!\S)--[a-z-]+", rest)) <= known, f"sluza {verb} {sub}{rest}"


def _options(command: click.Command) -> list[str]:
    if isinstance(command, click.Group):
        return [o for name in command.commands for o in _options(command.commands[name])] + ["--help"]
    return [option for parameter in command.params for option in parameter.opts] + ["--help"]


def test_every_setting_of_the_sample_is_documented() -> None:
    """Each field of `systemd/sluza.toml`, also one that is commented out, stands in the guide or the reference."""
    sample = (ROOT / "systemd/sluza.toml").read_text(encoding="utf-8")
    tomllib.loads(sample)
    guides = "".join(path.read_text(encoding="utf-8") for path in GUIDES)
    fields = re.findall(r"^(?:# )?([a-z0-9_]+) = ", sample, re.MULTILINE)
    assert len(fields) > 40
    assert sorted({name for name in fields if not re.search(rf"[`. ]{name}[` .=]", guides)}) == []
    tables = re.findall(r"^\[+([a-z0-9_.]+)\]+", sample, re.MULTILINE)
    assert sorted({t for t in tables if f"[{t}]" not in guides and not t.startswith("policy.")}) == []
