"""Yearly archives as the spool knows them: which volumes there are, which bodies lie in them, which may go there.

A body that has gone keeps its row: hash, size, and the volume instead of the bytes.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime

from spool import rows
from spool.domain.volumes import NAME, Volume
from spool.rows import stamp
from spool.store.base import ENDED, Base

# What a row must be for its bytes to go: old, over, shown where it belongs, and nothing about it open. What a person
# keeps longer than others stays where every backup has it. A year ends in winter, one hour before it does in UTC.
_USES = f"""
WITH sold AS (SELECT sha256, upo_sha256, repaired_from, acquisition_date AS at, ifnull(
        state = 'DELIVERED' AND acquisition_date < :before AND shown >= version
        AND NOT EXISTS (SELECT 1 FROM retention WHERE subject = document.id)
        AND NOT EXISTS (SELECT 1 FROM document AS other WHERE other.seller_nip = document.seller_nip
            AND other.kind = document.kind AND other.number_key = document.number_key AND other.state = 'CONFLICT')
        AND NOT EXISTS (SELECT 1 FROM document AS other WHERE other.corrects = document.sha256
            AND other.corrects <> '' AND other.state NOT IN ('DELIVERED', {ENDED[1:]}), 0) AS free FROM document),
used AS (SELECT sha256, at, free FROM sold
    UNION ALL SELECT upo_sha256, at, free FROM sold WHERE upo_sha256 IS NOT NULL
    UNION ALL SELECT repaired_from, at, free FROM sold WHERE repaired_from <> ''
    UNION ALL SELECT sha256, acquisition_date, ifnull(unit IS NOT NULL AND mirrored_at IS NOT NULL
        AND acquisition_date < :before
        AND NOT EXISTS (SELECT 1 FROM recalled WHERE recalled.ksef_number = received.ksef_number)
        AND NOT EXISTS (SELECT 1 FROM retention WHERE subject = received.ksef_number), 0) FROM received)
SELECT used.sha256, body.size, length(body.packed) AS packed, substr(datetime(min(used.at), '+1 hour'), 1, 4) AS year
FROM used JOIN body ON body.sha256 = used.sha256 WHERE body.volume IS NULL
GROUP BY used.sha256 HAVING min(used.free)
"""  # noqa: S608 - our own words


class Volumes(Base):
    """Volumes and what is in them."""

    def volumes(self) -> list[Volume]:
        """Every volume, the oldest year first."""
        found = self._db.execute("SELECT * FROM volume").fetchall()
        return sorted((rows.volume(r) for r in found), key=lambda v: _order(v.name))

    def old_bodies(self, before: datetime) -> list[tuple[str, int, int]]:
        """What may go: by year (RRRR) how many bodies, and how many packed bytes, of documents numbered `before`."""
        found = self._db.execute(
            f"SELECT year, count(*) AS n, sum(packed) AS bytes FROM ({_USES}) GROUP BY year ORDER BY year",  # noqa: S608
            {"before": stamp(before)},
        )
        return [(r["year"], r["n"], r["bytes"]) for r in found]

    def bodies_to_seal(self, before: datetime, year: str, limit: int) -> Iterator[tuple[str, int, bytes]]:
        """At most so many of one year, in the order of their hashes: hash, size, packed bytes."""
        found = self._db.execute(
            f"SELECT sha256 FROM ({_USES}) WHERE year = :year ORDER BY sha256 LIMIT :limit",  # noqa: S608
            {"before": stamp(before), "year": year, "limit": limit},
        )
        for (sha256,) in found:
            row = self._one("SELECT sha256, size, packed FROM body WHERE sha256 = ?", sha256)
            assert row is not None
            yield row["sha256"], row["size"], row["packed"]

    def add_volume(self, volume: Volume, now: datetime, actor: str) -> bool:
        """From here on bodies may go into this file, which is sealed and verified; False when it is known already."""
        if self._one("SELECT 1 FROM volume WHERE name = ?", volume.name):
            return False
        self._insert(
            "volume", name=volume.name, size=volume.size, sha256=volume.sha256, bodies=volume.bodies,
            made_at=stamp(volume.made_at),
        )  # fmt: skip
        note = f"Zapieczętowano tom archiwum {volume.name}."
        data = {"size": volume.size, "sha256": volume.sha256, "bodies": volume.bodies}
        self.log(f"volume:{volume.name}", "sealed", now, actor, note, data)
        return True

    def send_away(self, volume: str, hashes: Sequence[str], before: datetime) -> int:
        """These bodies, which lie in the volume, leave the spool where they still may; returns how many did.

        Each row moves to the end of its table: emptied in place it would leave a hole in its page, and no page free.
        """
        done = self._db.executemany(
            f"""UPDATE body SET rowid = (SELECT max(rowid) + 1 FROM body), volume = ?, packed = x''
                WHERE volume IS NULL AND sha256 = ?
                AND NOT EXISTS (SELECT 1 FROM document WHERE document.sha256 = body.sha256
                AND (state NOT IN ('DELIVERED', {ENDED[1:]} OR acquisition_date >= ?))""",  # noqa: S608 - our own words
            [(volume, sha256, stamp(before)) for sha256 in hashes],
        )
        return int(done.rowcount)

    def all_sent_away(self, volume: str) -> None:
        """Nothing of this volume is left to move."""
        self._db.execute("UPDATE volume SET moved = 1 WHERE name = ?", (volume,))

    def in_volumes(self) -> Iterator[tuple[str, str]]:
        """Every body that has gone, with its volume."""
        found = self._db.execute("SELECT sha256, volume FROM body WHERE volume IS NOT NULL")
        yield from ((r["sha256"], r["volume"]) for r in found)


def _order(name: str) -> tuple[int, int]:
    found = NAME.fullmatch(name)
    return (int(found[1]), int(found[2])) if found else (0, 0)
