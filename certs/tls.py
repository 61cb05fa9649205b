"""TLS of the drop-point: our own small CA and a server certificate, or the one that the town hall supplies.

Own material lies in `<state>/tls/`: `ca.pem` (to be given to the units' programs), `ca.key`, `server.pem` (with the
CA's), `server.key`. The CA lasts ten years so that it is handed out once; the server certificate at most 398 days,
the longest that clients accept, and is renewed by `refresh` when less than 30 days are left or its names change.
`rotate` exchanges the CA, with a time in which units hold both (`certs.rotation`).
These certificates are judged by the clients' clocks, so `now` here is the machine's own time.
"""

import ipaddress
import ssl
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from certs import rotation
from spool import files
from spool.domain.errors import ConfigError

CA_LIFE = timedelta(days=3653)
SERVER_LIFE = timedelta(days=397)
RENEW_BEFORE = timedelta(days=30)
_BACKDATE = timedelta(hours=1)
"""Clocks of clients are not all right."""
_ALWAYS = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class Material:
    """Files that a listener needs; `ca` is None for a supplied certificate."""

    cert: Path
    key: Path
    ca: Path | None


def supplied(cert: Path, key: Path) -> Material:
    """The town hall's own certificate. Raises ConfigError when it cannot be read or its key is open to everybody."""
    refuse_exposed(key, "klucz TLS")
    material = Material(cert, key, None)
    server_context(material)
    return material


def own(directory: Path, names: Iterable[str], now: datetime) -> Material:
    """Our own CA and certificate in `directory`, made or renewed where needed. Raises ConfigError for a bad name."""
    material = Material(directory / "server.pem", directory / "server.key", directory / "ca.pem")
    refresh(material, names, now)
    return material


def refresh(material: Material, names: Iterable[str], now: datetime) -> bool:
    """Renew what is ours and due; True when there is a new server certificate. Supplied material is left alone."""
    if material.ca is None:
        return False
    wanted = _subject_names([*names, *_ALWAYS])
    directory = material.ca.parent
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    ca_key_file = directory / rotation.CA_KEY
    rotation.settle(directory, now)
    for key_file in (ca_key_file, material.key):
        if key_file.exists():
            refuse_exposed(key_file, "klucz TLS")
    ca, ca_key = _authority(material.ca, ca_key_file, now)
    current = _load(material.cert, material.key)
    if current is not None and _still_good(current[0], ca, wanted, now):
        return False
    issued, key = _make_server(ca, ca_key, wanted, now)
    _write(material.cert, _pem(issued) + _pem(ca), material.key, key)
    return True


def rotate(directory: Path, now: datetime, at: datetime) -> None:
    """Begin to exchange our own CA; from `at` on the next one signs. Raises ConfigError when there is none, or another
    exchange is under way."""
    if _load(directory / rotation.CA, directory / rotation.CA_KEY) is None:
        raise ConfigError(
            f"W {directory} nie ma własnego urzędu certyfikacji, który można wymienić.",
            "Powstaje przy pierwszym uruchomieniu bramki; certyfikat z pól http.cert i http.key wymienia się, "
            "podając nowe pliki.",
        )
    if (planned := rotation.planned(directory)) is not None:
        raise ConfigError(
            f"Wymiana urzędu certyfikacji już trwa, do {planned:%d.%m.%Y}.",
            "Można ją przyspieszyć (--now) albo odwołać (--cancel).",
        )
    certificate, key = _make_ca(now)
    rotation.begin(directory, _pem(certificate), _key_pem(key), at)


def good_until(directory: Path) -> datetime | None:
    """The moment from which our CA can issue no full server certificate any more; None where there is none."""
    found = _load(directory / rotation.CA, directory / rotation.CA_KEY)
    return None if found is None else found[0].not_valid_after_utc - SERVER_LIFE


