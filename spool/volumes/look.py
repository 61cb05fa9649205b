"""Is every volume there, and still what was sealed? Does it have the bodies that the spool gave it?"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from spool import files
from spool.domain.volumes import Volume, file_of, volume_of
from spool.store import Sealed, SealedUnreadable, Store


def trouble(directory: Path, volume: Volume, *, read: bool) -> str:
    """What is wrong with its file, as a Polish clause; empty when nothing is. With `read` every byte of it is."""
    path = directory / volume.file
    try:
        if path.stat().st_size != volume.size:
            return "ma inną długość niż zapieczętowany"
        return "" if not read or files.digest(path) == volume.sha256 else "nie zgadza się ze swoim skrótem SHA-256"
    except FileNotFoundError:
        return "nie ma pliku"
    except OSError as error:
        return f"nie daje się odczytać ({error.strerror})"


def damaged(store: Store, *, read: bool) -> dict[str, str]:
    """Volumes with which something is wrong, and what."""
    directory = store.archives()
    return {v.name: wrong for v in store.volumes() if (wrong := trouble(directory, v, read=read))}


def astray(store: Store) -> Iterator[tuple[str, str]]:
    """Bodies (hash, volume) that should lie in a volume and do not; of a file that cannot be opened, none of them."""
    with contextlib.ExitStack() as closing:
        opened: dict[str, Sealed | None] = {}
        for sha256, volume in store.in_volumes():
            if volume not in opened:
                opened[volume] = _opened(store.archives() / file_of(volume), closing)
            sealed = opened[volume]
            with contextlib.suppress(SealedUnreadable):  # `trouble` has said so
                if sealed is not None and not sealed.has(sha256):
                    yield sha256, volume


def unknown(store: Store) -> list[str]:
    """Volumes whose file lies there and that the spool does not know: of a run that was cut off, or another spool's."""
    known = {v.name for v in store.volumes()}
    return sorted(name for name in named(store.archives()) if name not in known)


def named(directory: Path) -> list[str]:
    """The volumes that lie in a directory, by the names of their files."""
    if not directory.is_dir():
        return []
    return [name for path in directory.iterdir() if (name := volume_of(path.name))]


def _opened(path: Path, closing: contextlib.ExitStack) -> Sealed | None:
    try:
        return closing.enter_context(Sealed(path))
    except SealedUnreadable:
        return None
