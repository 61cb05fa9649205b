"""The end of a certificate before its time, asked of KSeF by a person: a replaced one, or one whose key was seen.

KSeF is asked for the certificate first, so that what it does not know, or has ended already, is a sentence. An answer
that was lost costs nothing: the next run finds the certificate revoked. Source: protocol §14.
"""

from enum import StrEnum

from agent.ksef.api import NoAnswer
from agent.ksef.certificates import ACTIVE, REVOKED, Certificates
from spool.domain.errors import CredentialRefused

_REVOKED_ALREADY = "http:25009"


class Reason(StrEnum):
    """KSeF's words for why."""

    SUPERSEDED = "Superseded"
    KEY_COMPROMISE = "KeyCompromise"
    UNSPECIFIED = "Unspecified"


async def revoke(calls: Certificates, serial: str, reason: Reason) -> bool:
    """True when KSeF revokes it now, False when it was revoked before.

    Raises CredentialRefused for one that KSeF does not know or that has ended, NoAnswer.
    """
    found = next((one for one in await calls.listed(serial=serial) if one.serial == serial), None)
    if found is None:
        raise CredentialRefused(
            "cert_unknown",
            f"KSeF nie zna certyfikatu nr {serial} wśród certyfikatów tego, kto się loguje.",
            "Numery podaje sluza certs list. Pieczęć i podpis kwalifikowany unieważnia ich wystawca, nie KSeF.",
        )
    if found.status == REVOKED:
        return False
    if found.status != ACTIVE:
        raise CredentialRefused(
            "cert_ended",
            f"Certyfikat nr {serial} już nie działa (w KSeF: {found.status}).",
            "Nie ma czego unieważniać.",
        )
    try:
        await calls.revoke(serial, reason.value)
    except NoAnswer as no:
        if no.code != _REVOKED_ALREADY:
            raise
        return False
    return True