def server_context(material: Material) -> ssl.SSLContext:
    """TLS 1.2 or newer with this certificate. Raises ConfigError when certificate and key do not fit."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    load_into(context, material)
    return context


def load_into(context: ssl.SSLContext, material: Material) -> None:
    """Use this certificate for new connections; those that are open keep theirs."""
    try:
        context.load_cert_chain(material.cert, material.key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"Nie można użyć certyfikatu TLS {material.cert} z kluczem {material.key}: {error.strerror or error}.",
            "Oba pliki muszą istnieć, być w formacie PEM bez hasła i pasować do siebie.",
        ) from error


def refuse_exposed(path: Path, what: str) -> None:
    """Raises ConfigError when a secret cannot be found or every user of this machine can read it (faults X23)."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise ConfigError(f"Nie można odczytać pliku {path} ({what}): {error.strerror}.") from error
    if mode & stat.S_IRWXO:
        raise ConfigError(
            f"Plik {path} ({what}) może czytać każdy użytkownik tego komputera.", f"Proszę wykonać: chmod 600 {path}"
        )


def _authority(cert: Path, key: Path, now: datetime) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """Our CA, made when there is none. One that is there but unusable is never replaced silently: units trust it."""
    if not cert.exists():
        made = _make_ca(now)
        _write(cert, _pem(made[0]), key, made[1])
        return made
    found = _load(cert, key)
    if found is None or found[0].not_valid_after_utc - now < SERVER_LIFE:
        raise ConfigError(
            f"Urząd certyfikacji {cert} wygasa albo nie da się go użyć razem z {key}.",
            "Proszę wymienić go poleceniem sluza certs rotate-tls, odtworzyć oba pliki z kopii, a gdy to niemożliwe, "
            "usunąć je i przekazać jednostkom nowy ca.pem.",
        )
    return found


def _subject_names(names: Iterable[str]) -> list[x509.GeneralName]:
    """DNS names in their ASCII form and addresses, each once, in order."""
    found: dict[x509.GeneralName, None] = {}
    for name in names:
        try:
            found[x509.IPAddress(ipaddress.ip_address(name))] = None
        except ValueError:
            try:
                found[_dns_name(name)] = None
            except ValueError as error:
                raise ConfigError(f"Błędna nazwa „{name}” w polu „http.names” ({error}).") from error
    return list(found)


def _dns_name(name: str) -> x509.DNSName:
    if not name:
        raise ValueError("pusta nazwa")
    return x509.DNSName(name.encode("idna").decode())


def _make_ca(now: datetime) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _name(f"Śluza – urząd certyfikacji bramki ({now:%Y-%m-%d})")
    certificate = (
        _builder(subject, subject, key, now, CA_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(key_cert_sign=True, crl_sign=True), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return certificate, key


def _make_server(
    ca: x509.Certificate, ca_key: ec.EllipticCurvePrivateKey, names: list[x509.GeneralName], now: datetime
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        _builder(_name("Śluza – punkt zrzutu"), ca.subject, key, now, SERVER_LIFE)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    return certificate, key


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime, life: timedelta
) -> x509.CertificateBuilder:
    start = now - _BACKDATE
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + life)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _key_usage(
    *, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _still_good(
    certificate: x509.Certificate, ca: x509.Certificate, wanted: list[x509.GeneralName], now: datetime
) -> bool:
    """Issued by this CA, for exactly these names, with enough time left."""
    if certificate.not_valid_after_utc - now < RENEW_BEFORE or certificate.not_valid_before_utc > now:
        return False
    try:
        certificate.verify_directly_issued_by(ca)
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except Exception:  # whatever is wrong with it, a new one is the cure
        return False
    return set(names) == set(wanted)


def _load(cert: Path, key: Path) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None:
    """Certificate and key when both can be read and belong together, else None."""
    try:
        certificate = x509.load_pem_x509_certificate(cert.read_bytes())
        loaded = serialization.load_pem_private_key(key.read_bytes(), None)
    except (OSError, ValueError, TypeError):
        return None
    if not isinstance(loaded, ec.EllipticCurvePrivateKey) or certificate.public_key() != loaded.public_key():
        return None
    return certificate, loaded


def _write(cert: Path, certificate: bytes, key: Path, private: ec.EllipticCurvePrivateKey) -> None:
    """Key first: a crash in between leaves a pair that does not fit, which is made anew at the next start."""
    files.write(key, _key_pem(private), 0o600)
    files.write(cert, certificate, 0o644)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
