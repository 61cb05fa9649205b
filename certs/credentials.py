"""What each context signs in with and signs KOD II with, and until when: for people, never the secrets themselves."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from certs import keyring, kod2, rotation, tls
from certs.expiry import Expiry
from certs.reading import Credential, Use, secret
from spool.domain.calendar import WARSAW
from spool.domain.environments import SANDBOX
from spool.domain.errors import ConfigError
from spool.domain.municipality import Context

TOKENS_END = datetime(2026, 12, 31, 23, 59, 59, tzinfo=WARSAW).astimezone(UTC)
"""The last moment at which a KSeF token lets anybody in (protocol §12)."""
PURPOSES = {
    Use.AUTH: "logowanie do KSeF (certyfikat typu 1)",
    Use.OFFLINE: "KOD II w trybie offline (certyfikat typu 2)",
}
TLS_OWN = "urząd certyfikacji punktu zrzutu"
TLS_SUPPLIED = "certyfikat TLS punktu zrzutu"
_NEW_CA = "Wymiana z czasem dla jednostek: sluza certs rotate-tls."
_EXCHANGE = "Potem bramka używa nowego; do tego dnia każda jednostka musi dostać nowy plik ca.pem z serwera bramki."
_NEW_TLS = "Nowy certyfikat i klucz proszę podać w polach http.cert i http.key, potem: systemctl restart sluza."
FROM_KSEF = "Aplikacja Podatnika KSeF albo Moduł Certyfikatów i Uprawnień (po zalogowaniu pieczęcią lub podpisem)"
"""Where a person gets a KSeF certificate without one."""


@dataclass(frozen=True)
class Known:
    """One credential of a context: `role` is auth, offline, token or (of no context) tls; `place` is where it lies.

    `problem` says why nothing is known of it. `used`: False when another one is used instead; `replaced`: it was used
    before that one, and is valid as long as nobody revokes it.
    """

    context: str
    role: str
    purpose: str
    expiry: Expiry | None = None
    problem: str = ""
    cure: str = ""
    place: str = ""
    used: bool = True
    key: str = ""
    replaced: bool = False


def look(context: Context) -> list[Known]:
    """Reads the files of a context; what cannot be read is told by `problem`, nothing is raised."""
    found: list[Known] = []
    for use in Use:
        try:
            found += _pairs(context, use)
        except ConfigError as error:
            found.append(Known(context.id, use, PURPOSES[use], problem=f"{error} {error.hint}".strip()))
    if context.token_file is not None:
        found.append(_token(context, idle=any(one.role == Use.AUTH for one in found)))
    return found


def look_at_tls(directory: Path, supplied: Path | None) -> list[Known]:
    """The certificate of the drop-point: the town hall's own, else our authority, and its exchange if one is planned.

    `directory` is where our authority lies; nothing is known before the gateway has made one.
    """
    try:
        if supplied is not None:
            found = x509.load_pem_x509_certificate(secret(supplied, "pole „http.cert”", exposed_too=True))
            return [_of_tls(TLS_SUPPLIED, found.not_valid_before_utc, found.not_valid_after_utc, supplied, _NEW_TLS)]
        until, exchange = tls.good_until(directory), rotation.planned(directory)
    except (ConfigError, ValueError) as error:
        return [Known("", "tls", TLS_SUPPLIED if supplied else TLS_OWN, problem=str(error), cure=_NEW_TLS)]
    if until is None:
        return []
    if exchange is not None:
        return [_of_tls(TLS_OWN, None, exchange, directory / rotation.CA, _EXCHANGE)]
    return [_of_tls(TLS_OWN, None, until, directory / rotation.CA, _NEW_CA)]


def _of_tls(purpose: str, since: datetime | None, until: datetime, place: Path, cure: str) -> Known:
    expiry = Expiry(purpose, "", "", since or datetime.min.replace(tzinfo=UTC), until)
    return Known("", "tls", purpose, expiry, cure=cure, place=str(place))


def _pairs(context: Context, use: Use) -> list[Known]:
    """The pairs for this use; the one that is valid longest is used. And the one before it, where it lies beside."""
    pairs = list(keyring.found(context, use))
    best = keyring.chosen([one for _, one in pairs])
    offered = [
        Known(
            context.id,
            use,
            PURPOSES[use],
            _expiry(PURPOSES[use], one),
            cure=_cure(context, use),
            place=place,
            used=one is best,
            key=key_words(one),
        )
        for place, one in pairs
    ]
    return offered + _replaced(context, use, [one.certificate for _, one in pairs])


def _replaced(context: Context, use: Use, offered: list[x509.Certificate]) -> list[Known]:
    safe = keyring.safe_of(context)
    before = safe.previous(use) if safe else None
    if safe is None or before is None or before in offered:
        return []
    serial = kod2.serial_of(before)
    cure = f"Gdy wydał go KSeF i nie jest już potrzebny: sluza certs revoke {serial} --context {context.id}."
    expiry = _expiry_of(PURPOSES[use], before)
    return [
        Known(
            context.id,
            use,
            PURPOSES[use],
            expiry,
            cure=cure,
            place=str(safe.previous_path(use)),
            used=False,
            replaced=True,
        )
    ]


def key_words(credential: Credential) -> str:
    """Kind and length of the key."""
    kind = "EC" if isinstance(credential.key, ec.EllipticCurvePrivateKey) else "RSA"
    return f"{kind} {credential.key.key_size}"


def _cure(context: Context, use: Use) -> str:
    """Who renews it, and how a person does."""
    by_hand = f"sluza certs import PLIK --context {context.id} --use {use}"
    if use is Use.OFFLINE and context.token_file and not context.auth_cert:
        return f"Nowy wydaje KSeF ({FROM_KSEF}); instaluje go: {by_hand}."
    itself = f"Śluza odnowi go sama {context.renew_days:g} dni przed końcem" if context.renew_days else "Odnowienie"
    return (
        f"{itself}; od razu: sluza certs enrol --context {context.id} --use {use}. Gdy stary już nie wpuszcza do KSeF, "
        f"nowy wydaje {FROM_KSEF}; instaluje go: {by_hand}."
    )


def _token(context: Context, *, idle: bool) -> Known:
    purpose = "logowanie do KSeF tokenem"
    ends = TOKENS_END if context.environment != SANDBOX.name else None
    expiry = Expiry(purpose, "", "", datetime(2026, 1, 1, tzinfo=UTC), ends)
    place = f"pole „token_file”, kontekst „{context.id}”"
    cure = (
        f"Potem potrzebny jest certyfikat KSeF typu 1: wydaje go {FROM_KSEF}, a instaluje: sluza certs import PLIK "
        f"--context {context.id} --use auth. Token sam o certyfikat nie może poprosić."
    )
    if idle:
        cure = "Kontekst loguje się certyfikatem, więc token nie jest używany: pole token_file można usunąć."
    return Known(context.id, "token", purpose, expiry, cure=cure, place=place, used=not idle)


def _expiry(purpose: str, credential: Credential) -> Expiry:
    return _expiry_of(purpose, credential.certificate)


def _expiry_of(purpose: str, cert: x509.Certificate) -> Expiry:
    name, serial = cert.subject.rfc4514_string(), kod2.serial_of(cert)
    return Expiry(purpose, name, serial, cert.not_valid_before_utc, cert.not_valid_after_utc)
