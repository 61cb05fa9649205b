"""The bill of materials (CycloneDX) of what is shipped, and the list of its licences.

cyclonedx-bom reads an environment that has exactly the packages of requirements.lock; what it writes is reproducible.
"""

import json
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
BOM, LICENCES = ROOT / "docs" / "sbom.cdx.json", ROOT / "docs" / "licences.md"
_LOCK, _TOOLS = ROOT / "requirements.lock", ROOT / "requirements-release.lock"
_HEAD = """# Licences of what is shipped

Every package of `requirements.lock` on Linux, as `docs/sbom.cdx.json` (CycloneDX) has it; made by `python -m release
sbom`.

| Package | Version | Licence |
|---|---|---|
"""


_READ_BY_US = {
    "pypdfium2": "BSD-3-Clause or Apache-2.0; PDFium in it: BSD-3-Clause and what BUILD_LICENSES lists",
    "pyrage": "MIT",
    "pysqlite3": "Zlib",
    "sqlite-fts4": "Apache-2.0",
    "supervisor": "BSD-derived (Repoze), BSD-3-Clause, Python-2.0",
}
"""Of packages whose description names no licence: what the licence file that they ship says."""


def make() -> None:
    """Write both, with a tool and an environment of their own. Raises CalledProcessError."""
    with tempfile.TemporaryDirectory() as home:
        shipped, tools = Path(home) / "shipped", Path(home) / "tools"
        for directory, lock in ((shipped, _LOCK), (tools, _TOOLS)):
            venv.create(directory, symlinks=True)
            install = ["install", "--quiet", "--require-hashes", "-r", str(lock)]
            _run(sys.executable, "-m", "pip", "--python", str(directory / "bin" / "python"), *install)
        _run(
            str(tools / "bin" / "cyclonedx-py"), "environment", "--pyproject", str(ROOT / "pyproject.toml"),
            "--output-reproducible", "--output-format", "JSON", "--output-file", str(BOM),
            str(shipped / "bin" / "python"),
        )  # fmt: skip
    LICENCES.write_text(licences(json.loads(BOM.read_bytes())), encoding="utf-8")


def licences(bom: dict[str, Any]) -> str:
    """The list for people."""
    rows = sorted((c["name"].lower(), c["version"], _licence(c)) for c in bom["components"])
    return _HEAD + "".join(f"| {name} | {version} | {licence} |\n" for name, version, licence in rows)


def _licence(component: dict[str, Any]) -> str:
    """What the package says of itself: an SPDX expression, or the names it gives."""
    said = []
    for one in component.get("licenses", ()):
        named = one.get("expression") or one["license"].get("id") or one["license"].get("name", "")
        said.append(" ".join(named.split())[:80])
    return ", ".join(dict.fromkeys(said)) or _READ_BY_US.get(component["name"].lower(), "**not said**")


def _run(*command: str) -> None:
    subprocess.run(command, check=True, cwd=ROOT)
