"""A machine holds the floors: imports point down, gateway and agent never meet, the sandbox stands outside."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("agent", "certs", "gateway", "sandbox", "sluza", "spool")
MAY_IMPORT = {
    "sandbox": {"sandbox"},
    "spool": {"spool"},
    "certs": {"certs", "spool"},
    "gateway": {"gateway", "certs", "spool"},
    "agent": {"agent", "certs", "spool"},
    "sluza": set(PARTS),
}
IMPURE = {"aiohttp", "asyncio", "os", "pysqlite3", "random", "secrets", "socket", "subprocess", "time"}


def _modules() -> list[Path]:
    return [path for part in PARTS for path in sorted((ROOT / part).rglob("*.py"))]


def _imports(path: Path) -> set[str]:
    """Full names of the modules this file imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.add(node.module or "")
    return found


@pytest.mark.parametrize("path", _modules(), ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_down(path: Path) -> None:
    """A module imports only the parts below its own."""
    part = path.relative_to(ROOT).parts[0]
    used = {name.split(".")[0] for name in _imports(path)} & set(PARTS)
    assert used <= MAY_IMPORT[part]


@pytest.mark.parametrize("path", sorted((ROOT / "spool" / "domain").glob("*.py")), ids=lambda p: p.name)
def test_rules_are_pure(path: Path) -> None:
    """Floor 0 imports no I/O and nothing of the spool above it, and asks no clock."""
    names = _imports(path)
    assert not {name.split(".")[0] for name in names} & IMPURE
    assert all(name.startswith("spool.domain") for name in names if name.startswith("spool"))
    source = path.read_text(encoding="utf-8")
    assert ".now(" not in source
    assert ".today(" not in source


def test_one_module_imports_the_sdk() -> None:
    """`ksef_client` is imported in agent/ksef/client.py and nowhere else in the product."""
    users = [p.relative_to(ROOT) for p in _modules() if any(n.split(".")[0] == "ksef_client" for n in _imports(p))]
    assert users == [Path("agent/ksef/client.py")]


def test_sql_lives_behind_the_store() -> None:
    """Only the storing modules of the spool, and the sandbox's own store, talk to SQLite."""
    users = {str(p.relative_to(ROOT)) for p in _modules() if any(n.startswith("pysqlite3") for n in _imports(p))}
    ours = {u for u in users if not u.startswith("sandbox/")}
    assert ours <= {
        "spool/access.py",
        "spool/looking.py",
        "spool/migrations.py",
        "spool/opening.py",
        "spool/rows.py",
        "spool/store/base.py",
        "spool/store/volume_file.py",
        "gateway/http/problems.py",
    }


def test_nothing_named_for_this_machine() -> None:
    """No file of the product names the place where this clone happens to lie."""
    for path in [*_modules(), ROOT / "install.sh"]:
        assert f"{ROOT.parent}/" not in path.read_text(encoding="utf-8"), path
