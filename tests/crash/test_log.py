"""A log that cannot be written (fault F20): lines are lost, work is not."""

import errno
import io
import json
import logging
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from spool.logs import Aside
from tests.crash.shim import ROOT
from tests.integration.test_http_process import configuration

pytestmark = pytest.mark.timeout(600)
"""Thousands of file operations; on a busy machine they take their time."""


def record(text: str) -> logging.LogRecord:
    """A record as a library makes it."""
    return logging.LogRecord("x", logging.INFO, __file__, 1, text, None, None)


def test_fault_F20_a_reader_that_has_stopped_holds_up_nobody() -> None:
    """More than the pipe and the queue can hold: whoever logs goes on, and is told later how many lines were lost."""
    reading, writing = os.pipe()
    handler = Aside(os.fdopen(writing, "w"))

    def work() -> None:
        for number in range(30_000):
            handler.emit(record(f"{number} " + "x" * 200))

    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    worker.join(30)
    assert not worker.is_alive(), "logging waits for the reader"
    lines = iter(io.open(reading, encoding="utf-8"))  # noqa: SIM115, UP020 - until the pipe ends
    assert next(lines).startswith("0 ")
    written, lost = 1, 0
    while written + lost < 30_000:  # told at once or in parts, as the threads had their turns; none goes uncounted
        line = next(lines)
        if line.startswith("{"):
            said = json.loads(line)
            assert said["event"] == "log_lines_lost"
            lost += said["count"]
        else:
            written += 1
    assert written + lost == 30_000
    assert lost > 1000


class Full(io.RawIOBase):
    """A file on a disk that has no room, for as long as `full`."""

    def __init__(self) -> None:
        self.full, self.content = True, b""

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.content += bytes(data)  # type: ignore[call-overload]
        return len(bytes(data))  # type: ignore[call-overload]


def written(handler: Aside) -> None:
    """Wait until the lines so far were tried."""
    tried = threading.Event()
    handler._lines.put(tried)
    assert tried.wait(60)


def test_fault_F20_once_there_is_room_again_the_log_goes_on_and_tells_what_it_lost() -> None:
    """Lines of that time are lost in part; those after it are whole, and the first of them comes with the count."""
    disk = Full()
    handler = Aside(io.TextIOWrapper(io.BufferedWriter(disk), encoding="utf-8"))
    for number in range(300):
        handler.emit(record(f"lost {number} " + "x" * 100))
    written(handler)
    disk.full = False
    for number in range(3):
        handler.emit(record(f"kept {number}"))
    written(handler)
    lines = disk.content.decode().splitlines()
    assert lines[-3:] == ["kept 0", "kept 1", "kept 2"]
    told = json.loads(lines[-4])
    assert (told["event"], told["count"]) == ("log_lines_lost", 300)


@pytest.mark.parametrize("stream", ["/dev/full", "closed"])
def test_fault_F20_a_full_disk_of_the_log_does_not_touch_the_service(stream: str, tmp_path: Path) -> None:
    """The gateway starts, says that it is ready, and stops cleanly; with its stderr closed, too."""
    command = [sys.executable, "-m", "gateway", "--config", str(configuration(tmp_path))]
    if stream == "closed":
        command = ["sh", "-c", 'exec "$@" 2>&-', "sh", *command]
    with open("/dev/full", "w") as full:  # noqa: PTH123 - not a file
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=full, text=True)
    assert process.stdout is not None
    assert json.loads(process.stdout.readline())["ready"]
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
