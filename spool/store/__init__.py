"""Every SQL statement we own, as named functions. The one owner of durable change, and it refuses.

A `Store` works on one connection inside the transaction that `spool.access` opens around it (BEGIN IMMEDIATE, synced
commit). A history row goes with every change.

    base ─ bodies, history, helpers        lookup ─ reading documents      documents ─ changing them
    series ─ who waits for which number
    attempts ─ sends and their outcomes    packages ─ batch packages        received, tray ─ purchases, by whom assigned
    papers ─ purchases outside KSeF
    sessions ─ sessions, conditions
    outages ─ announcements                alarms ─ deadlines told           tokens ─ the drop-point
    inspection, register ─ facts for `sluza check`          fences ─ who may write, and which installation this is
    accounts ─ people and their sessions    pages ─ what the pages list
    remote ─ units whose folders lie on a computer of their own
    recovery ─ what KSeF has and the spool has forgotten    crashes ─ what a process died with
    people ─ internal ids and who has them    entries ─ permissions, statements, incidents
    registers ─ the monthly registers        letters ─ what else people are told
    volumes ─ the yearly archives, of which `volume_file` is one
"""

from spool.store.accounts import Accounts
from spool.store.base import FIRST_HASH, Unreadable
from spool.store.crashes import Crashes
from spool.store.entries import Entries
from spool.store.fences import Fences
from spool.store.inspection import Inspection
from spool.store.letters import Letters
from spool.store.outages import Outages
from spool.store.packages import Packages
from spool.store.pages import Pages
from spool.store.people import Owner
from spool.store.recovery import Recovery
from spool.store.register import Register
from spool.store.registers import Registers
from spool.store.remote import RemoteUnits
from spool.store.series import LONGEST_PAUSE
from spool.store.tokens import KEEP_KEYS, Tokens
from spool.store.tray import Tray
from spool.store.volume_file import Sealed, SealedUnreadable, fill
from spool.store.volumes import Volumes

__all__ = [
    "FIRST_HASH", "KEEP_KEYS", "LONGEST_PAUSE", "Owner", "Sealed", "SealedUnreadable", "Store", "Unreadable", "fill",
]  # fmt: skip


class Store(
    Packages, Recovery, Outages, Tray, RemoteUnits, Entries, Registers, Letters, Tokens, Crashes, Inspection,
    Register, Fences, Accounts, Pages, Volumes,
):  # fmt: skip
    """Named queries over one connection. Instants in, instants out; nothing here calls a clock."""
