"""KSeF's register beside the spool: what KSeF says lies in temporary tables, and is compared here.

The tables are this connection's own and go with it; SQLite keeps them on disk, however long the register is.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime

from spool import rows
from spool.domain.registered import Registered, Seller, Sighting
from spool.domain.states import State
from spool.rows import stamp
from spool.store.base import Base, quoted

_ON_ITS_WAY = quoted({State.SENDING, State.SUBMITTED, State.UNKNOWN, State.CONFLICT})
"""KSeF may have these already: the next step is a read, or a person's, and nothing is sent again."""


class Register(Base):
    """What KSeF has registered, against what we have."""

    def sellers(self) -> list[Seller]:
        """In whose name documents of each context were issued, with the earliest moment that concerns us."""
        found = self._db.execute(
            """SELECT context, seller_nip, min(created_at) AS first,
               min(min(created_at), min(ifnull(acquisition_date, created_at))) AS since
               FROM document WHERE seller_nip <> '' AND EXISTS (SELECT 1 FROM attempt WHERE document = document.id)
               GROUP BY context, seller_nip"""
        )
        return [
            Seller(r["context"], r["seller_nip"], rows.instant(r["since"]), rows.instant(r["first"])) for r in found
        ]

    def prepare_register(self) -> None:
        """Make the temporary tables, empty."""
        self._db.execute(
            """CREATE TEMP TABLE registered (ksef_number TEXT PRIMARY KEY, sha256 TEXT NOT NULL, number TEXT NOT NULL,
               acquired TEXT NOT NULL) WITHOUT ROWID"""
        )
        self._db.execute("CREATE INDEX temp.registered_sha ON registered (sha256)")
        self._db.execute("CREATE TEMP TABLE heard (context TEXT, seller_nip TEXT, upto TEXT NOT NULL, first TEXT)")

    def keep_registered(self, found: Iterable[Registered]) -> None:
        """Invoices that KSeF has; the same ones again change nothing."""
        self._db.executemany(
            "INSERT OR IGNORE INTO temp.registered VALUES (?, ?, ?, ?)",
            [
                (r.ksef_number, r.sha256, r.number, stamp(r.acquisition_date) if r.acquisition_date else "")
                for r in found
            ],
        )

    def heard_upto(self, seller: Seller, upto: datetime) -> None:
        """Everything of this seller that KSeF stored up to this instant has been kept."""
        values = (seller.context, seller.nip, stamp(upto), stamp(seller.first))
        self._db.execute("INSERT INTO temp.heard VALUES (?, ?, ?, ?)", values)

    def registered_count(self) -> int:
        """How many invoices KSeF has told us of."""
        return int(self._db.execute("SELECT count(*) FROM temp.registered").fetchone()[0])

    def registered_twice(self) -> Iterator[tuple[str, str]]:
        """Bytes of ours that KSeF has under several numbers, with the numbers."""
        found = self._db.execute(
            """SELECT sha256, group_concat(ksef_number, ', ') AS numbers FROM temp.registered
               WHERE sha256 IN (SELECT sha256 FROM document) GROUP BY sha256 HAVING count(*) > 1"""
        )
        yield from ((r["sha256"], r["numbers"]) for r in found)

    def registered_unlike_ours(self) -> Iterator[Sighting]:
        """Invoices in KSeF of which no document here has the number or is on its way to it.

        With the id and state of a document with the same bytes, if there is one. What was issued before our first
        document of that seller is not meant, nor what we received as a buyer.
        """
        found = self._db.execute(
            f"""SELECT r.*, d.id, d.state FROM temp.registered AS r LEFT JOIN document AS d ON d.sha256 = r.sha256
                WHERE NOT EXISTS (SELECT 1 FROM document WHERE ksef_number = r.ksef_number)
                AND NOT EXISTS (SELECT 1 FROM document WHERE sha256 = r.sha256
                    AND (ksef_number IS NOT NULL OR state IN ({_ON_ITS_WAY})))
                AND NOT EXISTS (SELECT 1 FROM received WHERE ksef_number = r.ksef_number)
                AND (d.id IS NOT NULL OR r.acquired >= (SELECT min(first) FROM temp.heard))
                GROUP BY r.ksef_number ORDER BY r.ksef_number"""  # noqa: S608 - our own words
        )
        for r in found:
            yield Sighting(r["ksef_number"], r["number"], r["id"] or "", r["state"] or "")

    def numbered_unlike_registered(self, margin_s: float) -> Iterator[Sighting]:
        """Documents with a KSeF number that KSeF does not have, or has for other bytes.

        `other` is the number under which KSeF has these bytes, if any. Only what KSeF must have stored by the instant
        up to which it was heard, less the margin.
        """
        found = self._db.execute(
            """SELECT d.id, d.state, d.ksef_number, same.ksef_number AS other, r.sha256 AS theirs FROM document AS d
               JOIN temp.heard AS h ON h.context = d.context AND h.seller_nip = d.seller_nip
               LEFT JOIN temp.registered AS r ON r.ksef_number = d.ksef_number
               LEFT JOIN temp.registered AS same ON same.sha256 = d.sha256
               WHERE d.ksef_number IS NOT NULL AND (r.sha256 IS NULL OR r.sha256 <> d.sha256)
               AND julianday(max(ifnull(d.acquisition_date, ''), d.updated_at)) <= julianday(h.upto) - ? / 86400.0
               GROUP BY d.id ORDER BY d.seq""",
            (margin_s,),
        )
        for r in found:
            yield Sighting(r["ksef_number"], "", r["id"], r["state"], r["other"] or "", r["theirs"] is not None)
