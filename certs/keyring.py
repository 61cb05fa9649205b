"""Finds the credentials of a context: a KSeF Authentication certificate or a token to log in with, and the Offline
certificate that signs KOD II.

A credential is named by fields of the configuration (`certs.reading` says what files may hold) or lies in the
context's safe; where both have one, the one that is valid longer is used. A certificate of the other type is refused
here, before KSeF refuses it: Offline (keyUsage nonRepudiation) does not log in, Authentication (digitalSignature)
does not sign KOD II. So is a secret that everybody on the machine may read (faults X23). Sources: protocol §2.4, §13,
§14.
"""

from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from certs import practice
from certs.fitness import OTHER, refuse_other_type
from certs.reading import Credential, Source, Use, certificate_file, pair, secret, secret_line
from certs.safe import Safe
from spool.domain.errors import ConfigError
from spool.domain.municipality import Context


def authentication(context: Context) -> Credential | None:
    """The Authentication credential of a context; None when it has only a token. Raises ConfigError by field."""
    return _best(context, Use.AUTH)


def offline(context: Context) -> Credential | None:
    """The Offline credential of a context, for KOD II; None when none is configured. Raises ConfigError by field."""
    return _best(context, Use.OFFLINE)


def found(context: Context, use: Use) -> Iterator[tuple[str, Credential]]:
    """Every pair for this use, with the words for where it lies. Raises ConfigError by field."""
    fields = _Fields(use, context)
    configured = fields.load()
    if configured is not None:
        refuse_other_type(configured, use, fields.place("cert"), f"pola {OTHER[use]}_cert")
        yield fields.place("cert"), configured
    safe = safe_of(context)
    kept = safe.load(use) if safe else None
    if safe is not None and kept is not None:
        refuse_other_type(kept, use, str(safe.path(use)), "innego pliku")
        yield str(safe.path(use)), kept
    if context.own_sandbox and use is Use.AUTH and not (configured or kept or context.token_file):
        yield "piaskownica", _practice(context)


@cache
def _practice(context: Context) -> Credential:
    """What a training logs in with as long as nobody gives it anything else; it never leaves this process."""
    certificate, key = practice.seal("Szkolenie", context.nip)
    words = "certyfikat próbny"
    return pair(certificate, key, None, Source(words, words, words, words, words))


def safe_of(context: Context) -> Safe | None:
    """The safe of a context; None only for one that was not read from a configuration."""
    if context.safe is None:
        return None
    return Safe(context.safe, context.safe_password_file, context.safe_previous_file)


def token(context: Context) -> str | None:
    """The KSeF token of a context, without surrounding blanks; None when it has none. Raises ConfigError by field."""
    if context.token_file is None:
        return None
    name = f"pole „token_file”, kontekst „{context.id}”"
    raw = secret(context.token_file, name)
    try:
        text = raw.decode("ascii").strip()
    except UnicodeDecodeError:
        text = ""
    if not text or any(c.isspace() for c in text):
        raise ConfigError(f"Plik nie zawiera tokena KSeF w jednym wierszu ({name}).")
    return text


def refuse_empty_handed(context: Context) -> None:
    """Raises ConfigError for a context that has nothing to log in with, or something that cannot be used."""
    if authentication(context) is None and token(context) is None:
        raise ConfigError(
            f"Kontekst „{context.id}” nie ma czym zalogować się do KSeF.",
            f"Proszę zainstalować certyfikat KSeF typu 1: sluza certs import PLIK --context {context.id} --use auth "
            "(albo podać pola auth_cert i auth_key).",
        )


def files_of(context: Context, use: Use) -> list[Path]:
    """The files whose change may mean another credential."""
    fields, safe = _Fields(use, context), safe_of(context)
    named = [fields.cert, fields.key, fields.password_file, safe.path(use) if safe else None]
    return [path for path in named if path is not None]


def _best(context: Context, use: Use) -> Credential | None:
    return chosen([credential for _, credential in found(context, use)])


def chosen(pairs: Sequence[Credential]) -> Credential | None:
    """The pair that is valid longest; of two that end together the one in the safe, which is the last."""
    return sorted(pairs, key=lambda one: one.certificate.not_valid_after_utc)[-1] if pairs else None


class _Fields:
    """The fields of one credential in the configuration."""

    def __init__(self, use: Use, context: Context) -> None:
        auth = use is Use.AUTH
        self._use, self._context_id = use, context.id
        self.cert = context.auth_cert if auth else context.offline_cert
        self.key = context.auth_key if auth else context.offline_key
        self.password_file = context.auth_password_file if auth else context.offline_password_file

    def place(self, field_name: str) -> str:
        """A field of this credential with its context, for messages."""
        return f"pole „{self._use}_{field_name}”, kontekst „{self._context_id}”"

    def load(self) -> Credential | None:
        """Certificate and key that belong together; None when there is no certificate."""
        if self.cert is None:
            if self.key is not None:
                raise ConfigError(f"Brakuje pola „{self._use}_cert” do klucza ({self.place('key')}).")
            return None
        source = Source(
            self.place("cert"),
            self.place("key") if self.key else self.place("cert"),
            f"pola „{self._use}_…”, kontekst „{self._context_id}”",
            f"pole {self._use}_key",
            f"pole {self._use}_password_file",
        )
        password = secret_line(self.password_file, self.place("password_file")) if self.password_file else None
        cert = certificate_file(self.cert, self.place("cert"), key_apart=self.key is not None)
        key = secret(self.key, self.place("key")) if self.key else None
        return pair(cert, key, password, source)
