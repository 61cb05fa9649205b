"""The yearly archives at the target of the backups: each volume is copied once, and verified; a backup names them.

A volume never changes, so a copy with its description beside it is good for every backup to come. The name of a copy
has its hash: nothing of another installation is ever replaced, and nothing here is removed. For a recipient the copies
are inside age, as the backups are, and are made again when the recipient is another one.
"""

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from spool import files
from spool.backup import sealing
from spool.backup.archive import Counting
from spool.domain.errors import SpoolError
from spool.domain.volumes import DIRECTORY, Kept, Volume, file_of

_CHUNK = 1 << 20
_LARGEST = 100_000


@dataclass(frozen=True)
class _Copy:
    """What lies beside a copy: which volume it is and for whom, and how the file of the copy itself must look."""

    volume: Kept
    recipient: str
    size: int
    sha256: str


def kept(volumes: Sequence[Volume]) -> tuple[Kept, ...]:
    """As the manifest of a backup lists them."""
    return tuple(Kept(v.name, v.size, v.sha256) for v in volumes)


def to_copy(volumes: Sequence[Kept], target: Path, recipient: str) -> list[Kept]:
    """Those that the target of the backups does not have yet for this recipient."""
    return [one for one in volumes if not _is_copy(_path(one, target, recipient), one, recipient)]


def copy(one: Kept, state: Path, target: Path, recipient: str) -> bool:
    """Bring this volume to the target; False when it is damaged here, which is no reason to have no backup.

    The description comes last: it vouches for a copy that was read again. Raises OSError, SpoolError of the target.
    """
    source, path = state / DIRECTORY / file_of(one.name), _path(one, target, recipient)
    if not source.is_file() or source.stat().st_size != one.size or files.digest(source) != one.sha256:
        return False
    wrote: list[Counting] = []

    def fill(handle: IO[bytes]) -> None:
        wrote.append(Counting(handle))
        with source.open("rb") as content:
            if recipient:
                sealing.seal(content.read, wrote[0], recipient)
            else:
                shutil.copyfileobj(content, wrote[0], _CHUNK)

    files.make_directory(path.parent, 0o700)
    files.produce(path, fill, 0o400)
    said = _Copy(one, recipient, wrote[0].size, wrote[0].sha256.hexdigest())
    if files.digest(path, from_disk=True) != said.sha256:
        path.unlink()
        raise SpoolError(f"Dysk oddał kopię tomu {one.name} inną, niż zapisano.", "Proszę sprawdzić dysk z kopiami.")
    files.write(_beside(path), (json.dumps(asdict(said), indent=1) + "\n").encode(), 0o600)
    return True


def lacking(needed: Sequence[Kept], target: Path, state: Path) -> tuple[str, ...]:
    """What `bring` would not bring, and why: neither in the state directory nor, byte for byte, at the target."""
    said = []
    for one in needed:
        if not _has(state, one):
            path = _found(one, target)
            if path is None or not _proven(path):
                said.append(f"{one.name}: {'kopia jest uszkodzona' if path else 'nie ma kopii'}")
    return tuple(said)


def bring(needed: Sequence[Kept], target: Path, state: Path, key: Path | None) -> tuple[str, ...]:
    """These volumes out of their copies into the state directory; returns which are missing still, and why.

    What is there and sound stays, also what is not asked for. A file that is not what it should be goes aside under
    another name. Raises ConfigError for a key that is none.
    """
    keys, missing = sealing.identities(key) if key else [], []
    files.make_directory(state / DIRECTORY, 0o700)
    for one in needed:
        if _has(state, one):
            continue
        try:
            _fetch(one, target, state / DIRECTORY, keys)
        except SpoolError as error:
            missing.append(f"{one.name}: {error} {error.hint}".strip())
        except OSError as error:
            missing.append(f"{one.name}: {error.strerror}")
    return tuple(missing)


def _has(state: Path, one: Kept) -> bool:
    path = state / DIRECTORY / file_of(one.name)
    return path.is_file() and path.stat().st_size == one.size and files.digest(path) == one.sha256


def _fetch(one: Kept, target: Path, into: Path, keys: list[Any]) -> None:
    """The volume out of its copy at the target of the backups, verified, under its name in `into`.

    Raises SpoolError where there is no sound copy, or none that these keys open; OSError of the disk.
    """
    path = _found(one, target)
    if path is None:
        raise SpoolError(f"Tomu archiwum {one.name} nie ma obok kopii.")
    if path.suffix == sealing.ENDING and not keys:
        raise SpoolError(f"Tom archiwum {one.name} jest zaszyfrowany.", "Proszę podać klucz: --identity PLIK")

    def fill(handle: IO[bytes]) -> None:
        wrote = Counting(handle)
        with path.open("rb") as source:
            if path.suffix == sealing.ENDING:
                sealing.unseal(source, wrote, keys)
            else:
                shutil.copyfileobj(source, wrote, _CHUNK)
        if wrote.sha256.hexdigest() != one.sha256:
            raise SpoolError(f"Kopia tomu archiwum {one.name} jest uszkodzona.")

    place = into / file_of(one.name)
    aside = place.with_name(f"{place.name}.damaged")
    if place.exists() and not aside.exists():
        os.link(place, aside)
    files.produce(place, fill, 0o400)


def _found(one: Kept, target: Path) -> Path | None:
    """The newest copy of a volume at the target whose description and size say that it is one."""
    paths = [target / DIRECTORY / f"{_stem(one)}{ending}" for ending in ("", sealing.ENDING)]
    there = [path for path in paths if _is_copy(path, one, None)]
    return max(there, key=lambda path: path.stat().st_mtime, default=None)


def _proven(path: Path) -> bool:
    """True when every byte of a copy is as it was written."""
    said = _said(path)
    return said is not None and files.digest(path) == said.sha256


def _stem(one: Kept) -> str:
    return f"{one.name}-{one.sha256[:16]}.db"


def _path(one: Kept, target: Path, recipient: str) -> Path:
    return target / DIRECTORY / (_stem(one) + (sealing.ENDING if recipient else ""))


def _is_copy(path: Path, one: Kept, recipient: str | None) -> bool:
    """By its description and its size; for this recipient, if one is asked for."""
    said = _said(path)
    fits = said is not None and said.volume == one and path.is_file() and path.stat().st_size == said.size
    return fits and (recipient is None or (said is not None and said.recipient == recipient))


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")


def _said(path: Path) -> _Copy | None:
    try:
        with _beside(path).open("rb") as handle:
            said = json.loads(handle.read(_LARGEST))
        return _Copy(Kept(**said.pop("volume")), **said)
    except (OSError, ValueError, TypeError, LookupError, AttributeError):
        return None
