"""The wheel of a commit, the same bytes wherever and whenever it is built."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_BUILD = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"
"""The build backend of pyproject.toml, called as pip calls it."""


def build(into: Path, commit: str = "HEAD") -> Path:
    """Build it from what the commit has and nothing else, with the instant of the commit as every file's.

    Raises CalledProcessError.
    """
    into.mkdir(parents=True, exist_ok=True)
    epoch = _git("log", "-1", "--format=%ct", commit).decode().strip()
    with tempfile.TemporaryDirectory() as home:
        subprocess.run(["tar", "-xf", "-", "-C", home], input=_git("archive", "--format=tar", commit), check=True)
        subprocess.run(
            [sys.executable, "-c", _BUILD, str(into.absolute())],
            env=os.environ | {"SOURCE_DATE_EPOCH": epoch, "PYTHONHASHSEED": "0"},
            cwd=home, check=True, umask=0o022, stdout=subprocess.DEVNULL,
        )  # fmt: skip
    (made,) = into.glob("sluza-*.whl")
    return made


def _git(*words: str) -> bytes:
    return subprocess.run(["git", *words], cwd=ROOT, check=True, capture_output=True).stdout
