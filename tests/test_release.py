"""What is shipped is listed, audited, and built twice to the same bytes; the change log says what the notes say."""

import json
import os
import socket
import sys
from datetime import date
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from release import audit, bom, changelog
from release.wheel import build

ROOT = Path(__file__).resolve().parents[1]
DAY = date(2026, 12, 1)


def test_the_change_log_says_what_the_notes_say() -> None:
    """After a note: python -m release changelog."""
    assert changelog.LOG.read_text(encoding="utf-8") == changelog.build()


def test_the_notes_of_a_release_move_into_its_directory(tmp_path: Path) -> None:
    """Once; the newest release comes first, what comes next before it."""
    unreleased = tmp_path / "unreleased"
    unreleased.mkdir()
    (unreleased / "0001-first-road.md").write_text("Pierwsza.\n", encoding="utf-8")
    assert changelog.close("0.9.0", DAY, tmp_path) == tmp_path / "0.9.0_2026-12-01"
    with pytest.raises(ValueError, match="nothing"):
        changelog.close("0.10.0", DAY, tmp_path)
    (unreleased / "0002-more.md").write_text("# Więcej\n\nDruga.\n", encoding="utf-8")
    with pytest.raises(ValueError, match="before"):
        changelog.close("0.9.0", date(2026, 12, 2), tmp_path)
    changelog.close("0.10.0", DAY, tmp_path)
    lines = [line for line in changelog.build(tmp_path).splitlines() if line.startswith("#")]
    assert lines == [
        "# Changes", "## Unreleased", "## 0.10.0 (2026-12-01)", "### Więcej", "## 0.9.0 (2026-12-01)",
        "### First road",
    ]  # fmt: skip


def locked() -> set[tuple[str, str]]:
    """What requirements.lock installs on Linux with the oldest Python that we support."""
    where = {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix", "python_version": "3.11",
             "python_full_version": "3.11.2", "implementation_name": "cpython",
             "platform_python_implementation": "CPython"}  # fmt: skip
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    wanted = [Requirement(line.rstrip(" \\")) for line in lines if line and line[0].isalnum()]
    return {
        (one.name.lower().replace("_", "-"), str(one.specifier).removeprefix("=="))
        for one in wanted
        if one.marker is None or one.marker.evaluate(where)
    }


def test_rule_X25_the_bill_of_materials_is_the_lock() -> None:
    """Every package with its version, and nothing else: python -m release sbom after a change of the lock."""
    said = json.loads(bom.BOM.read_bytes())
    named = {(c["name"].lower().replace("_", "-"), c["version"]) for c in said["components"]}
    assert (said["bomFormat"], named) == ("CycloneDX", locked())


def test_rule_X25_every_package_has_a_licence_that_somebody_read() -> None:
    """The list is the bill's, and no line of it is empty."""
    text = bom.LICENCES.read_text(encoding="utf-8")
    assert text == bom.licences(json.loads(bom.BOM.read_bytes()))
    assert "not said" not in text


def test_rule_X25_nothing_is_known_about_what_is_shipped() -> None:
    """Where an index answers; where none does, that is said and no failure."""
    found = audit.audit()
    assert found.known == ()
    print(found.silence or f"{found.asked} packages asked about", file=sys.stderr)
    assert found.asked or found.silence


def test_rule_X25_a_report_is_read() -> None:
    """Packages that the index does not know count as not asked about."""
    unknown = {"name": "a", "skip_reason": "not found"}
    known = {"name": "b", "version": "1", "vulns": [{"id": "CVE-1"}]}
    found = audit.read(json.dumps({"dependencies": [unknown, known]}))
    assert (found.asked, found.known, found.silence) == (1, ("b 1: CVE-1",), "")
    assert audit.read(json.dumps({"dependencies": [unknown]})).silence


def test_rule_X25_an_index_that_cannot_be_reached_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a failure, and without waiting."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        monkeypatch.setattr(audit, "_INDEX", unused.getsockname())
        assert "cannot be reached" in audit.audit().silence


def test_rule_X25_two_builds_of_a_commit_have_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In other directories, another time zone, another umask, another home."""
    first = build(tmp_path / "first").read_bytes()
    monkeypatch.setenv("TZ", "Pacific/Auckland")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    before = os.umask(0o077)
    try:
        second = build(tmp_path / "second").read_bytes()
    finally:
        os.umask(before)
    assert second == first
