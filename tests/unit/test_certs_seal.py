"""`sluza certs seal` with a new password: killed anywhere, every key opens with the old one or the new one."""

import os
import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from certs import keyring
from certs.reading import Credential, Use
from certs.safe import Safe
from spool import crashpoint
from spool.domain.errors import ConfigError, CredentialRefused
from tests import credentials
from tests.certs_bench import Desk

NIP, NOW = "5080014460", datetime.now(UTC)
OLD, NEW = "the password of before", "the password from now on"
FILES = ("auth.pem", "auth.previous.pem", "offline.pem", "offline.request.json")


def secret(path: Path, text: str) -> Path:
    """A file of its owner alone."""
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    return path


def held(made: credentials.Made) -> Credential:
    """As the safe takes it."""
    return Credential(made.certificate, made.key)


class Change:
    """A safe with every kind of file, encrypted with the old password; the new one is configured."""

    def __init__(self, root: Path) -> None:
        self.old, self.new = secret(root / "old", OLD), secret(root / "new", NEW)
        self.directory = root / "state" / "keys" / "gmina"
        before = Safe(self.directory, self.old)
        for days in (50, 60):
            before.install(Use.AUTH, held(credentials.seal(NIP, until=NOW + timedelta(days=days))))
        before.install(Use.OFFLINE, held(credentials.seal(NIP, offline=True)))
        before.begin(Use.OFFLINE, "nowy", NOW.isoformat(), ec.generate_private_key(ec.SECP256R1()))
        self.safe = Safe(self.directory, self.new, self.old)

    def opens(self, name: str, password: str) -> bool:
        """Whether somebody with this password alone, and openssl, would get at the key."""
        raw = (self.directory / name).read_bytes().replace(b"\\n", b"\n")
        try:
            serialization.load_pem_private_key(raw[raw.index(b"-----BEGIN ENCRYPTED") :], password.encode())
        except ValueError:
            return False
        return True

    def killed_at(self, point: str, count: int) -> int:
        """Run the change in a process of its own that is killed there; how many files have the new password then."""
        child = os.fork()
        if child == 0:
            crashpoint._crash = crashpoint._Armed(point, count, "")
            self.safe.seal()
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
        return sum(self.opens(name, NEW) for name in FILES)


@pytest.fixture(name="change")
def change_fixture(tmp_path: Path) -> Change:
    """Before the change."""
    return Change(tmp_path)


def kills() -> Iterator[tuple[str, int, int]]:
    """Point, how often it is passed, and how many files are exchanged there."""
    for count in range(1, len(FILES) + 1):
        yield from (("files.written", count, count - 1), ("files.synced", count, count - 1))
        yield "files.renamed", count, count


@pytest.mark.parametrize(("point", "count", "exchanged"), [*kills()])
def test_a_kill_leaves_every_key_readable_with_one_of_the_two(
    change: Change, point: str, count: int, exchanged: int
) -> None:
    """Programs that know both go on, and so does openssl; run again, all have the new one, nothing is left over."""
    assert change.killed_at(point, count) == exchanged
    assert [change.opens(name, OLD) != change.opens(name, NEW) for name in FILES] == [True] * 4
    _all_open(change.safe)
    change.safe.seal()
    assert [change.opens(name, NEW) for name in FILES] == [True] * 4
    assert sorted(path.name for path in change.directory.iterdir()) == sorted(FILES)
    _all_open(Safe(change.directory, change.new))
    assert change.safe.seal() == []


def _all_open(safe: Safe) -> None:
    assert safe.load(Use.AUTH)
    assert safe.load(Use.OFFLINE)
    request = safe.request(Use.OFFLINE)
    assert request is not None
    assert safe.key_of(request)


def test_a_key_with_a_third_password_is_told_and_holds_up_no_other(change: Change, tmp_path: Path) -> None:
    """What nobody can open stays as it is; a wrong old password changes nothing."""
    third = secret(tmp_path / "third", "a password of long ago")
    Safe(change.directory, third).install(Use.AUTH, held(credentials.seal(NIP)))
    with pytest.raises(CredentialRefused) as refused:
        change.safe.seal()
    assert refused.value.code == "cert_password_wrong"
    assert [change.opens(name, NEW) for name in FILES] == [False, True, True, True]
    with pytest.raises(CredentialRefused):
        Safe(change.directory, third, change.old).seal()
    assert [change.opens(name, NEW) for name in FILES] == [False, True, True, True]


def test_the_command_changes_the_password_of_a_town(tmp_path: Path) -> None:
    """Both passwords in the configuration while it lasts: the programs never stand before a key they cannot open."""
    desk = Desk(tmp_path)
    secret(tmp_path / "old", OLD)
    secret(tmp_path / "new", NEW)
    desk.configure(keys='[keys]\npassword_file = "old"')
    cert, key = credentials.seal(NIP).write_pem(tmp_path, "offered")
    assert desk.json("import", str(cert), "--key", str(key), "--use", "auth", "--no-login")["ok"]
    desk.configure(keys='[keys]\npassword_file = "new"')
    assert desk.refused("seal") == "cert_password_wrong"
    desk.configure(keys='[keys]\npassword_file = "new"\nprevious_password_file = "old"')
    assert keyring.authentication(desk.context)
    assert desk.json("seal")["files"] == [str(desk.kept("auth.pem"))]
    assert "poprzednie nie jest tu już potrzebne" in " ".join(desk.run("seal").output.split())
    desk.configure(keys='[keys]\npassword_file = "new"')
    assert keyring.authentication(desk.context)
    desk.configure(keys='[keys]\nprevious_password_file = "old"')
    assert isinstance(desk.run("seal").exception, ConfigError)
