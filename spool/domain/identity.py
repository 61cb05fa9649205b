"""Is this spool the one that ran here last? What it says, what lies beside it, and where we are in; doubts out. Pure.

A spool that was put back from a backup, or copied with its whole machine, does not know what KSeF has had from it
since: until KSeF's register was compared with it, nothing may be sent (faults F11, F12).
"""

from dataclasses import dataclass
from enum import StrEnum

RECONCILE_FIRST = "reconcile_first"
"""The condition, of a context or (before the agent has heard of it) of none, under which nothing is sent."""


class Doubt(StrEnum):
    """Why a spool may be older than what KSeF has."""

    RESTORED = "restored"
    ROLLED_BACK = "rolled_back"
    FORKED = "forked"
    UNMARKED = "unmarked"
    COPIED = "copied"
    OTHER_MACHINE = "other_machine"
    SESSIONS = "sessions"


SENTENCES = {
    Doubt.RESTORED: "Spool odtworzono z kopii zapasowej.",
    Doubt.ROLLED_BACK: (
        "Spool jest starszy niż ten, który tu działał: cofnięto go albo utracono jego ostatnie zapisy. "
        "Faktur przyjętych później może w nim nie być: ich pliki trzeba złożyć jeszcze raz."
    ),
    Doubt.FORKED: "Historia spoolu różni się od tej, która tu powstała: to kopia, która poszła inną drogą.",
    Doubt.UNMARKED: "Obok spoolu brakuje pliku tożsamości: spool przeniesiono albo odtworzono.",
    Doubt.COPIED: "Plik spoolu skopiowano: to inny plik niż ten, w którym Śluza pisała.",
    Doubt.OTHER_MACHINE: "Spool działał dotąd na innym serwerze.",
    Doubt.SESSIONS: "KSeF zna wysyłki z tego kontekstu, o których spool nie wie.",
}
FOR_A_PERSON = frozenset({Doubt.OTHER_MACHINE})
"""Only a person can say that the other machine does not send any more."""


@dataclass(frozen=True)
class Trail:
    """The file beside the spool: which installation it belongs to, and how far its history had come, by a row of it."""

    instance: str
    event: int
    hash: str


@dataclass(frozen=True)
class Place:
    """Where a spool lies: the machine (a hash, empty where it cannot be told apart) and the file in its file system."""

    machine: str
    inode: int


@dataclass(frozen=True)
class Identity:
    """What a spool says of itself: which installation it is, and where it was when it was last opened for writing."""

    instance: str
    place: Place


def doubts(
    said: Identity | None,
    trail: Trail | None,
    here: Place,
    hash_at_trail: str | None,
    *,
    restored: bool,
    older: bool = False,
) -> tuple[Doubt, ...]:
    """Everything that speaks against this spool being the newest; empty for a new one and for one that ran on.

    `hash_at_trail` is the hash of the spool's own history row `trail.event`, None if it has no such row. `older`: it
    lacks the last row that was ever committed, whatever the trail says.
    """
    found = [Doubt.RESTORED] if restored else []
    if trail is not None:
        other = said is not None and said.instance != trail.instance
        if hash_at_trail is None and trail.event:
            found.append(Doubt.ROLLED_BACK)
        elif other or (trail.event and hash_at_trail != trail.hash):
            found.append(Doubt.FORKED)
    elif said is not None:
        found.append(Doubt.UNMARKED)
    if older and not {Doubt.ROLLED_BACK, Doubt.FORKED} & set(found):
        found.append(Doubt.ROLLED_BACK)
    if said is not None and said.place.inode != here.inode:
        found.append(Doubt.COPIED)
    if said is not None and here.machine and said.place.machine and said.place.machine != here.machine:
        found.append(Doubt.OTHER_MACHINE)
    return tuple(found)
