"""Logging of a process: one JSON object per line on stderr, secrets blacked out, and never in the way of work.

structlog hands everything to a handler of the standard library, which puts the line into a queue of bounded length. A
thread of its own writes it: a full disk, a closed log and a reader that has stopped reading cost lines, never work
(faults F20). JSON escapes line breaks and control characters (X14).
"""

import json
import logging
import queue
import re
import sys
import threading
import time
from collections.abc import MutableMapping
from functools import lru_cache
from typing import Any, TextIO

import structlog

_SECRET_KEYS = re.compile(r"token|authorization|password|haslo|secret|cookie|private", re.IGNORECASE)
_SECRET_TEXT = re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{8,}|-----BEGIN [A-Z ]*PRIVATE KEY-----[^-]*")
_HIDDEN = "[ukryte]"
_UNPRINTABLE = re.compile("[\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""What JSON leaves as it is and a terminal or a log reader may obey: C1 controls, separators, direction marks."""


def hide_secrets(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Black out values under tell-tale names and whatever looks like a credential inside a text (X22)."""
    for key, value in event.items():
        if _is_secret(key):
            event[key] = _HIDDEN
        elif isinstance(value, str):
            event[key] = _SECRET_TEXT.sub(_HIDDEN, value)
    return event


@lru_cache(256)  # names are ours and few; bounded all the same
def _is_secret(key: str) -> bool:
    return _SECRET_KEYS.search(key) is not None


def _one_line(event: Any, **options: Any) -> str:
    text = json.dumps(event, ensure_ascii=False, **options)
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


class Seldom(logging.Filter):
    """Once a minute for what the event loop says again and again, a thousand times a second, while no descriptor is
    left for another connection (faults F16): the flood would push everything else out of the log."""

    def __init__(self) -> None:
        super().__init__()
        self._said = -_SELDOM_S

    def filter(self, record: logging.LogRecord) -> bool:
        """False for what was said a moment ago."""
        if record.name != "asyncio" or not record.getMessage().startswith(_NO_DESCRIPTOR):
            return True
        now = time.monotonic()
        again = now - self._said < _SELDOM_S
        self._said = self._said if again else now
        return not again


_NO_DESCRIPTOR = "socket.accept() out of system resource"
_SELDOM_S = 60.0


class Aside(logging.Handler):
    """Writes to a stream that may block or fail. What does not fit into the queue, or could not be written, is counted,
    and told when it can; some of the latter may come after all, from the stream's own buffer."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream
        self._lines: queue.SimpleQueue[str | threading.Event] = queue.SimpleQueue()
        self._lost = 0
        threading.Thread(target=self._write, name="log-write", daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        """Never waits."""
        if self._lines.qsize() >= _QUEUED:
            self._lost += 1
            return
        try:
            self._lines.put(self.format(record))
        except Exception:  # a record that cannot be put into words
            self.handleError(record)

    def flush(self) -> None:
        """Wait a moment for the lines so far: at the end of the process the last ones say why."""
        written = threading.Event()
        self._lines.put(written)
        written.wait(_LAST_WORDS_S)

    def _write(self) -> None:
        while True:
            line = self._lines.get()
            if isinstance(line, threading.Event):
                line.set()
                continue
            if lost := self._lost:
                self._lost -= lost
                line = f"{_one_line({'event': 'log_lines_lost', 'level': 'warning', 'count': lost})}\n{line}"
            try:
                self._stream.write(line + "\n")
                self._stream.flush()
            except (OSError, ValueError):  # full or closed: this line is lost, the next may not be
                self._lost += lost + 1


_QUEUED = 10_000
_LAST_WORDS_S = 2.0


def to_stderr(stream: TextIO | None = None) -> None:
    """Send every log line of this process to stderr (or `stream`) as JSON; call once at start."""
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream) if stream else Aside(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                hide_secrets,
                structlog.processors.JSONRenderer(_one_line),
            ],
        )
    )
    handler.addFilter(Seldom())
    logging.raiseExceptions = False
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
