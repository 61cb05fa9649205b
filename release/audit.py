"""Known vulnerabilities of what is shipped, by pip-audit; an index that does not answer is said and is no failure."""

import json
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_INDEX = ("pypi.org", 443)
_CONNECT_S, _ALL_S = 2.0, 60.0


@dataclass(frozen=True)
class Audit:
    """How many packages were asked about, and what is known about which; `silence` is why nobody answered."""

    asked: int = 0
    known: tuple[str, ...] = ()
    silence: str = ""


def audit(lock: Path = ROOT / "requirements.lock") -> Audit:
    """Ask about every package of the lock; nothing is installed."""
    try:
        socket.create_connection(_INDEX, _CONNECT_S).close()
    except OSError as error:
        return Audit(silence=f"{_INDEX[0]} cannot be reached ({error})")
    command = [sys.executable, "-m", "pip_audit", "--disable-pip", "--require-hashes", "-r", str(lock)]
    options = ["--format", "json", "--progress-spinner", "off", "--timeout", "5"]
    try:
        done = subprocess.run([*command, *options], capture_output=True, text=True, timeout=_ALL_S, check=False)
    except subprocess.TimeoutExpired:
        return Audit(silence=f"no answer within {_ALL_S:.0f} s")
    return read(done.stdout) if done.stdout else Audit(silence=done.stderr.strip()[-300:])


def read(report: str) -> Audit:
    """pip-audit's own report. Raises ValueError for what is none."""
    packages = json.loads(report)["dependencies"]
    asked = [p for p in packages if "skip_reason" not in p]
    known = tuple(f"{p['name']} {p['version']}: {v['id']}" for p in asked for v in p["vulns"])
    silence = "" if asked else "the index that answers here knows nothing about vulnerabilities"
    return Audit(len(asked), known, silence)
