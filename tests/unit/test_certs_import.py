"""`sluza certs import` and `list` without KSeF: every wrong file has its sentence, and nothing is half installed."""

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12

from certs import keyring, watched
from certs.reading import Use
from certs.safe import Safe
from spool.backup.contents import belongings
from spool.domain.errors import ConfigError, CredentialRefused
from tests import credentials
from tests.certs_bench import Desk
from tests.credentials import Made

NIP = "5080014460"
NOW = datetime.now(UTC)


@pytest.fixture(name="desk")
def desk_fixture(tmp_path: Path) -> Desk:
    """A configuration whose KSeF nobody will answer for."""
    desk = Desk(tmp_path)
    desk.configure()
    return desk


def offer(desk: Desk, made: Made, *more: str, use: str = "auth", password: str = "") -> tuple[str, ...]:
    """The words of an import of this pair as PEM files."""
    cert, key = made.write_pem(desk.directory, "offered", password)
    return ("import", str(cert), "--key", str(key), "--use", use, "--no-login", *more)


def secret(desk: Desk, text: str, name: str = "haslo") -> Path:
    path = desk.directory / name
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    return path


def p12(desk: Desk, made: Made, password: str | None) -> str:
    path = desk.directory / "offered.p12"
    how: serialization.KeySerializationEncryption = (
        serialization.NoEncryption() if password is None else serialization.BestAvailableEncryption(password.encode())
    )
    path.write_bytes(pkcs12.serialize_key_and_certificates(b"x", made.key, made.certificate, None, how))
    path.chmod(0o600)
    return str(path)


@pytest.mark.parametrize("use", ["auth", "offline"])
def test_import_keeps_both_halves_in_one_private_file(desk: Desk, use: str) -> None:
    """0600 in 0700, what was there before stays beside, and the programs find the new one."""
    first, second = (credentials.seal(NIP, offline=use == "offline", until=NOW + timedelta(days=d)) for d in (90, 99))
    for made in (first, second):
        told = desk.json(*offer(desk, made, use=use))
        assert told["ok"], told
    kept, before = desk.kept(f"{use}.pem"), desk.kept(f"{use}.previous.pem")
    assert [p.stat().st_mode & 0o777 for p in (kept, before, kept.parent)] == [0o600, 0o600, 0o700]
    load = keyring.authentication if use == "auth" else keyring.offline
    found = load(desk.context)
    assert found is not None
    assert found.certificate == second.certificate
    assert first.certificate.public_bytes(serialization.Encoding.PEM) in before.read_bytes()


@pytest.mark.parametrize("password", [None, "", "sezam z ąę"])
def test_import_takes_pkcs12_with_and_without_password(desk: Desk, password: str | None) -> None:
    """A file made without encryption, with an empty password, and with one."""
    made = credentials.seal(NIP)
    file = p12(desk, made, password) if password != "" else _empty(desk, made)
    words = ["--password-file", str(secret(desk, password + "\r\n"))] if password else []
    assert desk.json("import", file, "--use", "auth", "--no-login", *words)["ok"]
    found = keyring.authentication(desk.context)
    assert found is not None
    assert found.certificate == made.certificate


def _empty(desk: Desk, made: Made) -> str:
    """PKCS#12 that is encrypted with an empty password, as openssl makes it with -passout pass:"""
    path, (cert, key) = desk.directory / "empty.p12", made.write_pem(desk.directory, "plain")
    os.spawnlp(
        os.P_WAIT, "openssl", "openssl", "pkcs12", "-export", "-in", str(cert), "-inkey", str(key), "-passout",
        "pass:", "-out", str(path),
    )  # fmt: skip
    path.chmod(0o600)
    return str(path)


def test_import_takes_one_pem_file_with_both(desk: Desk) -> None:
    """And of several certificates in it the one that belongs to the key."""
    made, other = credentials.seal(NIP), credentials.seal(NIP)
    cert, key = made.write_pem(desk.directory)
    both = secret(desk, "", "both.pem")
    both.write_bytes(other.certificate.public_bytes(serialization.Encoding.PEM) + cert.read_bytes() + key.read_bytes())
    assert desk.json("import", str(both), "--use", "auth", "--no-login")["ok"]
    found = keyring.authentication(desk.context)
    assert found is not None
    assert found.certificate == made.certificate


