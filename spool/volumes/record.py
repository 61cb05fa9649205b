"""How the archives stand, kept in the spool: the page, `sluza status` and the next start read it there."""

from dataclasses import replace
from datetime import datetime

from spool.domain.errors import Failed
from spool.domain.volumes import ARCHIVE, Standing, standing
from spool.store import Store


def now_standing(store: Store) -> Standing:
    """What the spool says."""
    said = store.condition("", ARCHIVE)
    return standing(said.value if said else None)


def good(store: Store, now: datetime, damaged: dict[str, str], *, read: bool) -> None:
    """A look has ended; with `read` every byte was read."""
    said = now_standing(store)
    read_at = now if read else said.read_at
    done = replace(said, good_at=now, tried_at=now, read_at=read_at, reason="", hint="", damaged=damaged)
    store.set_condition("", ARCHIVE, done.as_value(), now)


def failed(store: Store, now: datetime, why: Failed) -> None:
    """A look has not, and why."""
    said = replace(now_standing(store), tried_at=now, reason=why.reason, hint=why.hint)
    store.set_condition("", ARCHIVE, said.as_value(), now)
