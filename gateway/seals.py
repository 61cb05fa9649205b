"""KOD II of our own documents: which context has a valid Offline certificate, and the link signed with it."""

from collections.abc import Callable
from datetime import datetime

from certs import kod2, watched
from spool.access import Spool
from spool.clock import Clock
from spool.domain.ledger import Document, Kod2
from spool.domain.municipality import Municipality

Seal = Callable[[str, str, str], Kod2 | None]
"""Signs KOD II for context, seller NIP and hex SHA-256; None where that context has no valid Offline certificate."""


def no_seal(_context: str, _seller_nip: str, _sha256: str) -> None:
    """For a front door without keys."""


async def seal_now(spool: Spool, seal: Seal, document: Document, now: datetime) -> bool:
    """Sign what became an offline document after its intake; True when there is a code now that was not there."""
    if document.kod2_url:
        return False
    kod2 = seal(document.context, document.facts.seller_nip, document.sha256)
    await spool.write(lambda store: store.seal(document, kod2, now))
    return kod2 is not None


class Seals:
    """The Offline credentials of all contexts, each read again when it changes. Raises ConfigError by field."""

    def __init__(self, municipality: Municipality, clock: Clock) -> None:
        self._contexts = municipality.contexts
        self._clock = clock
        self._credentials = {name: watched.offline(context) for name, context in self._contexts.items()}

    def __call__(self, context_id: str, seller_nip: str, sha256: str) -> Kod2 | None:
        """The signed link with the serial number behind it."""
        context = self._contexts.get(context_id)
        credential = self._credentials[context_id]() if context else None
        if context is None or credential is None or not kod2.valid_at(credential, self._clock()):
            return None
        url = kod2.kod2_url(
            credential,
            qr_url=context.qr_url,
            context_type=context.type.value,
            context_value=context.value,
            seller_nip=seller_nip,
            sha256_hex=sha256,
        )
        return Kod2(url, kod2.serial(credential))
