"""Finds the credential that a context logs in with: a KSeF Authentication certificate with its key, or a token.

PEM or DER certificate with a key file, or one PKCS#12 file; EC (at least 256 bits) and RSA (at least 2048). A
certificate of type Offline (keyUsage nonRepudiation only) is refused here, before KSeF refuses it; so is a secret
that everybody on the machine may read (faults X23). Sources: protocol §2.4, §14.
"""

from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs12

from spool.domain.errors import ConfigError
from spool.domain.municipality import Context

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
_OTHERS_MAY = 0o007


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
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()


def authentication(context: Context) -> Credential | None:
    """The Authentication credential of a context; None when it has only a token. Raises ConfigError by field."""
    if context.auth_cert is None:
        return None
    where = f"context „{context.id}”"
    password = _password(context.auth_password_file, where)
    if context.auth_key is None:
        credential = _pkcs12(context.auth_cert, password, where)
    else:
        certificate = _certificate(_read(context.auth_cert, f"auth_cert ({where})", secret=False), where)
        key = _key(_read(context.auth_key, f"auth_key ({where})"), password, where)
        credential = Credential(certificate, key)
    _check(credential, where)
    return credential


def token(context: Context) -> str | None:
    """The KSeF token of a context, without surrounding blanks; None when it has none. Raises ConfigError by field."""
    if context.token_file is None:
        return None
    name = f"token_file (context „{context.id}”)"
    raw = _read(context.token_file, name)
    try:
        text = raw.decode("ascii").strip()
    except UnicodeDecodeError:
        text = ""
    if not text or any(c.isspace() for c in text):
        raise ConfigError(f"Plik z pola „{name}” nie zawiera tokena KSeF w jednym wierszu.")
    return text


def _pkcs12(path: Path, password: bytes | None, where: str) -> Credential:
    raw = _read(path, f"auth_cert ({where})")
    try:
        key, certificate, _ = pkcs12.load_key_and_certificates(raw, password)
    except ValueError as error:
        raise ConfigError(
            f"Pliku PKCS#12 z pola „auth_cert” ({where}) nie udało się otworzyć: złe hasło albo zły plik.",
            "Proszę podać plik .p12 i pole auth_password_file, albo certyfikat PEM razem z polem auth_key.",
        ) from error
    if certificate is None or not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise ConfigError(f"Plik PKCS#12 z pola „auth_cert” ({where}) nie ma klucza EC lub RSA i certyfikatu.")
    return Credential(certificate, key)


def _certificate(raw: bytes, where: str) -> x509.Certificate:
    try:
        if b"BEGIN CERTIFICATE" in raw:
            return x509.load_pem_x509_certificate(raw)
        return x509.load_der_x509_certificate(raw)
    except ValueError as error:
        raise ConfigError(f"Plik z pola „auth_cert” ({where}) nie jest certyfikatem PEM ani DER.") from error


def _key(raw: bytes, password: bytes | None, where: str) -> PrivateKey:
    load = serialization.load_pem_private_key if b"BEGIN" in raw else serialization.load_der_private_key
    try:
        key = load(raw, password)
    except TypeError as error:
        cure = "jest zaszyfrowany, a nie podano hasła" if password is None else "nie jest zaszyfrowany, a podano hasło"
        raise ConfigError(f"Klucz z pola „auth_key” ({where}) {cure} (pole auth_password_file).") from error
    except ValueError as error:
        raise ConfigError(f"Klucza z pola „auth_key” ({where}) nie udało się odczytać: złe hasło albo plik.") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise ConfigError(f"Klucz z pola „auth_key” ({where}) nie jest kluczem EC ani RSA.")
    return key


def _check(credential: Credential, where: str) -> None:
    """The key belongs to the certificate, is long enough, and the certificate may authenticate."""
    if credential.key.public_key() != credential.certificate.public_key():
        raise ConfigError(f"Klucz i certyfikat ({where}) nie należą do siebie.")
    if credential.key.key_size < (256 if isinstance(credential.key, ec.EllipticCurvePrivateKey) else 2048):
        raise ConfigError(f"Klucz ({where}) jest za krótki: {credential.key.key_size} bitów.")
    try:
        usage = credential.certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return
    if usage.content_commitment and not usage.digital_signature:
        raise ConfigError(
            f"Certyfikat z pola „auth_cert” ({where}) jest typu Offline i nie służy do logowania.",
            "Proszę podać certyfikat KSeF typu Authentication; certyfikat Offline należy do pola offline_cert.",
        )


def _password(path: Path | None, where: str) -> bytes | None:
    return None if path is None else secret_line(path, f"auth_password_file ({where})")


def secret_line(path: Path, name: str) -> bytes:
    """The first line of a password file, without its line end; `name` is its field. Raises ConfigError by field."""
    return _read(path, name).split(b"\n", 1)[0].rstrip(b"\r")


def _read(path: Path, name: str, *, secret: bool = True) -> bytes:
    """The bytes of a file. Raises ConfigError when it cannot be read, or is a secret open to everybody."""
    try:
        if secret and path.stat().st_mode & _OTHERS_MAY:
            raise ConfigError(
                f"Plik z pola „{name}” może czytać każdy użytkownik systemu: {path}.",
                f"Proszę odebrać te prawa: chmod 640 {path}",
            )
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"Nie można odczytać pliku z pola „{name}”: {path} ({error.strerror}).") from error
