"""A new authority for the drop-point, with a time in which units hold both.

`begin` makes the next authority beside the present one and puts both into `ca.pem`, which the units are given anew; the
server's certificate stays as it was. From the day of the exchange on it is issued by the next one (`settle`, which
`certs.tls.refresh` calls), and `ca.pem` holds that one alone. `rotation.json` is the commit: before it is written
nothing has begun, and while it is there every step may be done again.
"""

import json
from datetime import datetime
from pathlib import Path

from spool import files
from spool.domain.errors import ConfigError

CA, CA_KEY = "ca.pem", "ca.key"
_NEXT, _NEXT_KEY, _PLAN = "ca-next.pem", "ca-next.key", "rotation.json"
_END = b"-----END CERTIFICATE-----\n"


def planned(directory: Path) -> datetime | None:
    """The moment of the exchange, None when none is under way. Raises ConfigError for a file that cannot be read."""
    path = directory / _PLAN
    try:
        return datetime.fromisoformat(json.loads(path.read_text(encoding="utf-8"))["exchange_at"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"Nie można odczytać planu wymiany urzędu certyfikacji: {path}.",
            "Proszę usunąć ten plik i rozpocząć wymianę jeszcze raz: sluza certs rotate-tls.",
        ) from error


def begin(directory: Path, certificate: bytes, key: bytes, at: datetime) -> None:
    """Put the next authority beside the present one; `ca.pem` holds both from now on. Raises OSError."""
    files.write(directory / _NEXT_KEY, key, 0o600)
    files.write(directory / _NEXT, certificate, 0o644)
    put_forward(directory, at)
    _hand_out_both(directory)


def put_forward(directory: Path, at: datetime) -> None:
    """The moment of the exchange. Raises OSError."""
    files.write(directory / _PLAN, json.dumps({"exchange_at": at.isoformat()}).encode(), 0o600)


def cancel(directory: Path) -> None:
    """Back to the present authority alone. Raises OSError."""
    files.remove(directory / _PLAN)
    files.write(directory / CA, _first(directory / CA), 0o644)
    _tidy(directory)


def settle(directory: Path, now: datetime) -> bool:
    """Bring what was begun as far as it should be by now; True when the next authority has taken over. Raises
    ConfigError, OSError."""
    at = planned(directory)
    if at is None:
        return False
    if now < at:
        _hand_out_both(directory)
        return False
    # Until the plan is gone all of this is done again, from files that are still there.
    files.write(directory / CA_KEY, (directory / _NEXT_KEY).read_bytes(), 0o600)
    files.write(directory / CA, (directory / _NEXT).read_bytes(), 0o644)
    files.remove(directory / _PLAN)
    _tidy(directory)
    return True


def _hand_out_both(directory: Path) -> None:
    both = _first(directory / CA) + (directory / _NEXT).read_bytes()
    if (directory / CA).read_bytes() != both:
        files.write(directory / CA, both, 0o644)


def _first(path: Path) -> bytes:
    """The authority that signs now: the first in the file."""
    return path.read_bytes().partition(_END)[0] + _END


def _tidy(directory: Path) -> None:
    for name in (_NEXT, _NEXT_KEY):
        files.remove(directory / name)