def _wrong_key(desk: Desk) -> tuple[str, ...]:
    words = list(offer(desk, credentials.seal(NIP)))
    words[3] = str(credentials.seal(NIP).write_pem(desk.directory, "other")[1])
    return tuple(words)


def _exposed(desk: Desk) -> tuple[str, ...]:
    words = offer(desk, credentials.seal(NIP))
    Path(words[3]).chmod(0o644)
    return words


def _exposed_p12(desk: Desk) -> tuple[str, ...]:
    file = p12(desk, credentials.seal(NIP), "sezam")
    Path(file).chmod(0o604)
    return ("import", file, "--use", "auth", "--password-file", str(secret(desk, "sezam")))


def _p12(desk: Desk, said: str | None) -> tuple[str, ...]:
    words = ["--password-file", str(secret(desk, said))] if said is not None else []
    return ("import", p12(desk, credentials.seal(NIP), "sezam"), "--use", "auth", *words)


def _text(desk: Desk) -> tuple[str, ...]:
    return ("import", str(secret(desk, "to nie certyfikat", "x.p12")), "--use", "auth")


def _alone(desk: Desk) -> tuple[str, ...]:
    return ("import", str(credentials.seal(NIP).write_pem(desk.directory)[0]), "--use", "auth")


WRONG: dict[str, tuple[str, Callable[[Desk], tuple[str, ...]]]] = {
    "offline as auth": ("cert_wrong_type", lambda d: offer(d, credentials.seal(NIP, offline=True))),
    "auth as offline": ("cert_wrong_type", lambda d: offer(d, credentials.seal(NIP), use="offline")),
    "expired": ("cert_expired", lambda d: offer(d, credentials.seal(NIP, until=NOW - timedelta(seconds=1)))),
    "not yet": ("cert_not_yet_valid", lambda d: offer(d, credentials.seal(NIP, since=NOW + timedelta(hours=1)))),
    "another key": ("cert_key_mismatch", _wrong_key),
    "exposed key": ("cert_exposed", _exposed),
    "exposed p12": ("cert_exposed", _exposed_p12),
    "p12 without its password": ("cert_password_missing", lambda d: _p12(d, None)),
    "p12 with a wrong password": ("cert_password_wrong", lambda d: _p12(d, "Sezam")),
    "key without its password": ("cert_password_missing", lambda d: offer(d, credentials.seal(NIP), password="tak")),
    "key with a wrong password": (
        "cert_password_wrong",
        lambda d: offer(d, credentials.seal(NIP), "--password-file", str(secret(d, "nie")), password="tak"),
    ),
    "needless password": (
        "cert_password_needless",
        lambda d: offer(d, credentials.seal(NIP), "--password-file", str(secret(d, "nie"))),
    ),
    "no certificate at all": ("cert_unreadable", _text),
    "no key": ("cert_without_key", _alone),
}


@pytest.mark.parametrize("name", WRONG)
def test_fault_X23_a_wrong_credential_is_refused_and_the_present_one_stays(desk: Desk, name: str) -> None:
    """Each mistake has its own code, its sentence and its cure; exit code 1; not one byte of the safe changes."""
    before = credentials.seal(NIP)
    assert desk.json(*offer(desk, before))["ok"]
    kept = {path.name: path.read_bytes() for path in desk.kept("").iterdir()}
    code, words = WRONG[name]
    assert desk.refused(*words(desk)) == code
    assert {path.name: path.read_bytes() for path in desk.kept("").iterdir()} == kept


def test_what_lasts_longer_in_the_configuration_would_go_on_being_used(desk: Desk) -> None:
    """An import without effect is none: the field that stands in the way is named."""
    desk.configure_seal()
    assert desk.refused(*offer(desk, credentials.seal(NIP, until=NOW + timedelta(days=9)))) == "cert_outlived"
    assert not desk.kept("auth.pem").exists()


def test_an_unreachable_ksef_leaves_everything_as_it_was(desk: Desk) -> None:
    """A certificate that could not be tried is not installed; --no-login is the person's own decision."""
    words = [w for w in offer(desk, credentials.seal(NIP)) if w != "--no-login"]
    assert desk.refused(*words).startswith("network:")
    assert not desk.kept("auth.pem").exists()


