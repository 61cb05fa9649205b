"""Reads a certificate and its private key out of the bytes that somebody offers; each mistake is one Polish sentence.

PEM or DER certificate with a key of its own or in the same PEM file, or one PKCS#12 file; EC (at least 256 bits) and
RSA (at least 2048). `Source` says in whose words: fields of the configuration, or files of a command. Sources:
protocol §2.4, §14; faults X23.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs12

from spool.domain.errors import CredentialRefused

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
_OTHERS_MAY = 0o007
_SHORTEST_EC, _SHORTEST_RSA = 256, 2048
_PKCS7_DATA = bytes.fromhex("06092a864886f70d010701")
"""The object identifier with which the content of every PKCS#12 file begins (RFC 7292)."""
_QUALIFIED = x509.ObjectIdentifier("1.3.6.1.5.5.7.1.3")
"""Statements that a certificate is a qualified one (RFC 3739): a seal or a signature, never a certificate of KSeF."""


class Use(StrEnum):
    """What a credential is for; the value is how its fields and files are called."""

    AUTH = "auth"
    OFFLINE = "offline"

    @property
    def kind(self) -> str:
        """KSeF's name for the type of certificate that this use needs (protocol §14)."""
        return "Authentication" if self is Use.AUTH else "Offline"


@dataclass(frozen=True)
class Credential:
    """A certificate and its private key."""

    certificate: x509.Certificate
    key: PrivateKey = field(repr=False)

    @property
    def certificate_pem(self) -> str:
        """The certificate as PEM."""
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    @property
    def key_pem(self) -> str:
        """The key as unencrypted PKCS#8 PEM; stays in memory."""
        return self.sealed_key(None).decode()

    def sealed_key(self, password: bytes | None) -> bytes:
        """The key as PKCS#8 PEM, encrypted with this password."""
        return key_pem(self.key, password)

    @property
    def uses(self) -> frozenset[str]:
        """Which types of KSeF certificate its keyUsage makes it; none when it has no keyUsage at all.

        A qualified certificate may log in whatever its keyUsage says (protocol §2.4), and is never of type Offline.
        """
        extensions = self.certificate.extensions
        if any(extension.oid == _QUALIFIED for extension in extensions):
            return frozenset({Use.AUTH.kind})
        try:
            usage = extensions.get_extension_for_class(x509.KeyUsage).value
        except x509.ExtensionNotFound:
            return frozenset()
        allowed = {Use.AUTH.kind: usage.digital_signature, Use.OFFLINE.kind: usage.content_commitment}
        return frozenset(name for name, yes in allowed.items() if yes)


def key_pem(key: PrivateKey, password: bytes | None) -> bytes:
    """A private key as PKCS#8 PEM, encrypted with this password."""
    how = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, how)


@dataclass(frozen=True)
class Source:
    """Where a credential was offered, in the words of messages: three places, and how to give key and password."""

    cert: str
    key: str
    both: str
    give_key: str
    give_password: str


def pair(cert: bytes, key: bytes | None, password: bytes | None, source: Source) -> Credential:
    """Certificate and key that belong together and are strong enough. Raises CredentialRefused.

    Without a key of its own, `cert` is PKCS#12, or PEM that holds the key as well.
    """
    if key is None and b"-----BEGIN" not in cert:
        return _sound(_pkcs12(cert, password, source), source)
    if key is None and b"PRIVATE KEY-----" not in cert:
        raise CredentialRefused(
            "cert_without_key",
            f"Certyfikat jest bez klucza prywatnego ({source.cert}).",
            f"Proszę podać {source.give_key} albo plik .p12, w którym jest jedno i drugie.",
        )
    private = _key(cert if key is None else key, password, source)
    found = _certificates(cert, source)
    own = next((one for one in found if one.public_key() == private.public_key()), found[0])
    return _sound(Credential(own, private), source)


def _sound(credential: Credential, source: Source) -> Credential:
    if credential.key.public_key() != credential.certificate.public_key():
        raise CredentialRefused(
            "cert_key_mismatch",
            f"Klucz i certyfikat nie należą do siebie ({source.both}).",
            "Proszę znaleźć klucz, z którym ten certyfikat był zamawiany; innego nie da się użyć.",
        )
    least = _SHORTEST_EC if isinstance(credential.key, ec.EllipticCurvePrivateKey) else _SHORTEST_RSA
    if credential.key.key_size < least:
        size = credential.key.key_size
        raise CredentialRefused("cert_key_weak", f"Klucz jest za krótki: {size} bitów ({source.key}).")
    return credential


def _certificates(raw: bytes, source: Source) -> list[x509.Certificate]:
    try:
        if b"-----BEGIN CERTIFICATE" in raw:
            return x509.load_pem_x509_certificates(raw)
        return [x509.load_der_x509_certificate(raw)]
    except ValueError as error:
        raise CredentialRefused(
            "cert_unreadable",
            f"Plik nie jest certyfikatem PEM ani DER ({source.cert}).",
            "Proszę pobrać certyfikat z KSeF jeszcze raz albo podać plik .p12.",
        ) from error


