"""Our own CA and server certificate, and the supplied one: made once, renewed in time, never open to everybody."""

import asyncio
import contextlib
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature

from certs import rotation, tls
from spool import files
from spool.domain.errors import ConfigError

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
NAMES = ["sluza.gmina.local", "10.1.2.3"]


def certificate(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def test_first_start_makes_everything(tmp_path: Path) -> None:
    """CA for ten years, server for at most 398 days with all names; keys 0600, ca.pem readable."""
    made = tls.own(tmp_path / "tls", NAMES, NOW)
    assert made.ca is not None
    ca, server = certificate(made.ca), certificate(made.cert)
    assert ca.not_valid_after_utc > NOW + timedelta(days=3650)
    assert server.not_valid_after_utc - server.not_valid_before_utc <= timedelta(days=398)
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["sluza.gmina.local", "localhost"]
    assert [str(a) for a in names.get_values_for_type(x509.IPAddress)] == ["10.1.2.3", "127.0.0.1", "::1"]
    modes = {p.name: p.stat().st_mode & 0o777 for p in (tmp_path / "tls").iterdir()}
    assert modes == {"ca.pem": 0o644, "server.pem": 0o644, "ca.key": 0o600, "server.key": 0o600}
    assert (tmp_path / "tls").stat().st_mode & 0o777 == 0o700


def test_next_start_changes_nothing(tmp_path: Path) -> None:
    """The same names and time enough: the files stay as they are."""
    tls.own(tmp_path, NAMES, NOW)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    tls.own(tmp_path, NAMES, NOW + timedelta(days=300))
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


@pytest.mark.parametrize(("days", "renewed"), [(365, False), (366, False), (368, True), (500, True)])
def test_server_certificate_is_renewed_in_time(tmp_path: Path, days: int, renewed: bool) -> None:
    """With less than thirty days left there is a new one, from the same CA."""
    made = tls.own(tmp_path, NAMES, NOW)
    assert made.ca is not None
    ca, server = made.ca.read_bytes(), made.cert.read_bytes()
    assert tls.refresh(made, NAMES, NOW + timedelta(days=days)) is renewed
    assert (made.cert.read_bytes() != server) is renewed
    assert made.ca.read_bytes() == ca


def test_changed_names_make_a_new_certificate(tmp_path: Path) -> None:
    """The order of names is no change."""
    made = tls.own(tmp_path, NAMES, NOW)
    assert not tls.refresh(made, NAMES[::-1], NOW)
    assert tls.refresh(made, ["inna.gmina.local"], NOW)
    names = certificate(made.cert).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "sluza.gmina.local" not in names.get_values_for_type(x509.DNSName)


def test_polish_names_are_written_as_idna(tmp_path: Path) -> None:
    """A name with Polish letters, as the browser will ask for it."""
    made = tls.own(tmp_path, ["śluza.gmina.pl"], NOW)
    names = certificate(made.cert).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "xn--luza-k5a.gmina.pl" in names.get_values_for_type(x509.DNSName)


@pytest.mark.parametrize("name", ["", "a..b", "x" * 64 + ".pl"])
def test_bad_names_are_a_configuration_error(tmp_path: Path, name: str) -> None:
    """Named, with the field."""
    with pytest.raises(ConfigError, match=r"http\.names"):
        tls.own(tmp_path, [name], NOW)


@pytest.mark.parametrize("damaged", ["server.pem", "server.key"])
def test_damaged_server_files_are_made_anew(tmp_path: Path, damaged: str) -> None:
    """A crash between key and certificate heals at the next start."""
    made = tls.own(tmp_path, NAMES, NOW)
    (tmp_path / damaged).write_bytes(b"")
    (tmp_path / damaged).chmod(0o600)
    tls.own(tmp_path, NAMES, NOW)
    tls.server_context(made)


@pytest.mark.parametrize("damage", ["ca.key", "ca.pem"])
def test_a_damaged_ca_is_never_replaced_silently(tmp_path: Path, damage: str) -> None:
    """The units trust that CA: a person has to know."""
    tls.own(tmp_path, NAMES, NOW)
    ca = (tmp_path / "ca.pem").read_bytes()
    (tmp_path / damage).write_bytes(b"damaged")
    with pytest.raises(ConfigError, match="Urząd certyfikacji"):
        tls.own(tmp_path, NAMES, NOW)
    assert (tmp_path / "ca.pem").read_bytes() == (b"damaged" if damage == "ca.pem" else ca)


async def test_strict_clients_accept_it(tmp_path: Path) -> None:
    """A client that trusts ca.pem, with OpenSSL's strict checks, connects by name and by address; nobody else does."""
    made = tls.own(tmp_path, NAMES, datetime.now(UTC))
    server = await asyncio.start_server(lambda _r, w: w.close(), "127.0.0.1", 0, ssl=tls.server_context(made))
    port = server.sockets[0].getsockname()[1]
    trusting = ssl.create_default_context(cafile=made.ca)
    trusting.verify_flags |= ssl.VERIFY_X509_STRICT
    for name in ("localhost", "127.0.0.1", "sluza.gmina.local"):
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting, server_hostname=name)
        writer.close()
    for context, name in ((trusting, "evil.example"), (ssl.create_default_context(), "localhost")):
        with pytest.raises(ssl.SSLCertVerificationError):
            await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=name)
    server.close()