def test_keys_at_rest_are_encrypted_with_the_password_of_a_file(desk: Desk) -> None:
    """Nothing of the key lies open; with another password it does not open; openssl's own format."""
    made, password = credentials.seal(NIP), secret(desk, "0123456789abcdef0123", "keys")
    desk.configure(keys=f'[keys]\npassword_file = "{password}"')
    assert desk.json(*offer(desk, made))["ok"]
    raw = desk.kept("auth.pem").read_bytes()
    assert b"BEGIN ENCRYPTED PRIVATE KEY" in raw
    serialization.load_pem_private_key(raw[raw.index(b"-----BEGIN ENC") :], password.read_bytes())
    found = keyring.authentication(desk.context)
    assert found is not None
    assert found.key.private_numbers() == made.key.private_numbers()  # type: ignore[union-attr]
    secret(desk, "another password of 20+", "keys")
    with pytest.raises(CredentialRefused, match="złe hasło"):
        keyring.authentication(desk.context)


def test_the_password_that_systemd_hands_over_comes_first(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """LoadCredential= of the unit: the programs need no file that they may read themselves."""
    handed = desk.directory / "credentials"
    handed.mkdir()
    secret(desk, "the password of systemd", "credentials/sluza-keys")
    desk.configure(keys='[keys]\npassword_file = "nie-ma"')
    assert desk.context.safe_password_file == desk.directory / "nie-ma"
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(handed))
    assert desk.context.safe_password_file == handed / "sluza-keys"
    assert desk.json(*offer(desk, credentials.seal(NIP)))["ok"]
    assert b"ENCRYPTED" in desk.kept("auth.pem").read_bytes()


@pytest.mark.parametrize(("text", "mode", "said"), [("krótkie", 0o600, "mniej niż"), ("0" * 40, 0o644, "każdy")])
def test_fault_X23_a_bad_password_of_the_keys_is_refused(desk: Desk, text: str, mode: int, said: str) -> None:
    """One that can be guessed, or that everybody may read, protects nothing."""
    secret(desk, text, "keys").chmod(mode)
    desk.configure(keys='[keys]\npassword_file = "keys"')
    done = desk.run(*offer(desk, credentials.seal(NIP)))
    assert said in f"{done.exception}{done.output}"
    assert not desk.kept("auth.pem").exists()


def test_seal_encrypts_what_lay_open(desk: Desk) -> None:
    """Keys of the time before the password, the previous pair included; a second run has nothing to do."""
    pairs = [credentials.seal(NIP, until=NOW + timedelta(days=d)) for d in (50, 60)]
    for made in pairs:
        desk.json(*offer(desk, made))
    secret(desk, "0123456789abcdef0123", "keys")
    desk.configure(keys='[keys]\npassword_file = "keys"')
    assert len(desk.json("seal")["files"]) == 2
    assert all(b"ENCRYPTED" in path.read_bytes() for path in desk.kept("").glob("*.pem"))
    assert desk.json("seal")["files"] == []
    found = keyring.authentication(desk.context)
    assert found is not None
    assert found.certificate == pairs[1].certificate


@pytest.mark.parametrize(
    ("usage", "auth", "offline"),
    [
        ({}, True, False),
        ({"offline": True}, False, True),
        ({"both": True}, True, True),
        ({"offline": True, "qualified": True}, True, False),
        ({"both": True, "qualified": True}, True, False),
    ],
    ids=["signature", "nonRepudiation", "both", "qualified nonRepudiation", "qualified both"],
)
def test_key_usage_says_what_a_certificate_is_for(
    desk: Desk, usage: dict[str, bool], auth: bool, offline: bool
) -> None:
    """nonRepudiation alone is type Offline and logs nobody in; but a qualified seal, which often has nothing else,
    does, and is never taken for type Offline (protocol §2.4). The same at the import and as a field."""
    made = credentials.seal(NIP, **usage)
    cert, key = made.write_pem(desk.directory, "given")
    for use, fits, load in (("auth", auth, keyring.authentication), ("offline", offline, keyring.offline)):
        if fits:
            assert desk.json(*offer(desk, made, use=use))["ok"]
        else:
            assert desk.refused(*offer(desk, made, use=use)) == "cert_wrong_type"
        assert desk.kept(f"{use}.pem").exists() is fits
        desk.configure(fields=f'{use}_cert = "{cert}"\n{use}_key = "{key}"')
        if fits:
            assert load(desk.context)
        else:
            with pytest.raises(CredentialRefused) as refused:
                load(desk.context)
            assert refused.value.code == "cert_wrong_type"
        desk.configure(fields="")


