"""What a backup says of itself: once inside (the parts), once in the JSON file beside it (the file as well)."""

import json
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from spool import files
from spool.domain.backups import NAME
from spool.domain.errors import SpoolError
from spool.domain.volumes import Kept

FORMAT = 2
"""2: names the volumes of the yearly archives, which lie beside."""
ENDING = ".json"
INSIDE = "manifest.json"
OTHER = "Proszę użyć innej kopii; tę zachować do wyjaśnienia."
_LARGEST = 1_000_000


@dataclass(frozen=True)
class Part:
    """One file inside: its name there, bytes, SHA-256 (hex), and where it lay."""

    name: str
    size: int
    sha256: str
    origin: str


@dataclass(frozen=True)
class Manifest:
    """Everything about one backup; `size` and `sha256` are those of its file, unknown inside of it.

    `made_at` is an instant (ISO, UTC), `schema` the newest step of the spool, `history` number, hash and instant of
    its last row. `left_out` are files that would be needed, too, and are secret, in a backup without encryption;
    `volumes` the yearly archives that its spool needs, which lie beside the backups.
    """

    made_at: str
    program: str
    schema: str
    instance: str
    history: tuple[int, str, str]
    counts: dict[str, int]
    parts: tuple[Part, ...]
    left_out: tuple[str, ...]
    recipient: str = ""
    file: str = ""
    size: int = 0
    sha256: str = ""
    volumes: tuple[Kept, ...] = ()
    format: int = FORMAT

    @property
    def at(self) -> datetime:
        """When it was made."""
        return datetime.fromisoformat(self.made_at)

    def of_file(self, name: str, size: int, sha256: str) -> "Manifest":
        """The one beside the file."""
        return replace(self, file=name, size=size, sha256=sha256)

    def as_json(self) -> bytes:
        """For the file, readable by people."""
        return (json.dumps(asdict(self), ensure_ascii=False, indent=1) + "\n").encode()


def read(raw: bytes) -> Manifest:
    """Raises SpoolError for what is no manifest of a backup, or one of a newer program."""
    try:
        said: dict[str, Any] = json.loads(raw)
        if int(said["format"]) > FORMAT:
            raise SpoolError("Tę kopię zapisała nowsza wersja programu.", "Proszę użyć tej nowszej wersji.")
        parts = tuple(Part(str(p["name"]), int(p["size"]), str(p["sha256"]), str(p["origin"])) for p in said["parts"])
        seq, link, at = said["history"]
        volumes = tuple(Kept(**one) for one in said.get("volumes", ()))
        lists = {"parts": parts, "left_out": tuple(said["left_out"]), "volumes": volumes}
        found = Manifest(**said | lists | {"history": (seq, link, at)})
        assert found.at.tzinfo is not None
    except (ValueError, LookupError, TypeError, AttributeError, AssertionError) as error:
        raise SpoolError("Opis kopii (manifest) jest nieczytelny.", OTHER) from error
    return found


def beside(backup: Path) -> Path:
    """Where the manifest of this file lies."""
    return backup.with_name(backup.name + ENDING)


def look(backup: Path) -> Manifest | None:
    """The manifest beside a file; None where there is none. Raises SpoolError when it cannot be read."""
    path = beside(backup)
    try:
        with path.open("rb") as handle:
            return read(handle.read(_LARGEST))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SpoolError(f"Nie można odczytać {path}: {error.strerror}.") from error


def whole(directory: Path, instance: str = "") -> list[Manifest]:
    """The backups in a directory that have their manifest, their name and their size; with `instance` only its own."""
    found = []
    for path in sorted(directory.iterdir()):
        if not NAME.fullmatch(path.name):
            continue
        try:
            said = look(path)
        except SpoolError:
            continue  # not one that we can vouch for: never counted, never removed
        same = said is not None and said.file == path.name and said.size == path.stat().st_size
        if said is not None and same and instance in ("", said.instance):
            found.append(said)
    return found


def part(name: str, path: Path, origin: Path) -> Part:
    """This file as a part. Raises OSError."""
    return Part(name, path.stat().st_size, files.digest(path), str(origin))
