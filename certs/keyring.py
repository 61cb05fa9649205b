"""Finds the credentials of a context: a KSeF Authentication certificate or a token to log in with, and the Offline
certificate that signs KOD II.

PEM or DER certificate with a key file, or one PKCS#12 file; EC (at least 256 bits) and RSA (at least 2048). A
certificate of the other type is refused here, before KSeF refuses it: Offline (keyUsage nonRepudiation) does not log
in, Authentication (digitalSignature) does not sign KOD II. So is a secret that everybody on the machine may read
(faults X23). Sources: protocol §2.4, §13, §14.
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
_AUTHENTICATION, _OFFLINE = "Authentication", "Offline"  # KSeF's certificate types, told by keyUsage


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
    files = _Files("auth", context.id, context.auth_cert, context.auth_key, context.auth_password_file)
    credential = files.load()
    if credential and _usages(credential) == {_OFFLINE}:
        raise ConfigError(
            f"Certyfikat z pola „auth_cert” ({files.where}) jest typu Offline i nie służy do logowania.",
            "Proszę podać certyfikat KSeF typu Authentication; certyfikat Offline należy do pola offline_cert.",
        )
    return credential


def offline(context: Context) -> Credential | None:
    """The Offline credential of a context, for KOD II; None when none is configured. Raises ConfigError by field."""
    files = _Files("offline", context.id, context.offline_cert, context.offline_key, context.offline_password_file)
    credential = files.load()
    if credential and _usages(credential) == {_AUTHENTICATION}:
        raise ConfigError(
            f"Certyfikat z pola „offline_cert” ({files.where}) jest typu Authentication i nie służy do KODU II.",
            "Proszę podać certyfikat KSeF typu Offline; certyfikat Authentication należy do pola auth_cert.",
        )
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


@dataclass(frozen=True)
class _Files:
    """The files of one credential; `kind` is how the names of their fields begin."""

    kind: str
    context_id: str
    cert: Path | None
    key: Path | None
    password_file: Path | None

    @property
    def where(self) -> str:
        """The context, for messages."""
        return f"context „{self.context_id}”"

    def name(self, field_name: str) -> str:
        """A field of this credential, for messages that have no place for the context of their own."""
        return f"{self.kind}_{field_name} ({self.where})"

    def load(self) -> Credential | None:
        """Certificate and key that belong together; None when there is no certificate."""
        if self.cert is None:
            if self.key is not None:
                raise ConfigError(f"Pole „{self.kind}_key” ({self.where}) jest bez pola „{self.kind}_cert”.")
            return None
        password = self._password()
        credential = self._pair(self.cert, self.key, password) if self.key else self._pkcs12(self.cert, password)
        if credential.key.public_key() != credential.certificate.public_key():
            raise ConfigError(f"Klucz i certyfikat z pól „{self.kind}_…” ({self.where}) nie należą do siebie.")
        least = 256 if isinstance(credential.key, ec.EllipticCurvePrivateKey) else 2048
        if credential.key.key_size < least:
            size = credential.key.key_size
            raise ConfigError(f"Klucz z pól „{self.kind}_…” ({self.where}) jest za krótki: {size} bitów.")
        return credential

    def _pair(self, cert: Path, key: Path, password: bytes | None) -> Credential:
        certificate = self._certificate(_read(cert, self.name("cert"), secret=False))
        return Credential(certificate, self._key(_read(key, self.name("key")), password))

    def _pkcs12(self, path: Path, password: bytes | None) -> Credential:
        raw = _read(path, self.name("cert"))
        field_name = f"„{self.kind}_cert” ({self.where})"
        try:
            key, certificate, _ = pkcs12.load_key_and_certificates(raw, password)
        except ValueError as error:
            raise ConfigError(
                f"Pliku PKCS#12 z pola {field_name} nie udało się otworzyć: złe hasło albo zły plik.",
                f"Proszę podać plik .p12 i pole {self.kind}_password_file, "
                f"albo certyfikat PEM razem z polem {self.kind}_key.",
            ) from error
        if certificate is None or not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
            raise ConfigError(f"Plik PKCS#12 z pola {field_name} nie ma klucza EC lub RSA i certyfikatu.")
        return Credential(certificate, key)

    def _certificate(self, raw: bytes) -> x509.Certificate:
        try:
            if b"BEGIN CERTIFICATE" in raw:
                return x509.load_pem_x509_certificate(raw)
            return x509.load_der_x509_certificate(raw)
        except ValueError as error:
            raise ConfigError(
                f"Plik z pola „{self.kind}_cert” ({self.where}) nie jest certyfikatem PEM ani DER."
            ) from error

    def _key(self, raw: bytes, password: bytes | None) -> PrivateKey:
        name = f"„{self.kind}_key” ({self.where})"
        load = serialization.load_pem_private_key if b"BEGIN" in raw else serialization.load_der_private_key
        try:
            key = load(raw, password)
        except TypeError as error:
            missing = "jest zaszyfrowany, a nie podano hasła"
            cure = missing if password is None else "nie jest zaszyfrowany, a podano hasło"
            raise ConfigError(f"Klucz z pola {name} {cure} (pole {self.kind}_password_file).") from error
        except ValueError as error:
            raise ConfigError(f"Klucza z pola {name} nie udało się odczytać: złe hasło albo plik.") from error
        if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
            raise ConfigError(f"Klucz z pola {name} nie jest kluczem EC ani RSA.")
        return key

    def _password(self) -> bytes | None:
        return None if self.password_file is None else secret_line(self.password_file, self.name("password_file"))


def _usages(credential: Credential) -> set[str]:
    """Which of the two uses of a KSeF certificate its keyUsage allows; none when it has no keyUsage at all."""
    try:
        usage = credential.certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return set()
    uses = {_AUTHENTICATION: usage.digital_signature, _OFFLINE: usage.content_commitment}
    return {name for name, allowed in uses.items() if allowed}


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