def test_running_programs_take_over_what_is_installed(desk: Desk) -> None:
    """No restart: the next use has the new pair; one that cannot be read leaves the last good one in use."""
    desk.configure_seal()
    entering = watched.authentication(desk.context)
    old = entering()
    made = credentials.seal(NIP, until=NOW + timedelta(days=900))
    desk.json(*offer(desk, made))
    new = entering()
    assert old is not None
    assert new is not None
    assert (new.certificate, entering()) == (made.certificate, new)
    assert old.certificate != new.certificate
    desk.kept("auth.pem").chmod(0o644)
    assert entering() is new


def test_fault_X23_a_safe_that_everybody_may_read_refuses_to_start(desk: Desk) -> None:
    """The same sentence as for a key named in the configuration."""
    desk.json(*offer(desk, credentials.seal(NIP)))
    desk.kept("auth.pem").chmod(0o604)
    with pytest.raises(ConfigError, match="każdy użytkownik"):
        keyring.refuse_empty_handed(desk.context)


def test_a_context_without_anything_is_told_how_to_get_a_certificate(desk: Desk) -> None:
    """No field has to be written before the first import."""
    with pytest.raises(ConfigError, match="nie ma czym zalogować") as caught:
        keyring.refuse_empty_handed(desk.context)
    assert "sluza certs import" in caught.value.hint
    assert desk.json("list") == []


def test_a_damaged_request_is_kept_and_named(tmp_path: Path) -> None:
    """It may hold the key of an issued certificate: nobody overwrites it silently."""
    safe = Safe(tmp_path, None)
    (tmp_path / "auth.request.json").write_text("{")
    (tmp_path / "auth.request.json").chmod(0o600)
    with pytest.raises(CredentialRefused, match="uszkodzony"):
        safe.request(Use.AUTH)


def test_list_shows_what_is_used_and_what_is_not(desk: Desk) -> None:
    """Two pairs for one use: the one that is valid longer is used; the token beside a certificate is idle."""
    desk.configure_seal()
    token = secret(desk, "token", "token")
    desk.configure(fields=f'{desk.fields}\ntoken_file = "{token}"')
    made = credentials.seal(NIP, until=NOW + timedelta(days=999))
    desk.json(*offer(desk, made))
    rows = [(r["use"], r["used"], r["days_left"] is not None) for r in desk.json("list")]
    assert rows == [("auth", False, True), ("auth", True, True), ("token", False, False)]
    text = desk.run("list").stdout
    assert f"{made.certificate.serial_number:016X}"[:12] in text.replace("\n", "")


def test_check_without_ksef_tells_dates_and_what_is_missing(desk: Desk) -> None:
    """Exit code 1 for what cannot be used; a certificate that ends soon is only something to see to."""
    cert, key = desk.seal(until=NOW + timedelta(days=20))
    desk.configure(fields=f'auth_cert = "{cert}"\nauth_key = "{key}"')
    told = desk.json("check", "--no-login")
    assert [(c["use"], c["mark"]) for c in told["checks"]] == [("auth", "look"), ("offline", "look")]
    assert "sluza certs enrol" in told["checks"][0]["cure"]
    key.chmod(0o644)
    done = desk.run("check", "--no-login")
    assert done.exit_code == 1
    assert "każdy użytkownik" in done.stdout


def test_of_two_that_end_together_the_one_in_the_safe_is_used(desk: Desk) -> None:
    """What was installed last by a person or the agent; exactly one is shown as used."""
    until = NOW + timedelta(days=400)
    first = credentials.seal(NIP, until=until)
    desk.json(*offer(desk, first))
    cert, key = desk.seal(until=until)
    desk.configure(fields=f'auth_cert = "{cert}"\nauth_key = "{key}"')
    assert [row["used"] for row in desk.json("list")] == [False, True]
    found = keyring.authentication(desk.context)
    assert found is not None
    assert found.certificate == first.certificate


def test_what_the_safe_holds_belongs_into_an_encrypted_backup(desk: Desk) -> None:
    """Under its own name, so that a restore lays it where it was; it counts as a secret."""
    desk.json(*offer(desk, credentials.seal(NIP)))
    found = {one.name: one.secret for one in belongings(desk.configure(), desk.directory / "state")}
    assert found["keys/gmina/auth.pem"]
