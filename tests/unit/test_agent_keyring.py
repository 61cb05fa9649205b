"""Credentials from files: what is taken, and what is refused by field before KSeF sees it."""

from pathlib import Path

import pytest

from certs import keyring
from spool.domain.errors import ConfigError
from spool.domain.municipality import Context, ContextType
from tests import credentials

NIP = "5080014460"


def _context(**files: Path | None) -> Context:
    return Context("gmina", ContextType.NIP, NIP, "sandbox", "http://x/v2", "", "", **files)  # type: ignore[arg-type]


def _secret(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o600)
    return path


@pytest.mark.parametrize("algorithm", ["ec", "rsa"])
@pytest.mark.parametrize("password", ["", "tajne hasło"])
def test_pem_pair(tmp_path: Path, algorithm: str, password: str) -> None:
    """PEM certificate and key, encrypted or not."""
    made = credentials.seal(NIP, algorithm=algorithm)
    cert, key = made.write_pem(tmp_path, password=password)
    file = _secret(tmp_path / "pw", password + "\n") if password else None
    found = keyring.authentication(_context(auth_cert=cert, auth_key=key, auth_password_file=file))
    assert found is not None
    assert found.certificate == made.certificate
    assert "BEGIN PRIVATE KEY" in found.key_pem
    assert "PRIVATE" not in repr(found)


def test_pkcs12(tmp_path: Path) -> None:
    """One file with both."""
    path = credentials.seal(NIP).write_pkcs12(tmp_path, "sezam")
    file = _secret(tmp_path / "pw", "sezam")
    assert keyring.authentication(_context(auth_cert=path, auth_password_file=file)) is not None


def test_token(tmp_path: Path) -> None:
    """A token is one line; blanks around it do not count."""
    assert keyring.token(_context(token_file=_secret(tmp_path / "t", " 2026-EC|nip-1|ab \n"))) == "2026-EC|nip-1|ab"
    assert keyring.token(_context()) is None
    assert keyring.authentication(_context()) is None


@pytest.mark.parametrize("algorithm", ["ec", "rsa"])
@pytest.mark.parametrize("password", ["", "tajne hasło"])
def test_offline_pair(tmp_path: Path, algorithm: str, password: str) -> None:
    """The Offline certificate is read like the other one, from fields of its own."""
    made = credentials.seal(NIP, algorithm=algorithm, offline=True)
    cert, key = made.write_pem(tmp_path, password=password)
    file = _secret(tmp_path / "pw", password + "\n") if password else None
    found = keyring.offline(_context(offline_cert=cert, offline_key=key, offline_password_file=file))
    assert found is not None
    assert found.certificate == made.certificate


def test_without_an_offline_certificate_there_is_none() -> None:
    """A context that never works offline needs none."""
    assert keyring.offline(_context()) is None


@pytest.mark.parametrize("kind", ["auth", "offline"])
def test_a_key_without_its_certificate_is_named(tmp_path: Path, kind: str) -> None:
    """A forgotten line in the configuration must not look like a decision to do without."""
    load = keyring.authentication if kind == "auth" else keyring.offline
    with pytest.raises(ConfigError, match=f"{kind}_cert"):
        load(_context(**{f"{kind}_key": tmp_path / "key"}))


def _offline(d: Path) -> Context:
    cert, key = credentials.seal(NIP, offline=True).write_pem(d)
    return _context(auth_cert=cert, auth_key=key)


def _readable_key(d: Path) -> Context:
    cert, key = credentials.seal(NIP).write_pem(d)
    key.chmod(0o644)
    return _context(auth_cert=cert, auth_key=key)


def _readable_p12(d: Path) -> Context:
    path = credentials.seal(NIP).write_pkcs12(d, "x")
    path.chmod(0o604)
    return _context(auth_cert=path, auth_password_file=_secret(d / "pw", "x"))


def _mixed(d: Path) -> Context:
    cert, _ = credentials.seal(NIP).write_pem(d, "a")
    _, key = credentials.seal(NIP).write_pem(d, "b")
    return _context(auth_cert=cert, auth_key=key)


def _wrong_password(d: Path) -> Context:
    cert, key = credentials.seal(NIP).write_pem(d, password="tak")
    return _context(auth_cert=cert, auth_key=key, auth_password_file=_secret(d / "pw", "nie"))


def _no_password(d: Path) -> Context:
    cert, key = credentials.seal(NIP).write_pem(d, password="tak")
    return _context(auth_cert=cert, auth_key=key)


def _wrong_p12_password(d: Path) -> Context:
    path = credentials.seal(NIP).write_pkcs12(d, "tak")
    return _context(auth_cert=path, auth_password_file=_secret(d / "pw", "nie"))


def _no_certificate(d: Path) -> Context:
    _, key = credentials.seal(NIP).write_pem(d)
    return _context(auth_cert=_secret(d / "c", "to nie certyfikat"), auth_key=key)


def _missing(d: Path) -> Context:
    cert, _ = credentials.seal(NIP).write_pem(d)
    return _context(auth_cert=cert, auth_key=d / "nie-ma")


BAD = {
    "offline": (_offline, "typu Offline"),
    "readable_key": (_readable_key, "każdy użytkownik"),
    "readable_p12": (_readable_p12, "każdy użytkownik"),
    "mixed": (_mixed, "nie należą do siebie"),
    "wrong_password": (_wrong_password, "złe hasło"),
    "no_password": (_no_password, "zaszyfrowany"),
    "wrong_p12_password": (_wrong_p12_password, "złe hasło"),
    "no_certificate": (_no_certificate, "nie jest certyfikatem"),
    "missing": (_missing, "auth_key"),
}


@pytest.mark.parametrize("name", BAD)
def test_fault_X23_bad_credentials_are_refused_by_field(tmp_path: Path, name: str) -> None:
    """Each mistake is one Polish sentence that names the field and the context."""
    make, expected = BAD[name]
    with pytest.raises(ConfigError, match=expected) as caught:
        keyring.authentication(make(tmp_path))
    assert "gmina" in str(caught.value)


@pytest.mark.parametrize("name", sorted(BAD.keys() - {"offline"}))
def test_fault_X23_bad_offline_credentials_are_refused_by_field(tmp_path: Path, name: str) -> None:
    """The same mistakes in the other pair of fields, and the message names those fields and no others."""
    make, expected = BAD[name]
    wrong = make(tmp_path)
    files = {
        "offline_cert": wrong.auth_cert,
        "offline_key": wrong.auth_key,
        "offline_password_file": wrong.auth_password_file,
    }
    with pytest.raises(ConfigError, match=expected.replace("auth", "offline")) as caught:
        keyring.offline(_context(**files))
    said = f"{caught.value} {caught.value.hint}"
    assert "offline_" in said
    assert "auth_" not in said


def test_fault_X23_an_authentication_certificate_signs_no_kod2(tmp_path: Path) -> None:
    """The mirror image of an Offline certificate that is to log in; both fields are named."""
    cert, key = credentials.seal(NIP).write_pem(tmp_path)
    with pytest.raises(ConfigError, match=r"offline_cert.*gmina.*typu Authentication") as caught:
        keyring.offline(_context(offline_cert=cert, offline_key=key))
    assert "auth_cert" in caught.value.hint


@pytest.mark.parametrize("text", ["", "\n", "dwa słowa", "zażółć"])
def test_bad_tokens(tmp_path: Path, text: str) -> None:
    """An empty file or a text is no token."""
    with pytest.raises(ConfigError, match="token_file"):
        keyring.token(_context(token_file=_secret(tmp_path / "t", text)))
