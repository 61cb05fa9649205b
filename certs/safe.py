"""The safe of one context: the pairs that `sluza certs` and the agent keep themselves, and requests under way.

`<state>/keys/<context>/auth.pem` and `offline.pem` hold certificate and key together, so that one rename exchanges
both; the pair before stays beside as `….previous.pem`. `….request.json` holds the key of a certificate that KSeF was
asked for, until that certificate lies here: an issued certificate without its key would be lost. Everything is 0600
in 0700. With a password the keys are PKCS#8 encrypted with it, as openssl writes and reads them. While the password is
being changed, the one before it opens what `seal` has not come to yet.
"""

import json
import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from certs.reading import Credential, PrivateKey, Source, Use, key_pem, pair, secret, secret_line
from spool import files
from spool.domain.errors import ConfigError, CredentialRefused

SHORTEST_PASSWORD = 20
"""Characters; PKCS#8 slows down guessing only a little, so the password must be one that nobody guesses."""
_ENCRYPTED = b"ENCRYPTED PRIVATE KEY"


@dataclass(frozen=True)
class Request:
    """A certificate that KSeF was asked for, or is about to be: `reference` and `serial` once KSeF has said them."""

    use: Use
    name: str
    began: str
    key: str
    reference: str = ""
    serial: str = ""


