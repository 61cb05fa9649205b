"""Encryption of backups in the format of age (age-encryption.org/v1), which other tools open, too.

Only the recipient's public key is on this machine; what it has sealed, it cannot read again. pyrage does not always
report what its writer raised, so the writer here remembers it.
"""

from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Protocol

from spool.domain.errors import ConfigError, SpoolError

ENDING = ".age"
"""Of the name of what is encrypted."""


class Writer(Protocol):
    """What is written into."""

    def write(self, data: bytes, /) -> int:
        """All of it. Raises OSError."""

    def flush(self) -> None:
        """As of a file."""


def recipient(text: str) -> Any:
    """A public key `age1…`. Raises ConfigError."""
    import pyrage  # only where something is encrypted: every command reads the table

    try:
        return pyrage.x25519.Recipient.from_str(text.strip())
    except pyrage.RecipientError as error:
        cure = "Klucz publiczny (age1…) wypisuje age-keygen; klucz prywatny zostaje poza tym serwerem."
        raise ConfigError(f"To nie jest klucz publiczny age: {text!r}.", cure) from error


def identities(path: Path) -> list[Any]:
    """The secret keys of a file that age-keygen wrote. Raises ConfigError."""
    import pyrage

    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        keys = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
        found = [pyrage.x25519.Identity.from_str(key) for key in keys]
    except OSError as error:
        raise ConfigError(f"Nie można odczytać pliku klucza {path}: {error.strerror}.") from error
    except (UnicodeDecodeError, pyrage.IdentityError) as error:
        raise ConfigError(f"Plik {path} nie jest kluczem prywatnym age.", _KEY) from error
    if not found:
        raise ConfigError(f"W pliku {path} nie ma klucza prywatnego age.", _KEY)
    return found


_KEY = "Potrzebny jest plik z age-keygen, z wierszem AGE-SECRET-KEY-1…"


def seal(read: Callable[[int], bytes], into: Writer, to: str) -> None:
    """Encrypt what `read` gives until it gives nothing. Raises what `read` or the writing raised."""
    import pyrage

    line = _Line(read, into)
    try:
        pyrage.encrypt_io(line, line, [recipient(to)])
    except Exception as error:
        raise line.failed or error from error
    if line.failed:
        raise line.failed


def unseal(source: IO[bytes], into: Writer, keys: list[Any]) -> None:
    """Decrypt to the end, where age proves that nothing is missing. Raises SpoolError; OSError of the disk."""
    import pyrage

    line = _Line(source.read, into)
    try:
        pyrage.decrypt_io(line, line, keys)
    except Exception as error:
        if line.failed:
            raise line.failed from error
        cure = "Proszę sprawdzić, czy to klucz tej kopii, i spróbować starszej kopii."
        raise SpoolError("Kopii nie da się odszyfrować: inny klucz albo uszkodzony plik.", cure) from error
    if line.failed:
        raise line.failed


class _Line:
    """Both ends as pyrage wants them, in one object that remembers the first thing that went wrong with it."""

    def __init__(self, read: Callable[[int], bytes], into: Writer) -> None:
        self._read, self._into = read, into
        self.failed: Exception | None = None

    def read(self, size: int = -1) -> bytes:
        """Some bytes, none at the end."""
        return bytes(self._kept(self._read, size))

    def write(self, data: bytes) -> int:
        """Everything, or it is remembered that it was not."""
        return int(self._kept(self._into.write, data))

    def flush(self) -> None:
        """As of a file."""
        self._kept(self._into.flush)

    def _kept(self, call: Callable[..., Any], *values: Any) -> Any:
        try:
            return call(*values)
        except Exception as error:
            self.failed = self.failed or error
            raise
