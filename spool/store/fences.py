"""Who may write: one number for each run of a program, the newest of a role is the one that counts (invariant I14)."""

from collections.abc import Iterator
from datetime import datetime

from spool.domain.identity import Identity, Place, Trail
from spool.rows import stamp
from spool.store.base import FIRST_HASH, Base


class Fences(Base):
    """Fencing numbers, and which installation this is."""

    def take_fence(self, role: str, holder: str, now: datetime) -> int:
        """A new number for this role; from this commit on every older one writes nothing more."""
        row = self._one("SELECT ifnull(max(number), 0) + 1 AS number FROM fence")
        assert row is not None
        number = int(row["number"])
        after = self.last_event()[0]
        self._insert("fence", number=number, role=role, holder=holder, taken_at=stamp(now), after_event=after)
        return number

    def fence_of(self, role: str) -> int:
        """The number that may write in this role; 0 where nobody ever took it."""
        row = self._one("SELECT max(number) AS number FROM fence WHERE role = ?", role)
        return int(row["number"] or 0) if row else 0

    def fences(self) -> Iterator[tuple[int, str, int]]:
        """Every number in order, with its role and the last history row before it."""
        found = self._db.execute("SELECT number, role, after_event FROM fence ORDER BY number")
        yield from ((r["number"], r["role"], r["after_event"]) for r in found)

    def fenced_events(self) -> Iterator[tuple[int, int | None]]:
        """Every history row in order with the number that wrote it, None from before there were any."""
        found = self._db.execute("SELECT seq, fence FROM event ORDER BY seq")
        yield from ((r["seq"], r["fence"]) for r in found)

    # -- identity ----------------------------------------------------------------------------------------------

    def last_event(self) -> tuple[int, str, str]:
        """The newest history row: its number, its hash, its instant; (0, zeros, "") where there is none."""
        row = self._one("SELECT seq, hash, at FROM event ORDER BY seq DESC LIMIT 1")
        return (row["seq"], row["hash"], row["at"]) if row else (0, FIRST_HASH, "")

    def identity(self) -> Identity | None:
        """Which installation this is; None before the first program took a role."""
        row = self._one("SELECT * FROM identity")
        return Identity(row["instance"], Place(row["machine"], row["inode"])) if row else None

    def set_identity(self, identity: Identity) -> None:
        """Where this installation lives now."""
        self._db.execute("DELETE FROM identity")
        place = identity.place
        self._insert("identity", instance=identity.instance, machine=place.machine, inode=place.inode)

    def trail(self, instance: str) -> Trail:
        """How far the history has come, for the file beside the spool."""
        seq, last, _ = self.last_event()
        return Trail(instance, seq, last)

    def hash_at(self, seq: int) -> str | None:
        """The hash of one history row."""
        row = self._one("SELECT hash FROM event WHERE seq = ?", seq)
        return str(row["hash"]) if row else None
