"""The command line without any set-up."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from sluza import samples


def sluza(*words: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a user does."""
    return subprocess.run([sys.executable, "-m", "sluza", *words], capture_output=True, text=True)


def test_validate_needs_no_configuration(tmp_path: Path) -> None:
    """Two files, one of them wrong: one JSON object per file, and exit code 1."""
    (tmp_path / "good.xml").write_bytes(samples.invoice())
    (tmp_path / "bad.xml").write_bytes(samples.invoice().replace(b"<P_1>2026-11-20", b"<P_1>20.11.2026"))
    done = sluza("validate", str(tmp_path / "good.xml"), str(tmp_path / "bad.xml"), "--json", "--date", "2026-11-20")
    good, bad = (json.loads(line) for line in done.stdout.splitlines())
    assert done.returncode == 1
    assert (good["ok"], good["errors"]) == (True, [])
    assert len(good["sha256"]) == 64
    assert bad["ok"] is False
    assert bad["errors"][0]["field"] == "Fa/P_1"
    assert bad["errors"][0]["line"] > 1
    assert set(bad["errors"][0]) == {"code", "field", "line", "message", "hint"}


def test_validate_checks_against_the_given_town_and_day(tmp_path: Path) -> None:
    """`--nip` sets the expected seller and `--date` the day for future dates."""
    path = tmp_path / "a.xml"
    path.write_bytes(samples.invoice())
    assert sluza("validate", str(path), "--nip", "5080014460", "--date", "2026-11-20").returncode == 0
    other = sluza("validate", str(path), "--nip", "5250000015", "--date", "2026-11-20", "--json")
    assert json.loads(other.stdout)["errors"][0]["code"] == "seller_not_municipality"
    early = sluza("validate", str(path), "--date", "2026-11-19", "--json")
    assert json.loads(early.stdout)["errors"][0]["code"] == "issue_date_in_future"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("validate",), 2),
        (("validate", "/nonexistent.xml"), 2),
        (("nonsense",), 2),
        (("--config", "/nonexistent.toml", "status"), 2),
        (("--config", "/nonexistent.toml", "check-config"), 2),
    ],
)
def test_errors_are_one_sentence(words: tuple[str, ...], code: int) -> None:
    """Misuse ends with the documented exit code and never with a traceback."""
    done = sluza(*words)
    assert done.returncode == code
    assert "Traceback" not in done.stderr
    assert done.stderr.strip()
