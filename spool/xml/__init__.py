"""Invoice bytes → facts and problems. Run in a worker process, by gateway and agent alike.

    examine        an outgoing FA(3): every rule of KSeF that needs no configuration and no clock
    read_received  whatever KSeF delivered, read leniently
    content_change what a technical correction must not have
    repair         the same invoice in an encoding that KSeF takes, for units that asked for it
    warm           compile the schema before the first document comes

The steps are modules of their own: `byte_rules` looks at the bytes before any parser does, `parser` is the hardened
parser, `syntax` says why it refused, `identity` what a document is, `facts` and `received` read it, `schema` is the
ministry's XSD, `explain` (with `structure` and `values`) turns a failed validation into sentences, `content` checks
identifiers, `sameness` compares two.
"""

from spool.xml.examine import DEFAULT, Examined, SizeLimits, examine, warm
from spool.xml.received import read_received
from spool.xml.repair import REPAIRABLE, Repaired, repair
from spool.xml.sameness import content_change

__all__ = [
    "DEFAULT", "REPAIRABLE", "Examined", "Repaired", "SizeLimits", "content_change", "examine", "read_received",
    "repair", "warm",
]  # fmt: skip
