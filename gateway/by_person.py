"""What a person has done to a document where its bytes are judged again: the same for the pages and the command line.

Moves that judge nothing are `spool.actions`; the history carries the person's name either way.
"""

from dataclasses import dataclass
from datetime import datetime

from gateway.admission import Verdict
from gateway.intake import FrontDoor, Origin
from spool import actions
from spool.access import Spool
from spool.domain.document import Mode
from spool.domain.errors import ConfigError
from spool.domain.ledger import Document
from spool.domain.municipality import Municipality, Unit
from spool.domain.states import State
from spool.law import Rules


@dataclass(frozen=True)
class Desk:
    """What is at hand: the spool, the front door, the municipality with its law, and the time."""

    spool: Spool
    door: FrontDoor
    municipality: Municipality
    rules: Rules
    now: datetime

    def unit(self, unit_id: str) -> Unit:
        """A configured unit. Raises ConfigError for one that is not configured any more."""
        try:
            return self.municipality.units[unit_id]
        except KeyError:
            raise ConfigError(f"Jednostki „{unit_id}” nie ma już w konfiguracji.") from None


async def retry(desk: Desk, document_id: str, actor: str, reason: str) -> Document | None:
    """Once more, as its state allows: judged anew, out of quarantine, sent although its duty ceased, or asked about.

    None for something else, a received invoice, that was set aside and is handled again. Raises KeyError for what
    nobody knows, MoveRefused, and what intake raises.
    """
    spool, now = desk.spool, desk.now
    aside = await spool.write(lambda store: actions.try_again(store, document_id, now, actor))
    try:
        document = await spool.read(lambda store: store.document(document_id))
    except KeyError:
        if aside:
            return None
        raise
    if aside:
        return document
    if document.state in {State.REFUSED, State.WITHDRAWN}:
        return await _judged_again(desk, document, actor)
    if document.state is State.QUARANTINED:
        return await spool.write(
            lambda store: actions.out_of_quarantine(store, document_id, now, actor, reason, desk.rules)
        )
    if document.state is State.CEASED:
        return await spool.write(
            lambda store: actions.send_all_the_same(store, document_id, now, actor, reason, desk.rules)
        )
    return await spool.write(lambda store: actions.ask_again(store, document_id, now, actor, reason))


async def _judged_again(desk: Desk, document: Document, actor: str) -> Document:
    """The stored bytes of a refused or withdrawn document through the front door; queued, or still refused."""
    raw = await desk.spool.read(lambda store: store.body(document.sha256))
    offline24 = document.wish is Mode.OFFLINE24
    origin = Origin(desk.unit(document.unit), "cli", document.source_name, offline24=offline24, actor=actor)
    await desk.door.accept(raw, origin)
    return await desk.spool.read(lambda store: store.document(document.id))


async def correct(desk: Desk, original: Document, raw: bytes, name: str, actor: str) -> Verdict:
    """A technical correction of a refused offline invoice. Raises MoveRefused when that is not possible."""
    return await desk.door.correct(raw, original, Origin(desk.unit(original.unit), "cli", name, actor=actor))
