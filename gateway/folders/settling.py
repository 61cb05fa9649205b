"""Which dropped files have stopped changing: the rules of DESIGN 4.4, "Taking a file". Pure: `now` is an argument.

`now` is a monotonic clock in seconds, never wall time: a jump of the clock must neither refuse a file early nor hold
it for ever (faults F14). Should `now` run backwards all the same, the waiting starts again, which errs to patience.

A file is followed from look to look (`follow`); `decide` says what to do with it, `next_look` when to look again.
"""

import fnmatch
import re
import unicodedata
from dataclasses import dataclass, replace
from enum import Enum, auto
from functools import lru_cache

_IGNORED = (
    ".*",  # dot files: Unix editors, macOS, Samba, our own unfinished and held files
    "~$*", "~*.tmp", "*.tmp", "*.temp", "*.part", "*.partial", "*.crdownload", "*.download", "*.filepart",
    "*.swp", "*.swo", "*.bak", "*~", "#*#", "*.lock", "*.lck", "*.laccdb", "*.ldb",
    "thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "$recycle.bin", "system volume information",
    "folder.htt", "autorun.inf", "*.lnk", "*.url", "*:zone.identifier", "*.smbdelete*", "wrl????.tmp", "4913",
)  # fmt: skip
"""Working names of Windows, Office, LibreOffice, Samba, browsers and editors; compared in lower case. (`.~lock.*#`,
`.DS_Store` and `.goutputstream-*` are dot files; 4913 is what vim writes to try a directory.)"""
_IGNORED_NAME = re.compile("|".join(fnmatch.translate(pattern) for pattern in _IGNORED))

_LOOK_AGAIN_S = 2.0
"""How soon a file that nobody's event announced is looked at again while it may still change."""


_SHORTEST_S = 0.01


class Kind(Enum):
    """What a name and a size promise."""

    INVOICE = auto()
    TOO_BIG = auto()
    FOREIGN = auto()


class Writer(Enum):
    """What the read lease said: nobody has the file open for writing, somebody has, or leases do not work here."""

    NONE = auto()
    SOME = auto()
    UNKNOWN = auto()


class Decision(Enum):
    """What to do with a file in the drop folder. TAKE is "read it and hand it in"; intake may find it incomplete."""

    IGNORE = auto()
    WAIT = auto()
    TAKE = auto()
    REFUSE_INCOMPLETE = auto()
    REFUSE_EMPTY = auto()
    REFUSE_TOO_BIG = auto()
    REFUSE_FOREIGN = auto()


@dataclass(frozen=True)
class Look:
    """What one look at a file found. `sha256` is empty when the bytes were not read (then they do not count)."""

    inode: int
    size: int
    ctime_ns: int
    writer: Writer
    sha256: str = ""

    def same_file_state(self, other: "Look") -> bool:
        """True when nothing shows that the file changed between the two looks."""
        hashes_agree = not (self.sha256 and other.sha256) or self.sha256 == other.sha256
        return (self.inode, self.size, self.ctime_ns) == (other.inode, other.size, other.ctime_ns) and hashes_agree


@dataclass(frozen=True)
class Followed:
    """A file over several looks. `complete` is intake's word on this very state: None while it was not asked."""

    look: Look
    first_seen: float
    unchanged_since: float
    last_seen: float
    complete: bool | None = None


@dataclass(frozen=True)
class Patience:
    """The seconds of `[folders]`: two looks, incomplete, empty."""

    settle: float
    incomplete: float
    empty: float


@lru_cache(maxsize=16384)  # asked of every name at every scan
def ignored(name: str) -> bool:
    """True for working names that are never taken, never refused and never mentioned."""
    return _IGNORED_NAME.match(unicodedata.normalize("NFC", name).casefold()) is not None


def kind_of(name: str, size: int, xml_limit: int, zip_limit: int) -> Kind:
    """By the extension in any case; the size is that of the directory entry, nothing was read for it (faults X05)."""
    lower = name.casefold()
    if not lower.endswith((".xml", ".zip")):
        return Kind.FOREIGN
    return Kind.TOO_BIG if size > (zip_limit if lower.endswith(".zip") else xml_limit) else Kind.INVOICE


def follow(before: Followed | None, look: Look, now: float) -> Followed:
    """The file after one more look; any change, another file under the name or a writer starts the waiting anew."""
    if before is None or now < before.last_seen or before.look.inode != look.inode:
        return Followed(look, now, now, now)
    if not look.same_file_state(before.look) or look.writer is Writer.SOME:
        return Followed(look, before.first_seen, now, now)
    if not look.sha256:
        look = replace(look, sha256=before.look.sha256)
    return replace(before, look=look, last_seen=now)


def judged(followed: Followed, complete: bool) -> Followed:
    """Intake has looked at these bytes."""
    return replace(followed, complete=complete)


def decide(kind: Kind, followed: Followed, patience: Patience, now: float) -> Decision:
    """DESIGN 4.4: lease, or two equal looks; and complete. Nothing is decided while somebody writes."""
    if followed.look.writer is Writer.SOME:
        return Decision.WAIT
    quiet = now - followed.unchanged_since
    if followed.look.size == 0:
        return Decision.REFUSE_EMPTY if quiet >= patience.empty else Decision.WAIT
    if kind is Kind.FOREIGN:
        # Patient, because programs write under names of their own invention and rename to .xml at the end.
        return Decision.REFUSE_FOREIGN if quiet >= patience.incomplete else Decision.WAIT
    if kind is Kind.TOO_BIG:
        return Decision.REFUSE_TOO_BIG if quiet >= patience.settle else Decision.WAIT
    if followed.complete is False:
        return Decision.REFUSE_INCOMPLETE if quiet >= patience.incomplete else Decision.WAIT
    if followed.look.writer is Writer.UNKNOWN and quiet < patience.settle:
        return Decision.WAIT
    return Decision.TAKE


def next_look(kind: Kind, followed: Followed, patience: Patience, now: float) -> float:
    """Seconds until another look can matter, when no event comes before; 0 when a decision is due already."""
    if decide(kind, followed, patience, now) is not Decision.WAIT:
        return 0.0
    often = min(patience.settle, _LOOK_AGAIN_S)
    if followed.look.writer is Writer.SOME:
        return often
    if followed.look.size == 0:
        wanted = patience.empty
    elif kind is Kind.FOREIGN or followed.complete is False:
        wanted = patience.incomplete
    else:
        wanted = patience.settle
    # Between now and the end of a long wait the file may be finished without an event, so look in between as well.
    return min(max(wanted - (now - followed.unchanged_since), _SHORTEST_S), max(often, patience.settle))
