"""May this credential be used for that? Every refusal names what is wrong and the cure. Pure; `now` by KSeF's clock."""

from datetime import datetime

from certs.reading import Credential, Use
from spool.domain.calendar import WARSAW
from spool.domain.errors import CredentialRefused

OTHER = {Use.AUTH: Use.OFFLINE, Use.OFFLINE: Use.AUTH}
_DOES_NOT = {Use.AUTH: "nie służy do logowania", Use.OFFLINE: "nie służy do KODU II"}


def refuse_other_type(credential: Credential, use: Use, where: str, belongs: str) -> None:
    """Raises CredentialRefused for a certificate that KSeF issued for the other use; `belongs` says where it goes."""
    other = OTHER[use]
    if credential.uses == {other.kind}:
        raise CredentialRefused(
            "cert_wrong_type",
            f"Certyfikat ({where}) jest typu {other.kind} i {_DOES_NOT[use]}.",
            f"Proszę podać certyfikat KSeF typu {use.kind}; certyfikat {other.kind} należy do {belongs}.",
        )


def refuse_out_of_time(credential: Credential, now: datetime, where: str) -> None:
    """Raises CredentialRefused for one that is not valid yet or not any more."""
    since, until = credential.certificate.not_valid_before_utc, credential.certificate.not_valid_after_utc
    if now < since:
        raise CredentialRefused(
            "cert_not_yet_valid",
            f"Certyfikat ({where}) będzie ważny dopiero od {_day(since)}.",
            "Proszę zainstalować go wtedy; do tego czasu działa poprzedni. Jeśli data jest błędna, proszę sprawdzić "
            "zegar tego serwera.",
        )
    if now > until:
        raise CredentialRefused(
            "cert_expired",
            f"Certyfikat ({where}) stracił ważność {_day(until)}.",
            "Potrzebny jest nowy certyfikat KSeF.",
        )


def _day(moment: datetime) -> str:
    return f"{moment.astimezone(WARSAW):%d.%m.%Y %H:%M}"
