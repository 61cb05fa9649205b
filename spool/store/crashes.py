"""What a process had in its hands when it died, and how often: the memory behind `spool.poison`."""

from datetime import datetime

from spool import rows
from spool.domain.ledger import Document
from spool.domain.states import State
from spool.rows import stamp
from spool.store.base import Base


class Crashes(Base):
    """Counts by subject (a document's id, a KSeF number, `sha256:` and a hash) and role. Mostly empty."""

    def count_crash(self, subject: str, role: str, now: datetime) -> int:
        """One more; returns how many there are now."""
        row = self._one(
            """INSERT INTO crash (subject, role, times, at) VALUES (?, ?, 1, ?)
               ON CONFLICT DO UPDATE SET times = times + 1, at = excluded.at RETURNING times""",
            subject,
            role,
            stamp(now),
        )
        return int(row["times"]) if row else 0

    def forget_crashes(self, subject: str, role: str | None = None) -> bool:
        """It was handled well, or a person wants it tried again; `role` None: by any. True when there were some."""
        done = self._db.execute("DELETE FROM crash WHERE subject = ? AND role = ifnull(?, role)", (subject, role))
        return bool(done.rowcount > 0)

    def crashes(self, role: str) -> dict[str, int]:
        """How often each subject was in the hands of this role when it died."""
        found = self._db.execute("SELECT subject, times FROM crash WHERE role = ?", (role,))
        return {r["subject"]: r["times"] for r in found}

    def crashed(self, least: int) -> list[str]:
        """The subjects with at least so many, whatever the role."""
        found = self._db.execute("SELECT DISTINCT subject FROM crash WHERE times >= ? ORDER BY subject", (least,))
        return [r["subject"] for r in found]

    def with_bytes(self, sha256: str) -> list[Document]:
        """Every unit's document with these bytes."""
        found = self._db.execute("SELECT * FROM document WHERE sha256 = ?", (sha256,))
        return [rows.document(r) for r in found]

    def quarantined_since(self, since: datetime) -> int:
        """How many documents were quarantined since then and still are."""
        row = self._one(
            f"SELECT count(*) AS n FROM document WHERE state = '{State.QUARANTINED}' AND updated_at >= ?",  # noqa: S608
            stamp(since),
        )
        return int(row["n"]) if row else 0
