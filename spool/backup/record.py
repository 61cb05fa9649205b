"""How the scheduled backups stand, kept in the spool: the page, `sluza status` and the next start read it there."""

from dataclasses import replace
from datetime import datetime

from spool.backup.make import Made
from spool.domain.backups import BACKUP, Standing, standing
from spool.store import Store


def now_standing(store: Store, now: datetime) -> Standing:
    """What the spool says; without a word the backups begin `now`."""
    said = store.condition("", BACKUP)
    return standing(said.value) if said else Standing(now)


def begun(store: Store, now: datetime) -> Standing:
    """Backups are asked for: from now on their absence is noticed."""
    said = now_standing(store, now)
    store.set_condition("", BACKUP, said.as_value(), now)
    return said


def good(store: Store, now: datetime, made: Made) -> None:
    """This one is whole."""
    since = now_standing(store, now).since
    done = Standing(since, made.manifest.at, str(made.path), tried_at=now, unreadable=made.unreadable)
    store.set_condition("", BACKUP, done.as_value(), now)


def failed(store: Store, now: datetime, reason: str, hint: str) -> None:
    """There is none, and why."""
    said = replace(now_standing(store, now), tried_at=now, reason=reason, hint=hint)
    store.set_condition("", BACKUP, said.as_value(), now)


def ended(store: Store, now: datetime) -> None:
    """The configuration asks for none any more."""
    if store.condition("", BACKUP) is not None:
        store.set_condition("", BACKUP, None, now)