class Safe:
    """One context's directory of keys; nothing is made before something is put in."""

    def __init__(self, directory: Path, password_file: Path | None, previous_file: Path | None = None) -> None:
        self._directory = directory
        self._password_file = password_file
        self._previous_file = previous_file

    def path(self, use: Use) -> Path:
        """Where the pair of this use lies, if there is one."""
        return self._directory / f"{use}.pem"

    def load(self, use: Use) -> Credential | None:
        """The pair, None where there is none. Raises CredentialRefused."""
        path = self.path(use)
        if not path.exists():
            return None
        return self._pair(path, secret(path, f"klucz z {path}"))

    def is_sealed(self, use: Use) -> bool:
        """True when its key is encrypted."""
        return _ENCRYPTED in secret(self.path(use), f"{use}.pem")

    def install(self, use: Use, credential: Credential) -> None:
        """This pair from now on; the one before stays beside. Raises ConfigError for a bad password, OSError."""
        path, own = self.path(use), credential.certificate_pem.encode()
        before = path.read_bytes() if path.exists() else b""
        if before.startswith(own):
            return  # a run that was cut had come so far: what it replaced is beside already
        if before:
            self._write(self.previous_path(use), before)
        self._write(path, own + credential.sealed_key(self.password()))

    def previous(self, use: Use) -> x509.Certificate | None:
        """The certificate before the present one, if it still lies beside. Raises CredentialRefused."""
        path = self.previous_path(use)
        if not path.exists():
            return None
        try:
            return x509.load_pem_x509_certificate(secret(path, path.name))
        except ValueError as error:
            raise CredentialRefused("cert_unreadable", f"Plik {path} jest uszkodzony.", "Można go usunąć.") from error

    def drop_previous(self, use: Use) -> None:
        """The pair before is of no use to anybody any more."""
        files.remove(self.previous_path(use))

    def seal(self) -> list[Path]:
        """Encrypt with the present password whatever lies here open, or encrypted with the one before; what changed.

        One file after the other, each by one rename: whenever it is cut, every key opens with one of the two. What
        opens with neither is raised when all others are done. Raises CredentialRefused, and as `install`.
        """
        password, changed = self.password(), []
        if password is None or not self._directory.is_dir():
            return []
        files.sweep(self._directory)
        refused: list[CredentialRefused] = []
        for path in [*sorted(self._directory.glob("*.pem")), *map(self._request_path, Use)]:
            try:
                changed += [path] if self._sealed_anew(path, password) else []
            except CredentialRefused as error:
                refused.append(error)
        if refused:
            raise refused[0]
        return changed

    def _sealed_anew(self, path: Path, password: bytes) -> bool:
        """Write this file again with the present password; False where that opens it already."""
        if path.suffix == ".json":
            request = self.request(Use(path.name.partition(".")[0]))
            if request is None or _opens(request.key.encode(), password):
                return False
            self.note(replace(request, key=key_pem(self.key_of(request), password).decode()))
            return True
        raw = secret(path, path.name)
        if _opens(raw, password):
            return False
        opened = self._pair(path, raw)
        self._write(path, opened.certificate_pem.encode() + opened.sealed_key(password))
        return True

    def password(self) -> bytes | None:
        """What keys are encrypted with; None: they are not. Raises ConfigError for one that can be guessed."""
        if self._password_file is None:
            return None
        found = secret_line(self._password_file, "hasło kluczy")
        if len(found) < SHORTEST_PASSWORD:
            raise ConfigError(
                f"Hasło kluczy w pliku {self._password_file} ma mniej niż {SHORTEST_PASSWORD} znaków.",
                f"Proszę je wylosować: openssl rand -hex 32 > {self._password_file}",
            )
        return found

    def request(self, use: Use) -> Request | None:
        """What KSeF was asked for and has not been brought home yet. Raises CredentialRefused for a damaged file."""
        path = self._request_path(use)
        if not path.exists():
            return None
        try:
            told = json.loads(secret(path, path.name))
            return Request(**{**told, "use": Use(told["use"])})
        except (ValueError, TypeError, KeyError) as error:
            raise CredentialRefused(
                "cert_unreadable",
                f"Plik wniosku o certyfikat jest uszkodzony: {path}.",
                "Proszę go zachować (może w nim być klucz wydanego certyfikatu) i przenieść w inne miejsce.",
            ) from error

    def begin(self, use: Use, name: str, began: str, key: PrivateKey) -> Request:
        """Write the intent down, with the new key: from here on the key survives whatever happens. Raises OSError."""
        request = Request(use, name, began, key_pem(key, self.password()).decode())
        self.note(request)
        return request

    def note(self, request: Request, *, reference: str | None = None, serial: str | None = None) -> Request:
        """Write down what KSeF has said about a request. Raises OSError."""
        found = replace(
            request,
            reference=request.reference if reference is None else reference,
            serial=request.serial if serial is None else serial,
        )
        self._write(self._request_path(request.use), json.dumps(asdict(found), indent=1).encode())
        return found

    def key_of(self, request: Request) -> PrivateKey:
        """The private key of a request. Raises CredentialRefused when the password does not open it."""
        raw = request.key.encode()
        for password in self._passwords_for(raw):
            try:
                key = serialization.load_pem_private_key(raw, password)
            except (ValueError, TypeError):
                continue
            assert isinstance(key, PrivateKey), "we made it"
            return key
        where = self._request_path(request.use)
        raise CredentialRefused(
            "cert_password_wrong",
            f"Nie udało się otworzyć klucza z wniosku {where}: złe hasło.",
            "Proszę sprawdzić pola keys.password_file i keys.previous_password_file.",
        )

    def forget(self, use: Use) -> None:
        """A request that is over."""
        files.remove(self._request_path(use))

    def _pair(self, path: Path, raw: bytes) -> Credential:
        """What is in a file of ours. Raises CredentialRefused in the words for the present password."""
        give = "pole keys.password_file albo poświadczenie systemd"
        source = Source(str(path), str(path), str(path), "klucz", give)
        *before, last = self._passwords_for(raw)
        for password in before:
            if _opens(raw, password):
                return pair(raw, None, password, source)
        return pair(raw, None, last, source)

    def _passwords_for(self, raw: bytes) -> list[bytes | None]:
        """What may open a key, the likeliest first: those of an earlier time may lie open, or have the password before.

        Never empty; None where nothing is needed, or nothing is configured.
        """
        if _ENCRYPTED not in raw:
            return [None]
        before = secret_line(self._previous_file, "poprzednie hasło kluczy") if self._previous_file else None
        return [self.password(), *([before] if before else [])]

    def previous_path(self, use: Use) -> Path:
        """Where the pair before lies, if there is one."""
        return self._directory / f"{use}.previous.pem"

    def _request_path(self, use: Use) -> Path:
        return self._directory / f"{use}.request.json"

    def _write(self, path: Path, content: bytes) -> None:
        """Durably, for the owner of the state directory alone, whoever writes: root may run the command."""
        for directory in (self._directory.parent, self._directory):
            if not directory.is_dir():
                files.make_directory(directory, 0o700)
                self._give(directory)
        owner = self._directory.stat()

        def fill(handle: IO[bytes]) -> None:
            handle.write(content)
            if os.geteuid() == 0:
                os.fchown(handle.fileno(), owner.st_uid, owner.st_gid)

        files.produce(path, fill, 0o600)

    def _give(self, directory: Path) -> None:
        """What root makes here belongs to whom everything around it belongs."""
        if os.geteuid() == 0:
            around = directory.parent.stat()
            os.chown(directory, around.st_uid, around.st_gid)


def _opens(raw: bytes, password: bytes | None) -> bool:
    """True when the key in it is encrypted, with this password."""
    if _ENCRYPTED not in raw or password is None:
        return False
    try:
        serialization.load_pem_private_key(raw, password)
    except ValueError:
        return False
    return True
