"""Driving the shim (shim.c): compiling it, starting a program under it, and, inside such a program, its switches."""

import ctypes
import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
_SOURCE = Path(__file__).with_name("shim.c")

OPEN, CREATE, WRITE, SYNC, TRUNCATE, RENAME, UNLINK, MKDIR, READ = (1 << n for n in range(9))
CHANGES = CREATE | WRITE | SYNC | TRUNCATE | RENAME | UNLINK | MKDIR
SHORT = -1
"""Not an errno: a write does half of what it was asked for."""
ALWAYS = 1 << 40
SAYS = {
    errno.EIO: OPEN | READ | CHANGES,
    errno.ENOSPC: CREATE | WRITE | RENAME | MKDIR,
    errno.EDQUOT: CREATE | WRITE | RENAME | MKDIR,
    errno.EROFS: CREATE | WRITE | TRUNCATE | RENAME | UNLINK | MKDIR,
    errno.EACCES: OPEN | CREATE | RENAME | UNLINK | MKDIR,
    errno.EMFILE: OPEN | CREATE,
    errno.ESTALE: OPEN | READ | CHANGES,
    errno.EINTR: OPEN | CREATE | WRITE | SYNC,
    SHORT: WRITE,
}
"""Which operations may answer so."""


def compiled(directory: Path) -> Path:
    """The shim as a library; skips, by name, where there is no compiler and this is not CI."""
    if shutil.which("gcc") is None and not os.environ.get("CI"):
        pytest.skip("gcc is not installed (apt: gcc libc6-dev)")
    library = directory / "shim.so"
    if not library.exists():
        command = ["gcc", "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", str(library), str(_SOURCE), "-ldl"]
        subprocess.run(command, check=True)
    return library


def run(library: Path, module: str, *words: str, seconds: float = 100, check: bool = True) -> str:
    """Run a module of ours under the shim; what it printed. What it says on stderr fails the test, if it fails."""
    done = subprocess.run(
        [sys.executable, "-m", module, *words],
        cwd=ROOT,
        env=os.environ | {"LD_PRELOAD": str(library), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert not check or done.returncode == 0, done.stdout[-2000:] + done.stderr[-6000:]
    return done.stdout


class Switches:
    """The shim's functions, in the program that runs under it."""

    def __init__(self) -> None:
        self._shim = ctypes.CDLL(None)
        self._shim.crash_arm.argtypes = [ctypes.c_int, ctypes.c_long, ctypes.c_int, ctypes.c_long]
        self._shim.crash_seen.restype = self._shim.crash_hit.restype = ctypes.c_long

    def watch(self, directory: Path) -> None:
        """Look at what happens below this directory, and nowhere else."""
        self._shim.crash_watch(os.fsencode(directory))

    def record(self, path: Path) -> None:
        """Write everything down at the end of that file, from now on."""
        self._shim.crash_record(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600))

    def mark(self, *words: str) -> None:
        """Put a remark of ours into the record."""
        self._shim.crash_mark("\t".join(words).encode())

    def arm(self, error: int, at: int, times: int = 1) -> None:
        """The `at`-th operation that may answer with this error does, and so do the next ones, `times` in all."""
        self._shim.crash_arm(SAYS[error], at, error, times)

    def arm_kinds(self, kinds: int, error: int, at: int, times: int = 1) -> None:
        """The same for operations of these kinds only."""
        self._shim.crash_arm(kinds, at, error, times)

    def disarm(self) -> None:
        """Nothing fails any more."""
        self._shim.crash_arm(0, 0, 0, 0)

    @property
    def seen(self) -> int:
        """Operations that could have failed since the arming."""
        return int(self._shim.crash_seen())

    @property
    def hit(self) -> int:
        """Operations that did."""
        return int(self._shim.crash_hit())
