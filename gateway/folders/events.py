"""Hints from the kernel that a file was closed or moved into a drop folder. Hints only: a scan finds everything too.

Only "closed after writing" and "moved here" count; the look itself opens and closes files without end. Writers on
other machines (a mounted share) make no events at all (faults D02), and neither does a queue that ran over.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog
from watchdog.events import FileClosedEvent, FileMovedEvent, FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

from gateway.folders.settling import ignored

_log = structlog.get_logger("gateway.folders")


class Hints:
    """Watches drop folders; calls back from a thread of its own."""

    def __init__(self) -> None:
        # "full": a file moved in from elsewhere is a move as well, not only one renamed inside the folder.
        self._observer: Any = Observer(generate_full_events=True)  # type: ignore[call-arg]
        self._watches: dict[Path, Any] = {}
        self._said = False

    def start(self) -> None:
        """Start the thread. A system that gives no more of what events need (descriptors, threads) leaves the scans."""
        try:
            self._observer.start()
        except (OSError, RuntimeError) as error:
            self._said = True
            _log.warning(
                "no_file_events",
                message="System nie zgłasza nowych plików; foldery są przeglądane co rescan_seconds.",
                error=str(error),
            )

    def stop(self) -> None:
        """Stop the thread and wait for it."""
        self._observer.stop()
        if self._observer.is_alive():
            self._observer.join(5)

    def watch(self, path: Path, tell: Callable[[str], None]) -> None:
        """Tell the names of files finished anywhere below `path`. Without a hint, scans go on as if nothing were."""
        self.forget(path)
        try:
            self._watches[path] = self._observer.schedule(
                _Handler(tell), str(path), recursive=True, event_filter=[FileClosedEvent, FileMovedEvent]
            )
        except OSError as error:
            if not self._said:
                self._said = True
                _log.warning(
                    "no_file_events",
                    message="System nie zgłasza nowych plików; foldery są przeglądane co rescan_seconds.",
                    path=str(path),
                    error=str(error),
                )

    def forget(self, path: Path) -> None:
        """Stop watching a folder that went away."""
        watch = self._watches.pop(path, None)
        if watch is not None:
            self._observer.unschedule(watch)


class _Handler(FileSystemEventHandler):
    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell

    def on_closed(self, event: FileSystemEvent) -> None:
        self._hint(event.src_path)

    def on_moved(self, event: FileSystemEvent) -> None:
        self._hint(event.dest_path)

    def _hint(self, path: bytes | str) -> None:
        name = Path(path.decode(errors="surrogateescape") if isinstance(path, bytes) else path).name
        if name and not ignored(name):
            self._tell(name)
