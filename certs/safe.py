"""The safe of one context: the pairs that `sluza certs` and the agent keep themselves, and requests under way.

`<state>/keys/<context>/auth.pem` and `offline.pem` hold certificate and key together, so that one rename exchanges
both; the pair before stays beside as `….previous.pem`. `….request.json` holds the key of a certificate that KSeF was
asked for, until that certificate lies here: an issued certificate without its key would be lost. Everything is 0600
in 0700. With a password the keys are PKCS#8 encrypted with it, as openssl writes and reads them.
"""

import json
import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO

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

    def __init__(self, directory: Path, password_file: Path | None) -> None:
        self._directory = directory
        self._password_file = password_file

    def path(self, use: Use) -> Path:
        """Where the pair of this use lies, if there is one."""
        return self._directory / f"{use}.pem"

    def load(self, use: Use) -> Credential | None:
        """The pair, None where there is none. Raises CredentialRefused."""
        path = self.path(use)
        if not path.exists():
            return None
        name = f"klucz z {path}"
        raw = secret(path, name)
        give = "pole keys.password_file albo poświadczenie systemd"
        return pair(raw, None, self._password_for(raw), Source(str(path), str(path), str(path), "klucz", give))

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
            self._write(path.with_suffix(".previous.pem"), before)
        self._write(path, own + credential.sealed_key(self.password()))

    def seal(self) -> list[Path]:
        """Encrypt with the present password whatever lies here open; the files that changed. Raises as `install`."""
        password, changed = self.password(), []
        for path in sorted(self._directory.glob("*.pem")) if password else []:
            raw = secret(path, path.name)
            if _ENCRYPTED not in raw:
                opened = pair(raw, None, None, Source(str(path), str(path), str(path), "klucz", ""))
                self._write(path, opened.certificate_pem.encode() + opened.sealed_key(password))
                changed.append(path)
        return changed

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
        try:
            key = serialization.load_pem_private_key(raw, self._password_for(raw))
        except (ValueError, TypeError) as error:
            where = self._request_path(request.use)
            raise CredentialRefused(
                "cert_password_wrong",
                f"Nie udało się otworzyć klucza z wniosku {where}: złe hasło.",
                "Proszę sprawdzić pole keys.password_file.",
            ) from error
        assert isinstance(key, PrivateKey), "we made it"
        return key

    def forget(self, use: Use) -> None:
        """A request that is over."""
        files.remove(self._request_path(use))

    def _password_for(self, raw: bytes) -> bytes | None:
        """The password, for a key that is encrypted: those of an earlier time may lie open."""
        return self.password() if _ENCRYPTED in raw else None

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
