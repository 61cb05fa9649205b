"""Every SQL statement we own, as named functions. The one owner of durable change, and it refuses.

A `Store` works on one connection inside the transaction that `spool.access` opens around it (BEGIN IMMEDIATE, synced
commit). A history row goes with every change.

    base ─ bodies, history, helpers        lookup ─ reading documents      documents ─ changing them
    attempts ─ sends and their outcomes    packages ─ batch packages        received ─ purchases
    sessions ─ sessions, conditions
    outages ─ announcements                alarms ─ deadlines told           tokens ─ the drop-point
    inspection, register ─ facts for `sluza check`
"""

from spool.store.alarms import Alarms
from spool.store.base import FIRST_HASH, Unreadable
from spool.store.inspection import Inspection
from spool.store.lookup import LONGEST_PAUSE
from spool.store.outages import Outages
from spool.store.packages import Packages
from spool.store.received import ReceivedInvoices
from spool.store.register import Register
from spool.store.tokens import KEEP_KEYS, Tokens

__all__ = ["FIRST_HASH", "KEEP_KEYS", "LONGEST_PAUSE", "Store", "Unreadable"]


class Store(Packages, Outages, ReceivedInvoices, Alarms, Tokens, Inspection, Register):
    """Named queries over one connection. Instants in, instants out; nothing here calls a clock."""
