"""What each context signs in with and signs KOD II with, and until when: for people, never the secrets themselves."""

from dataclasses import dataclass
from datetime import UTC, datetime

from certs import keyring
from certs.expiry import Expiry
from spool.domain.calendar import WARSAW
from spool.domain.environments import SANDBOX
from spool.domain.errors import ConfigError
from spool.domain.municipality import Context

TOKENS_END = datetime(2026, 12, 31, 23, 59, 59, tzinfo=WARSAW).astimezone(UTC)
"""The last moment at which a KSeF token lets anybody in (protocol §12)."""
_CERTIFICATE = "Nowy certyfikat wydaje KSeF; proszę podać go w konfiguracji i uruchomić Śluzę ponownie."
_WITHOUT_TOKENS = "Potem potrzebny jest certyfikat KSeF typu 1 (pole auth_cert)."


@dataclass(frozen=True)
class Known:
    """One credential of a context: `role` is auth, offline or token; `problem` says why nothing is known of it."""

    context: str
    role: str
    purpose: str
    expiry: Expiry | None = None
    problem: str = ""
    cure: str = _CERTIFICATE


def look(context: Context) -> list[Known]:
    """Reads the files of a context; what cannot be read is told by `problem`, nothing is raised."""
    found = []
    for role, load, purpose in (
        ("auth", keyring.authentication, "logowanie do KSeF (certyfikat typu 1)"),
        ("offline", keyring.offline, "KOD II w trybie offline (certyfikat typu 2)"),
    ):
        try:
            credential = load(context)
        except ConfigError as error:
            found.append(Known(context.id, role, purpose, problem=f"{error} {error.hint}".strip()))
            continue
        if credential is not None:
            found.append(Known(context.id, role, purpose, _expiry(purpose, credential)))
    if context.token_file is not None:
        purpose = "logowanie do KSeF tokenem"
        ends = TOKENS_END if context.environment != SANDBOX.name else None
        began = datetime(2026, 1, 1, tzinfo=UTC)
        found.append(Known(context.id, "token", purpose, Expiry(purpose, "", "", began, ends), cure=_WITHOUT_TOKENS))
    return found


def _expiry(purpose: str, credential: keyring.Credential) -> Expiry:
    cert = credential.certificate
    name, serial = cert.subject.rfc4514_string(), f"{cert.serial_number:x}"
    return Expiry(purpose, name, serial, cert.not_valid_before_utc, cert.not_valid_after_utc)
