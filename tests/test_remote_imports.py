"""`sluza folders` runs where there is no POSIX system, no SQLite of ours and no parser: by its imports, and in fact.

Not run on Windows here; what can be held without one is held.
"""

import ast
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NOT_THERE = (
    "fcntl", "grp", "pwd", "resource", "termios", "pysqlite3", "sqlite_utils", "lxml", "xmlschema", "typst",
    "supervisor", "ksef_client", "cryptography", "qrcode", "jinja2", "aiohttp_jinja2", "aiosmtplib",
)  # fmt: skip
WINDOWS_ONLY = {"gateway/folders/dropbox.py", "gateway/folders/renaming.py"}
"""Modules behind `sys.platform`, which Windows never imports."""


def _ours(name: str) -> Path | None:
    path = ROOT / Path(*name.split("."))
    return next((p for p in (path.with_suffix(".py"), path / "__init__.py") if p.exists()), None)


def _imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def closure() -> dict[str, set[str]]:
    """Every module of ours that the client reaches, with what it imports; packages on the way, too."""
    waiting, found = ["sluza.__main__", "sluza.cli.folders"], {}
    while waiting:
        name = waiting.pop()
        path = _ours(name)
        if path is None or (key := str(path.relative_to(ROOT))) in found or key in WINDOWS_ONLY:
            continue
        found[key] = _imports(path)
        waiting += [*found[key], name.rpartition(".")[0] or name]
    return found


def test_the_client_reaches_nothing_that_windows_lacks() -> None:
    """But `fcntl` behind `sys.platform`, in two modules that say so."""
    reached = closure()
    assert "gateway/remote/client.py" in reached
    bad = {key: {n for n in names if n.split(".")[0] in NOT_THERE} for key, names in reached.items()}
    bad = {key: names for key, names in bad.items() if names}
    assert bad == {"gateway/folders/placing.py": {"fcntl"}, "gateway/remote/memory.py": {"fcntl"}}
    assert all("sys.platform" in (ROOT / key).read_text(encoding="utf-8") for key in bad)
    assert not any(key.startswith(("agent/", "certs/", "sandbox/", "spool/store")) for key in reached)


def test_the_client_runs_without_what_windows_lacks() -> None:
    """A process in which those modules cannot be imported and POSIX's own calls are gone still shows its help."""
    blocked = [name for name in NOT_THERE if name not in {"fcntl"}]
    code = (
        "import sys, os\n"
        f"sys.modules.update(dict.fromkeys({blocked!r}))\n"
        "import gateway.remote.client, gateway.folders.plainbox\n"
        "for name in ('fchmod', 'O_DIRECTORY', 'O_NOFOLLOW', 'geteuid'): delattr(os, name)\n"
        "from sluza.__main__ import cli\n"
        "cli(['folders', '--help'], standalone_mode=False)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "--take-over" in done.stdout
