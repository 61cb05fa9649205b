"""The wheel of a commit, the same bytes wherever and whenever it is built."""

import io
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def build(into: Path, commit: str = "HEAD") -> Path:
    """Build it from what the commit has and nothing else, with the instant of the commit as every file's.

    Raises CalledProcessError.
    """
    into.mkdir(parents=True, exist_ok=True)
    epoch = _git("log", "-1", "--format=%ct", commit).decode().strip()
    with tempfile.TemporaryDirectory() as home:
        with tarfile.open(fileobj=io.BytesIO(_git("archive", "--format=tar", commit))) as files:
            files.extractall(home, filter="data")
        command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-index", "--no-build-isolation"]
        subprocess.run(
            [*command, "--disable-pip-version-check", "--wheel-dir", str(into), home],
            env=os.environ | {"SOURCE_DATE_EPOCH": epoch, "PYTHONHASHSEED": "0"}, check=True, umask=0o022,
        )  # fmt: skip
    (made,) = into.glob("sluza-*.whl")
    return made


def _git(*words: str) -> bytes:
    return subprocess.run(["git", *words], cwd=ROOT, check=True, capture_output=True).stdout
