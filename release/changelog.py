"""CHANGELOG.md out of the notes in docs/changes: one directory for each release, `unreleased` for what comes next.

A note is a Markdown file `NNNN-name.md`, written for users; a first line `# …` is its title, else its name is.
"""

import re
from datetime import date
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NOTES, LOG = ROOT / "docs" / "changes", ROOT / "CHANGELOG.md"
UNRELEASED = "unreleased"
_RELEASE = re.compile(r"(\d+)\.(\d+)\.(\d+)(?:_(\d{4}-\d\d-\d\d))?")
_HEAD = """# Changes

Made from the notes in `docs/changes` by `python -m release changelog`; not edited by hand.
"""


def build(notes: Path = NOTES) -> str:
    """The whole text, the newest release first."""
    directories = sorted((p for p in notes.iterdir() if p.is_dir()), key=_order, reverse=True)
    return "\n".join([_HEAD, *(_release(directory) for directory in directories)])


def close(version: str, day: date, notes: Path = NOTES) -> Path:
    """The notes of what was unreleased become those of this version. Raises ValueError, also when there are none."""
    target = notes / f"{version}_{day.isoformat()}"
    if not _RELEASE.fullmatch(target.name) or any(p.name.startswith(f"{version}_") for p in notes.iterdir()):
        raise ValueError(f"{version} is no version, or was released before")
    if not any((notes / UNRELEASED).glob("*.md")):
        raise ValueError("nothing has changed since the last release")
    (notes / UNRELEASED).rename(target)
    (notes / UNRELEASED).mkdir()
    return target


def _release(directory: Path) -> str:
    version, _, day = directory.name.partition("_")
    title = "Unreleased" if directory.name == UNRELEASED else f"{version} ({day})"
    return "\n".join([f"## {title}\n", *(_note(path) for path in sorted(directory.glob("*.md")))])


def _note(path: Path) -> str:
    text = path.read_text(encoding="utf-8").strip()
    first, _, rest = text.partition("\n")
    if not first.startswith("# "):
        first, rest = path.stem.partition("-")[2].replace("-", " ").capitalize(), text
    return f"### {first.removeprefix('# ')}\n\n{rest.strip()}\n"


def _order(directory: Path) -> tuple[int, ...]:
    """Unreleased comes after every version. Raises ValueError for a directory that is no release."""
    if directory.name == UNRELEASED:
        return (1,)
    found = _RELEASE.fullmatch(directory.name)
    if found is None:
        raise ValueError(f"{directory} is no release")
    return (0, *(int(number) for number in found.groups()[:3]))