def _key(raw: bytes, password: bytes | None, source: Source) -> PrivateKey:
    load = serialization.load_pem_private_key if b"-----BEGIN" in raw else serialization.load_der_private_key
    try:
        key = load(raw, password)
    except TypeError as error:
        if password is None:
            raise _password_missing(source.key, source) from error
        raise CredentialRefused(
            "cert_password_needless",
            f"Klucz nie jest zaszyfrowany, a podano hasło ({source.key}).",
            f"Proszę pominąć hasło: {source.give_password}.",
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        if password is not None and b"ENCRYPTED" in raw:
            raise _password_wrong("klucza", source.key, source) from error
        raise CredentialRefused(
            "cert_unreadable", f"Klucza nie udało się odczytać: złe hasło albo plik ({source.key})."
        ) from error
    if not isinstance(key, PrivateKey):
        raise CredentialRefused("cert_key_weak", f"Klucz nie jest kluczem EC ani RSA ({source.key}).")
    return key


def _pkcs12(raw: bytes, password: bytes | None, source: Source) -> Credential:
    """The pair of a PKCS#12 file; one that was made with an empty password opens without any."""
    for attempt in (password,) if password is not None else (None, b""):
        try:
            key, certificate, _ = pkcs12.load_key_and_certificates(raw, attempt)
            break
        except (ValueError, UnsupportedAlgorithm) as error:
            failure = error
    else:
        raise _unopened(raw, password, source) from failure
    if certificate is None or not isinstance(key, PrivateKey):
        raise CredentialRefused(
            "cert_without_key",
            f"Plik PKCS#12 nie ma klucza EC lub RSA i certyfikatu ({source.cert}).",
            "Proszę wyeksportować certyfikat razem z kluczem prywatnym.",
        )
    return Credential(certificate, key)


def _unopened(raw: bytes, password: bytes | None, source: Source) -> CredentialRefused:
    """Why a file that is no PEM did not open: it is not PKCS#12 at all, or the password is not the one."""
    if _PKCS7_DATA not in raw[:64]:
        try:
            x509.load_der_x509_certificate(raw)
        except ValueError:
            return CredentialRefused(
                "cert_unreadable",
                f"Plik nie jest certyfikatem ani plikiem PKCS#12 ({source.cert}): zły plik albo uszkodzony.",
                f"Proszę podać plik .p12 albo certyfikat PEM i {source.give_key}.",
            )
        return CredentialRefused(
            "cert_without_key",
            f"Certyfikat jest bez klucza prywatnego ({source.cert}).",
            f"Proszę podać {source.give_key} albo plik .p12, w którym jest jedno i drugie.",
        )
    if password is None:
        return _password_missing(source.cert, source)
    return _password_wrong("pliku PKCS#12", source.cert, source)


def _password_missing(where: str, source: Source) -> CredentialRefused:
    return CredentialRefused(
        "cert_password_missing",
        f"Klucz jest zaszyfrowany, a nie podano hasła ({where}).",
        f"Proszę podać hasło: {source.give_password}.",
    )


def _password_wrong(what: str, where: str, source: Source) -> CredentialRefused:
    return CredentialRefused(
        "cert_password_wrong",
        f"Nie udało się otworzyć {what}: złe hasło ({where}).",
        f"Proszę sprawdzić hasło; liczy się pierwszy wiersz pliku ({source.give_password}).",
    )


def secret(path: Path, name: str, *, exposed_too: bool = False) -> bytes:
    """The bytes of a file that is called `name` in messages. Raises CredentialRefused.

    A secret that everybody on the machine may read is refused (faults X23), unless `exposed_too`.
    """
    try:
        if not exposed_too:
            refuse_exposed(path, name)
        return path.read_bytes()
    except OSError as error:
        raise CredentialRefused(
            "cert_unreadable", f"Nie można odczytać pliku {path} ({name}): {error.strerror}."
        ) from error


def refuse_exposed(path: Path, name: str) -> None:
    """Raises CredentialRefused when everybody on the machine may read the file; OSError when there is none."""
    if path.stat().st_mode & _OTHERS_MAY:
        raise CredentialRefused(
            "cert_exposed",
            f"Plik może czytać każdy użytkownik systemu: {path} ({name}).",
            f"Proszę odebrać te prawa: chmod 640 {path}",
        )


def certificate_file(path: Path, name: str, *, key_apart: bool) -> bytes:
    """The bytes of a certificate's file, which is a secret only if the key is in it. Raises CredentialRefused."""
    raw = secret(path, name, exposed_too=True)
    if not key_apart and (b"PRIVATE KEY" in raw or _PKCS7_DATA in raw[:64]):
        refuse_exposed(path, name)
    return raw


def secret_line(path: Path, name: str) -> bytes:
    """The first line of a password file, without its line end. Raises CredentialRefused."""
    return secret(path, name).split(b"\n", 1)[0].rstrip(b"\r")
