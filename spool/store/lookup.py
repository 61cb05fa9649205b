"""Finding outgoing documents. The filter by unit lives here: foreign and absent look the same."""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any

from spool import rows
from spool.domain.ledger import Document, Waiting
from spool.domain.states import HOLDS_NUMBER, LIVE, NUMBERED, State
from spool.rows import stamp
from spool.store.base import Units, marks, quoted, seen_by, where
from spool.store.series import LONGEST_PAUSE, SeriesOrder

SENT_OFFLINE = "(corrects <> '' OR (mode <> 'online' AND NOT deemed))"
"""`Document.sent_offline`, in SQL."""
UNNUMBERED = LIVE - NUMBERED
"""States of what is alive and has no number yet."""
IN_EARNEST = "AND ksef_number IS NULL AND training = ''"
"""Of these states what needs a number that counts."""
_HOLDERS = quoted(HOLDS_NUMBER)
_LIVE = quoted(LIVE)
_NAMED = {True: "AND invoice_ref IS NOT NULL", False: ""}


class Lookup(SeriesOrder):
    """Reading outgoing documents."""

    def document(self, document_id: str, unit: str | None = None) -> Document:
        """One document; with `unit` only that unit's. Raises KeyError: foreign and absent look the same."""
        row = self._one("SELECT * FROM document WHERE id = ? AND (? IS NULL OR unit = ?)", document_id, unit, unit)
        if row is None:
            raise KeyError(document_id)
        return rows.document(row)

    def of_bytes(self, unit: str, sha256: str) -> Document | None:
        """This unit's document with these bytes."""
        row = self._one("SELECT * FROM document WHERE unit = ? AND sha256 = ?", unit, sha256)
        return rows.document(row) if row else None

    def twins(self, sha256: str) -> list[Document]:
        """The documents with these bytes, of all units: at most one of each."""
        found = self._db.execute("SELECT * FROM document WHERE sha256 = ?", (sha256,))
        return [rows.document(r) for r in found]

    def ours(self, ksef_number: str, sha256: str) -> Document | None:
        """The document of any unit that has this KSeF number or these bytes."""
        row = self._one("SELECT * FROM document WHERE ksef_number = ? OR sha256 = ? LIMIT 1", ksef_number, sha256)
        return rows.document(row) if row else None

    def holder(self, seller_nip: str, kind: str, number_key: str) -> Document | None:
        """The live or numbered document that has this business number, whichever unit it belongs to."""
        row = self._one(
            f"""SELECT * FROM document WHERE seller_nip = ? AND kind = ? AND number_key = ? AND number_key <> ''
                AND state IN ({_HOLDERS})""",  # noqa: S608
            seller_nip,
            kind,
            number_key,
        )
        return rows.document(row) if row else None

    def rejected_offline(self, document: Document) -> bool:
        """True when KSeF rejected it after it had gone there as an offline invoice, whose codes a buyer may hold."""
        last = self._one("SELECT outcome FROM attempt WHERE document = ? ORDER BY id DESC LIMIT 1", document.id)
        rejected = last is not None and last["outcome"] == "refused" and document.state is State.REFUSED
        return rejected and document.sent_offline

    def originals(self, seller_nip: str, number_key: str) -> list[Document]:
        """Live or numbered documents with this number, of any kind and unit: what a correction may be about."""
        found = self._db.execute(
            f"""SELECT * FROM document WHERE seller_nip = ? AND number_key = ? AND number_key <> ''
                AND state IN ({_HOLDERS}) ORDER BY seq""",  # noqa: S608
            (seller_nip, number_key),
        )
        return [rows.document(r) for r in found]

    def owed_as(self, numbered: Document) -> list[Document]:
        """Rejected offline invoices of the unit whose place this document took: by number, or as its correction."""
        found = self._db.execute(
            """SELECT * FROM document WHERE seller_nip = ? AND unit = ? AND owed AND id <> ?
               AND (number_key = ? OR sha256 = ?)""",
            (numbered.facts.seller_nip, numbered.unit, numbered.id, numbered.facts.number_key, numbered.corrects),
        )
        return [rows.document(r) for r in found]

    def awaiting(self, original: Document) -> list[Document]:
        """Refused corrections of the same unit that wait for the KSeF number of this document."""
        found = self._db.execute(
            """SELECT * FROM document WHERE seller_nip = ? AND awaits = ? AND awaits <> '' AND unit = ?
               AND state = 'REFUSED'""",
            (original.facts.seller_nip, original.facts.number_key, original.unit),
        )
        return [rows.document(r) for r in found]

    def name_taken(self, unit: str, name: str) -> bool:
        """True when a live document of this unit already uses this file stem (letter case ignored)."""
        return bool(
            self._one(
                f"SELECT 1 FROM document WHERE unit = ? AND name = ? COLLATE NOCASE AND state IN ({_LIVE})",  # noqa: S608
                unit,
                name,
            )
        )

    def last_document(self) -> int:
        """The number of the document that was taken in last; 0 where there is none."""
        row = self._one("SELECT ifnull(max(seq), 0) AS seq FROM document")
        return int(row["seq"]) if row else 0

    def documents_after(self, seq: int) -> list[Document]:
        """The documents that were taken in after that one, in order; refused ones among them."""
        found = self._db.execute("SELECT * FROM document WHERE seq > ? ORDER BY seq", (seq,))
        return [rows.document(r) for r in found]

    def documents(
        self, *, unit: str | None = None, states: Iterable[str] = (), after: int = 0, limit: int = 100
    ) -> list[Document]:
        """A page in order of arrival, from the one after cursor `after`."""
        clause, values = where(seq=after, unit=unit, state=sorted(states))
        found = self._db.execute(f"SELECT * FROM document {clause} ORDER BY seq LIMIT ?", (*values, limit))  # noqa: S608
        return [rows.document(r) for r in found]

    def most_urgent(self, *, unit: str | None, states: Iterable[str], limit: int) -> list[Document]:
        """Documents in these states (none: in all), the nearest deadline first, those without one last."""
        return [rows.document(r) for r in self._nearest(states or State, limit, unit=unit)]

    def by_due(self, limit: int = 100) -> list[Document]:
        """Documents without a number that are still alive, the nearest deadline first; none of a training."""
        return [rows.document(r) for r in self._nearest(UNNUMBERED, limit, clause=IN_EARNEST)]

    def _nearest(self, states: Iterable[str], limit: int, *, unit: str | None = None, clause: str = "") -> list[Any]:
        """The first rows in these states by deadline and arrival; `clause` holds for each.

        One walk in an index for each state, merged by SQLite: it reads as many rows as it gives, and sorts no others.
        """
        index, whose = ("document_due", "") if unit is None else ("document_due_of", "unit = ? AND ")
        walk = f"""SELECT seq, ifnull(due_safe, '~') AS due FROM document INDEXED BY {index}
            WHERE {whose}state = ? {clause}"""  # noqa: S608 - our own words
        wanted = sorted(states)
        merged = " UNION ALL ".join([walk] * len(wanted))
        values = [value for state in wanted for value in ((state,) if unit is None else (unit, state))]
        found = self._db.execute(
            f"""SELECT document.* FROM ({merged} ORDER BY due, seq LIMIT ?) AS near
                CROSS JOIN document ON document.seq = near.seq ORDER BY near.due, near.seq""",  # noqa: S608
            (*values, limit),
        )
        return list(found)

    def work(
        self, context: str, states: Iterable[State], now: datetime, limit: int, *, named: bool = False
    ) -> list[Document]:
        """Documents of a context in these states whose time has come, the nearest deadline first.

        A time further ahead than anything is ever put off comes from a clock that has gone back: it has come, too. With
        `named` only what KSeF has a reference for: not those in a package that it has not judged.
        """
        wanted = sorted(states)
        found = self._db.execute(
            f"""SELECT * FROM document WHERE context = ? AND state IN ({marks(wanted)}) {_NAMED[named]}
                AND (next_action_at <= ? OR next_action_at > ?) ORDER BY due_safe NULLS LAST, seq LIMIT +?""",  # noqa: S608 - marks
            (context, *wanted, stamp(now), stamp(now + LONGEST_PAUSE), limit),
        )
        return [rows.document(r) for r in found]

    def next_queued(
        self,
        context: str,
        now: datetime,
        *,
        taken: Collection[str] = (),
        after_unit: str = "",
        corrections_only: bool = False,
        due_before: datetime | None = None,
    ) -> Document | None:
        """The queued document to send on its own next: the nearest deadline, and of equal ones the next unit in turn.

        Documents with an attachment go by batch only, and what waits for an earlier number of its series not yet: they
        are never given. `taken` are ids that somebody has in hand;
        `after_unit` had its turn last; with `due_before` only what is due by then. One seek in the index, however long
        the queue.
        """
        only = f"AND id NOT IN ({marks(taken)})" + (" AND corrects <> ''" if corrections_only else "")
        values = (stamp(now), stamp(now + LONGEST_PAUSE), *taken)
        source = f"""SELECT * FROM document INDEXED BY document_queue WHERE context = ? AND state = 'QUEUED' AND %s
            AND NOT held_back AND NOT attachment AND (next_action_at <= ? OR next_action_at > ?) {only}
            ORDER BY %s LIMIT 1"""  # noqa: S608 - marks
        nearest = source % ("ifnull(due_safe, '~') <= ?", "ifnull(due_safe, '~'), unit, seq")
        first = self._one(nearest, context, stamp(due_before) if due_before else "~", *values)
        if first is None:
            return None
        # Not by the date as well, which is one: SQLite would sort all that is due by then.
        following = source % ("ifnull(due_safe, '~') = ? AND unit > ?", "unit, seq")
        turn = self._one(following, context, first["due_safe"] or "~", after_unit, *values)
        return rows.document(turn or first)

    def waiting(self, context: str, now: datetime, most: int) -> Waiting:
        """How many documents are queued and ready, counted up to `most`, and whether one of them has an attachment."""
        ready, limits = "(next_action_at <= ? OR next_action_at > ?)", (stamp(now), stamp(now + LONGEST_PAUSE))
        plain = self._db.execute(
            f"""SELECT count(*) AS n FROM (SELECT 1 FROM document INDEXED BY document_queue WHERE context = ?
                AND state = 'QUEUED' AND NOT held_back AND {ready} AND NOT attachment AND corrects = '' LIMIT +?)""",  # noqa: S608
            (context, *limits, most),
        ).fetchone()["n"]
        attached = self._one(
            f"""SELECT 1 FROM document INDEXED BY document_queue_attached WHERE context = ? AND state = 'QUEUED'
                AND attachment AND NOT held_back AND {ready}""",  # noqa: S608
            context,
            *limits,
        )
        if plain < most:
            plain += self.following(context, now, most - plain)
        return Waiting(plain, attached is not None)

    def without_upo(self, context: str, now: datetime, limit: int) -> list[Document]:
        """Numbered documents of a context whose receipt is still missing and may be asked for now."""
        found = self._db.execute(
            f"""SELECT * FROM document WHERE context = ? AND state = '{State.ACCEPTED}' AND upo_sha256 IS NULL
                AND (next_action_at <= ? OR next_action_at > ?) ORDER BY seq LIMIT +?""",  # noqa: S608 - an enum
            (context, stamp(now), stamp(now + LONGEST_PAUSE), limit),
        )
        return [rows.document(r) for r in found]

    def next_action(self, context: str, states: Iterable[State], *, named: bool = False) -> datetime | None:
        """The earliest instant at which a document in these states wants something; `named` as in `work`."""
        wanted = sorted(states)
        row = self._one(
            f"""SELECT min(next_action_at) AS at FROM document WHERE context = ? AND state IN ({marks(wanted)})
                {_NAMED[named]}""",  # noqa: S608 - marks
            context,
            *wanted,
        )
        return rows.instant(row["at"]) if row and row["at"] else None

    def holds(self, context: str) -> bool:
        """True when a document of this context is HELD."""
        return bool(self._one("SELECT 1 FROM document WHERE context = ? AND state = 'HELD'", context))

    def unshown(self, limit: int, units: Iterable[str]) -> list[tuple[str, str]]:
        """Of each of these units the first documents that changed since its folder was last written, at most `limit`:
        unit and id.

        By unit, because the thousands of one must not stand before the only one of another.
        """
        one = """SELECT unit, id FROM document INDEXED BY document_unshown WHERE shown < version AND unit = ?
                 ORDER BY seq LIMIT +?"""
        return [(r["unit"], r["id"]) for unit in sorted(units) for r in self._db.execute(one, (unit, limit))]

    # -- what a person should know -----------------------------------------------------------------------------

    def unshown_by_unit(self) -> dict[str, int]:
        """How many documents of each unit are not in its folder as they are now."""
        found = self._db.execute("SELECT unit, count(*) AS n FROM document WHERE shown < version GROUP BY +unit")
        return {r["unit"]: r["n"] for r in found}

    def numbered_long(self, before: datetime, elsewhere: Collection[str] = ()) -> tuple[int, int]:
        """Numbered since before this instant and not delivered: without a UPO, and with one.

        Units whose folders lie `elsewhere` fetch their results when they have a line: those are not in the second.
        """
        with_upo = f"upo_sha256 IS NOT NULL AND unit NOT IN ({marks(elsewhere)})"
        row = self._one(
            f"""SELECT ifnull(sum(upo_sha256 IS NULL), 0) AS no_upo, ifnull(sum({with_upo}), 0) AS with_upo
                FROM document WHERE state = '{State.ACCEPTED}' AND training = ''
                AND ifnull(acquisition_date, updated_at) < ?""",  # noqa: S608
            *elsewhere,
            stamp(before),
        )
        return (row["no_upo"], row["with_upo"]) if row else (0, 0)

    def unanswered_long(self, before: datetime) -> dict[str, int]:
        """How many documents are SUBMITTED or UNKNOWN since an attempt before this instant, by state."""
        found = self._db.execute(
            f"""SELECT state, count(*) AS n FROM document WHERE training = ''
                AND state IN ('{State.SUBMITTED}', '{State.UNKNOWN}')
                AND ifnull((SELECT max(started_at) FROM attempt WHERE document = document.id), updated_at) < ?
                GROUP BY state""",  # noqa: S608 - enums
            (stamp(before),),
        )
        return {r["state"]: r["n"] for r in found}

    def owed(self) -> int:
        """How many offline invoices KSeF rejected and nothing has replaced yet."""
        row = self._one(
            """SELECT count(*) AS n FROM document INDEXED BY document_owed WHERE owed AND state = 'REFUSED'
               AND training = ''"""
        )
        return int(row["n"]) if row else 0

    def unsent_with(self, cert_serial: str) -> int:
        """How many live documents without a number bear a KOD II signed with this certificate."""
        row = self._one(
            f"""SELECT count(*) AS n FROM document WHERE cert_serial = ? AND cert_serial <> '' AND ksef_number IS NULL
                AND training = '' AND (owed OR state IN ({_LIVE}))""",  # noqa: S608 - our own words
            cert_serial,
        )
        return int(row["n"]) if row else 0

    def without_due(self) -> int:
        """How many live documents without a number have no deadline: none may have none, except until a failure ends
        and where a person has one sent whose duty ceased."""
        row = self._one(
            f"""SELECT count(*) AS n FROM document INDEXED BY document_undated WHERE state IN ({_LIVE})
                AND ksef_number IS NULL AND due_safe IS NULL AND due_state NOT IN ('pending', 'ceased')
                AND mode <> 'total_failure' AND training = ''"""  # noqa: S608
        )
        return int(row["n"]) if row else 0

    def counts(self, units: Units = None, *, training: bool = False) -> dict[str, int]:
        """How many real documents, or of a `training` instead, are in each state; states without any are left out."""
        parts, values = seen_by(units)
        clause = " AND ".join(["n > 0", "training = ?", *parts])
        found = self._db.execute(
            f"SELECT state, sum(n) AS n FROM tally WHERE {clause} GROUP BY state",  # noqa: S608 - our own words
            (training, *values),
        )
        return {r["state"]: r["n"] for r in found}