async def test_fault_X24_old_tls_is_refused(tmp_path: Path) -> None:
    """TLS 1.1 finds no common version; 1.2 does."""
    made = tls.own(tmp_path, NAMES, datetime.now(UTC))
    server = await asyncio.start_server(lambda _r, w: w.close(), "127.0.0.1", 0, ssl=tls.server_context(made))
    port = server.sockets[0].getsockname()[1]
    for version, works in ((ssl.TLSVersion.TLSv1_1, False), (ssl.TLSVersion.TLSv1_2, True)):
        context = ssl.create_default_context(cafile=made.ca)
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = context.maximum_version = version
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost")
        except (ssl.SSLError, ConnectionError):
            assert not works
        else:
            writer.close()
            assert works
    server.close()


async def test_renewed_certificate_is_used_at_once(tmp_path: Path) -> None:
    """`load_into` changes a listening context: the next connection sees the new certificate."""
    now = datetime.now(UTC)
    made = tls.own(tmp_path, NAMES, now)
    context = tls.server_context(made)
    server = await asyncio.start_server(lambda _r, w: w.close(), "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    trusting = ssl.create_default_context(cafile=made.ca)

    async def serial() -> str:
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting, server_hostname="localhost")
        shown: str = writer.get_extra_info("peercert")["serialNumber"]
        writer.close()
        return shown

    first = await serial()
    assert tls.refresh(made, ["new.gmina.local"], now)
    tls.load_into(context, made)
    assert await serial() != first
    server.close()


def test_supplied_certificate_is_used_as_it_is(tmp_path: Path) -> None:
    """The town hall's own files: read, never written, never renewed."""
    made = tls.own(tmp_path, NAMES, NOW)
    supplied = tls.supplied(made.cert, made.key)
    assert supplied.ca is None
    assert not tls.refresh(supplied, ["other"], NOW + timedelta(days=390))
    assert tls.server_context(supplied).minimum_version == ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize("mode", [0o604, 0o644, 0o606])
def test_fault_X23_world_readable_key_is_refused(tmp_path: Path, mode: int) -> None:
    """With the command that mends it; a group may read (Debian's ssl-cert)."""
    made = tls.own(tmp_path, NAMES, NOW)
    made.key.chmod(mode)
    with pytest.raises(ConfigError) as refused:
        tls.supplied(made.cert, made.key)
    assert "chmod 600" in refused.value.hint
    made.key.chmod(0o640)
    tls.supplied(made.cert, made.key)


def test_fault_X23_own_key_opened_by_somebody_is_refused(tmp_path: Path) -> None:
    """Our own keys are looked at on every start, too."""
    tls.own(tmp_path, NAMES, NOW)
    (tmp_path / "ca.key").chmod(0o644)
    with pytest.raises(ConfigError, match=r"ca\.key"):
        tls.own(tmp_path, NAMES, NOW)


def test_missing_or_unfitting_files_are_a_configuration_error(tmp_path: Path) -> None:
    """One sentence with both paths."""
    first, second = tls.own(tmp_path / "a", NAMES, NOW), tls.own(tmp_path / "b", NAMES, NOW)
    for cert, key in ((first.cert, second.key), (tmp_path / "none.pem", first.key), (first.cert, tmp_path / "none")):
        with pytest.raises(ConfigError):
            tls.supplied(cert, key)


def _accepts(ca: bytes, material: tls.Material) -> bool:
    """Whether a client that trusts these authorities accepts the server's certificate."""
    server = x509.load_pem_x509_certificate(material.cert.read_bytes())
    for authority in x509.load_pem_x509_certificates(ca):
        try:
            server.verify_directly_issued_by(authority)
        except (ValueError, InvalidSignature):
            continue
        return True
    return False


def test_a_rotation_leaves_units_time_with_both_authorities(tmp_path: Path) -> None:
    """Until the day of the exchange old and new files let units in; from that day on the new one does, by itself."""
    made = tls.own(tmp_path, NAMES, NOW)
    assert made.ca is not None
    old = made.ca.read_bytes()
    tls.rotate(tmp_path, NOW, NOW + timedelta(days=90))
    both = made.ca.read_bytes()
    assert len(x509.load_pem_x509_certificates(both)) == 2
    assert not tls.refresh(made, NAMES, NOW + timedelta(days=89))
    assert _accepts(old, made)
    assert _accepts(both, made)
    assert tls.refresh(made, NAMES, NOW + timedelta(days=91))
    assert not _accepts(old, made)
    assert _accepts(both, made)
    assert both.endswith(made.ca.read_bytes())
    assert sorted(p.name for p in tmp_path.iterdir()) == ["ca.key", "ca.pem", "server.key", "server.pem"]
    tls.server_context(made)


@pytest.mark.parametrize("cut", range(1, 12))
def test_a_rotation_that_is_cut_anywhere_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cut: int) -> None:
    """Each write of its beginning and of its exchange is once the last one of a process; the next look ends it."""
    made = tls.own(tmp_path, NAMES, NOW)
    assert made.ca is not None
    writes = 0

    def counted(path: Path, *more: Any) -> None:
        nonlocal writes
        writes += 1
        if writes > cut:
            raise KeyboardInterrupt
        real(path, *more)

    real, at = files.write, NOW + timedelta(days=90)
    with monkeypatch.context() as cutting:
        cutting.setattr(files, "write", counted)
        with contextlib.suppress(KeyboardInterrupt):
            tls.rotate(tmp_path, NOW, at)
            tls.refresh(made, NAMES, at)
    tls.refresh(made, NAMES, at)
    assert _accepts(made.ca.read_bytes(), made)
    tls.server_context(made)


def test_a_rotation_can_be_called_off_and_begins_once(tmp_path: Path) -> None:
    """A second one is refused; called off, the present authority is alone again."""
    made = tls.own(tmp_path, NAMES, NOW)
    assert made.ca is not None
    old = made.ca.read_bytes()
    tls.rotate(tmp_path, NOW, NOW + timedelta(days=90))
    with pytest.raises(ConfigError, match="już trwa"):
        tls.rotate(tmp_path, NOW, NOW + timedelta(days=90))
    rotation.cancel(tmp_path)
    assert made.ca.read_bytes() == old
    assert rotation.planned(tmp_path) is None
    with pytest.raises(ConfigError, match="nie ma własnego urzędu"):
        tls.rotate(tmp_path / "none", NOW, NOW)
