"""Every SQL statement we own, as named functions. The one owner of durable change, and it refuses.

A `Store` works on one connection inside the transaction that `spool.desk` opens around it (BEGIN IMMEDIATE, synced
commit). A guarded UPDATE is the first statement of a move; a history row goes with every change.
"""

import hashlib
import json
import secrets
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

import pysqlite3

from spool import bodies, rows
from spool.domain.document import Mode
from spool.domain.errors import BodyDamaged, MoveRefused
from spool.domain.ledger import (
    Condition,
    Document,
    Event,
    NewDocument,
    NewReceived,
    Received,
    Session,
)
from spool.domain.states import HOLDS_NUMBER, LIVE, State, sources
from spool.rows import dump, stamp

FIRST_HASH = "0" * 64
LONGEST_PAUSE = timedelta(days=1)
"""Nothing is ever put off for longer, so a time further ahead was written by a clock that has since gone back."""
KEEP_KEYS = timedelta(days=30)
"""How long an Idempotency-Key is remembered (DESIGN 4.5)."""


class Store:
    """Named queries over one connection. Instants in, instants out; nothing here calls a clock."""

    def __init__(self, connection: pysqlite3.Connection) -> None:
        self._db = connection

    # -- bodies ------------------------------------------------------------------------------------------------

    def put_body(self, raw: bytes) -> str:
        """Keep these exact bytes; returns their SHA-256. Keeping the same bytes again changes nothing."""
        sha256 = bodies.sha256_hex(raw)
        self._db.execute(
            "INSERT INTO body (sha256, size, packed) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
            (sha256, len(raw), bodies.pack(raw)),
        )
        return sha256

    def body(self, sha256: str) -> bytes:
        """The exact bytes. Raises BodyDamaged when they are missing or no longer match their hash."""
        row = self._one("SELECT packed FROM body WHERE sha256 = ?", sha256)
        if row is None:
            raise BodyDamaged(f"Brakuje zapisanej treści {sha256[:12]}….")
        return bodies.unpack(row["packed"], sha256)

    # -- documents: writing ------------------------------------------------------------------------------------

    def add(self, new: NewDocument, raw: bytes, name: str, now: datetime) -> Document:
        """Bytes, row and first event, in the caller's one commit. The pair (unit, sha256) must be new.

        `name` is the stem of our files about it; empty means its id.
        """
        self.put_body(raw)
        document_id = f"{int(now.timestamp() * 1000):011x}{secrets.token_hex(6)}"
        self._insert(
            "document",
            id=document_id,
            unit=new.unit,
            context=new.context,
            sha256=new.sha256,
            size=new.size,
            source=new.source,
            source_name=new.source_name,
            name=name or document_id,
            **self._judgement(new),
            next_action_at=stamp(now),
            created_at=stamp(now),
            updated_at=stamp(now),
        )
        note = new.problems[0].message if new.problems else new.reason or "Przyjęto i zapisano."
        self.log(document_id, f">{new.state}", now, new.actor, note, {"sha256": new.sha256, "source": new.source})
        return self.document(document_id)

    def take_again(self, document: Document, new: NewDocument, name: str, now: datetime) -> Document:
        """A refused or withdrawn document came back and was judged anew: queue it, or keep it refused.

        It takes the name, the way in and the context of this time. `name` is as in `add`; without a label from the
        unit (`source_name`) both names stay.
        """
        judgement = self._judgement(new) | {"source": new.source, "context": new.context}
        if new.source_name:
            judgement |= {"source_name": new.source_name, "name": name or document.id}
        del judgement["state"]  # the move, or staying, decides it
        if new.state is State.REFUSED:
            self._update_document(document.id, now, **judgement)
            self.log(
                document.id,
                "again",
                now,
                new.actor,
                "Ten sam plik przyszedł ponownie i nadal jest odrzucony.",
            )
            return self.document(document.id)
        judgement |= {"attempts": 0, "session": None, "invoice_ref": None}
        note = "Ten sam plik przyszedł ponownie i jest w porządku."
        return self.move(document.id, State.QUEUED, now, new.actor, note, **judgement)

    def move(self, document_id: str, target: State, now: datetime, actor: str, note: str, **changes: Any) -> Document:
        """Change the state where the table of moves allows it, with its history row.

        `changes` are further columns. Raises MoveRefused when the document is in no state that `target` may follow.
        """
        allowed = sorted(sources(target))
        was = self._one(
            f"""UPDATE document SET updated_at = ?, version = version + 1, state = '{target}'
                WHERE id = ? AND state IN ({_marks(allowed)}) RETURNING seq""",  # noqa: S608 - enum and marks only
            stamp(now),
            document_id,
            *allowed,
        )
        if was is None:
            raise MoveRefused(f"Dokument {document_id} nie może teraz przejść do stanu {target}.")
        before = self._state_before(document_id)
        changes.setdefault("reason", "")
        changes.setdefault("next_action_at", stamp(now))
        self._update_document(document_id, now, **changes)
        self.log(document_id, f"{before}>{target}", now, actor, note)
        return self.document(document_id)

    def touch(self, document_id: str, now: datetime, **changes: Any) -> None:
        """Change columns other than the state (a retry time, the due date); no history row."""
        self._update_document(document_id, now, **changes)

    def postpone(self, document_id: str, until: datetime) -> None:
        """Nothing to do with this document before then; not a change that anybody is shown."""
        self._db.execute("UPDATE document SET next_action_at = ? WHERE id = ?", (stamp(until), document_id))

    def mark_shown(self, document: Document) -> None:
        """The unit's folder now says what this version of the document says."""
        self._db.execute("UPDATE document SET shown = ? WHERE id = ?", (document.version, document.id))

    # -- documents: attempts -----------------------------------------------------------------------------------

    def begin_attempt(self, document: Document, session: str, now: datetime) -> Document:
        """The intent, committed before the call to KSeF: QUEUED -> SENDING with an attempt row (invariant I6)."""
        moved = self.move(
            document.id,
            State.SENDING,
            now,
            "agent",
            "Wysyłka do KSeF.",
            session=session,
            invoice_ref=None,
            attempts=document.attempts + 1,
        )
        self._insert("attempt", document=document.id, sha256=document.sha256, session=session, started_at=stamp(now))
        return moved

    def end_attempt(self, document_id: str, outcome: str, now: datetime, invoice_ref: str | None = None) -> None:
        """Write what became of the last attempt of this document; its reference stays once it is known."""
        self._db.execute(
            """UPDATE attempt SET ended_at = ?, outcome = ?, invoice_ref = ifnull(?, invoice_ref)
               WHERE id = (SELECT max(id) FROM attempt WHERE document = ?)""",
            (stamp(now), outcome, invoice_ref, document_id),
        )

    def earlier_references(self, document_id: str) -> frozenset[str]:
        """KSeF's references of all attempts of this document but the last: what they became is settled."""
        found = self._db.execute(
            """SELECT invoice_ref FROM attempt WHERE document = ? AND invoice_ref IS NOT NULL
               AND id < (SELECT max(id) FROM attempt WHERE document = ?)""",
            (document_id, document_id),
        )
        return frozenset(r["invoice_ref"] for r in found)

    def without_verdict_since(self, document_id: str) -> datetime | None:
        """When the first attempt began after which there was no verdict any more; None without such an attempt."""
        row = self._one(
            """SELECT min(started_at) AS at FROM attempt WHERE document = ? AND id > ifnull((SELECT max(id) FROM attempt
               WHERE document = ? AND outcome IN ('accepted', 'refused', 'later', 'held')), 0)""",
            document_id,
            document_id,
        )
        return rows.instant(row["at"]) if row and row["at"] else None

    def attempt_started_at(self, document_id: str) -> datetime | None:
        """When the last attempt began."""
        row = self._one("SELECT max(started_at) AS at FROM attempt WHERE document = ?", document_id)
        return rows.instant(row["at"]) if row and row["at"] else None

    def attempt_sessions(self, document_id: str) -> list[str]:
        """The sessions this document was ever sent into, the last one first."""
        found = self._db.execute("SELECT session FROM attempt WHERE document = ? ORDER BY id DESC", (document_id,))
        return list(dict.fromkeys(r["session"] for r in found))

    def sends_since(self, context: str, since: datetime) -> list[datetime]:
        """When documents of this context were sent lately, oldest first: what the rate budget has spent."""
        found = self._db.execute(
            """SELECT started_at FROM attempt JOIN document ON document.id = attempt.document
               WHERE context = ? AND started_at >= ? ORDER BY started_at""",
            (context, stamp(since)),
        )
        return [rows.instant(r["started_at"]) for r in found]

    # -- documents: reading ------------------------------------------------------------------------------------

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

    def elsewhere(self, unit: str, sha256: str) -> bool:
        """True when another unit has a live or numbered document with these bytes."""
        return bool(
            self._one(
                f"SELECT 1 FROM document WHERE sha256 = ? AND unit <> ? AND state IN ({_HOLDERS})",  # noqa: S608
                sha256,
                unit,
            )
        )

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

    def name_taken(self, unit: str, name: str) -> bool:
        """True when a live document of this unit already uses this file stem (letter case ignored)."""
        return bool(
            self._one(
                f"SELECT 1 FROM document WHERE unit = ? AND name = ? COLLATE NOCASE AND state IN ({_LIVE})",  # noqa: S608
                unit,
                name,
            )
        )

    def documents(
        self, *, unit: str | None = None, states: Iterable[str] = (), after: int = 0, limit: int = 100
    ) -> list[Document]:
        """A page in order of arrival, from the one after cursor `after`."""
        where, values = _where(seq=after, unit=unit, state=sorted(states))
        found = self._db.execute(f"SELECT * FROM document {where} ORDER BY seq LIMIT ?", (*values, limit))  # noqa: S608
        return [rows.document(r) for r in found]

    def most_urgent(self, *, unit: str | None, states: Iterable[str], limit: int) -> list[Document]:
        """Documents in these states (none: in all), the nearest deadline first, those without one last."""
        where, values = _where(seq=0, unit=unit, state=sorted(states))
        found = self._db.execute(
            f"SELECT * FROM document {where} ORDER BY due_safe IS NULL, due_safe, seq LIMIT ?",  # noqa: S608
            (*values, limit),
        )
        return [rows.document(r) for r in found]

    def by_due(self, limit: int = 100) -> list[Document]:
        """Documents without a number that are still alive, the nearest deadline first."""
        found = self._db.execute(
            f"""SELECT * FROM document WHERE state IN ({_LIVE}) AND ksef_number IS NULL
                ORDER BY due_safe, seq LIMIT ?""",  # noqa: S608
            (limit,),
        )
        return [rows.document(r) for r in found]

    def work(self, context: str, states: Iterable[State], now: datetime, limit: int) -> list[Document]:
        """Documents of a context in these states whose time has come, the nearest deadline first.

        A time further ahead than anything is ever put off comes from a clock that has gone back: it has come, too.
        """
        wanted = sorted(states)
        found = self._db.execute(
            f"""SELECT * FROM document WHERE context = ? AND state IN ({_marks(wanted)})
                AND (next_action_at <= ? OR next_action_at > ?) ORDER BY due_safe, seq LIMIT ?""",  # noqa: S608 - marks
            (context, *wanted, stamp(now), stamp(now + LONGEST_PAUSE), limit),
        )
        return [rows.document(r) for r in found]

    def without_upo(self, context: str, now: datetime, limit: int) -> list[Document]:
        """Numbered documents of a context whose receipt is still missing and may be asked for now."""
        found = self._db.execute(
            f"""SELECT * FROM document WHERE context = ? AND state = '{State.ACCEPTED}' AND upo_sha256 IS NULL
                AND (next_action_at <= ? OR next_action_at > ?) ORDER BY seq LIMIT ?""",  # noqa: S608 - an enum
            (context, stamp(now), stamp(now + LONGEST_PAUSE), limit),
        )
        return [rows.document(r) for r in found]

    def next_action(self, context: str, states: Iterable[State]) -> datetime | None:
        """The earliest instant at which a document in these states wants something."""
        wanted = sorted(states)
        row = self._one(
            f"SELECT min(next_action_at) AS at FROM document WHERE context = ? AND state IN ({_marks(wanted)})",  # noqa: S608
            context,
            *wanted,
        )
        return rows.instant(row["at"]) if row and row["at"] else None

    def holds(self, context: str) -> bool:
        """True when a document of this context is HELD."""
        return bool(self._one("SELECT 1 FROM document WHERE context = ? AND state = 'HELD'", context))

    def unshown(self, limit: int = 200, units: Iterable[str] | None = None) -> list[Document]:
        """Documents that changed since their unit's folder was last written; of these units only, if given."""
        wanted = None if units is None else sorted(units)
        only = "" if wanted is None else f"AND +unit IN ({_marks(wanted)})"  # the plus: by the index of what is unshown
        found = self._db.execute(
            f"SELECT * FROM document WHERE shown < version {only} ORDER BY seq LIMIT ?",  # noqa: S608 - marks only
            (*(wanted or ()), limit),
        )
        return [rows.document(r) for r in found]

    # -- documents: what a person should know ------------------------------------------------------------------

    def unshown_by_unit(self) -> dict[str, int]:
        """How many documents of each unit are not in its folder as they are now."""
        found = self._db.execute("SELECT unit, count(*) AS n FROM document WHERE shown < version GROUP BY +unit")
        return {r["unit"]: r["n"] for r in found}

    def numbered_long(self, before: datetime) -> tuple[int, int]:
        """Numbered since before this instant and not delivered: without a UPO, and with one."""
        row = self._one(
            f"""SELECT ifnull(sum(upo_sha256 IS NULL), 0) AS no_upo, ifnull(sum(upo_sha256 IS NOT NULL), 0) AS with_upo
                FROM document WHERE state = '{State.ACCEPTED}' AND ifnull(acquisition_date, updated_at) < ?""",  # noqa: S608
            stamp(before),
        )
        return (row["no_upo"], row["with_upo"]) if row else (0, 0)

    def unanswered_long(self, before: datetime) -> dict[str, int]:
        """How many documents are SUBMITTED or UNKNOWN since an attempt before this instant, by state."""
        found = self._db.execute(
            f"""SELECT state, count(*) AS n FROM document WHERE state IN ('{State.SUBMITTED}', '{State.UNKNOWN}')
                AND ifnull((SELECT max(started_at) FROM attempt WHERE document = document.id), updated_at) < ?
                GROUP BY state""",  # noqa: S608 - enums
            (stamp(before),),
        )
        return {r["state"]: r["n"] for r in found}

    def without_due(self) -> int:
        """How many live documents without a number have no deadline: none may have none."""
        row = self._one(
            f"SELECT count(*) AS n FROM document WHERE state IN ({_LIVE}) AND +ksef_number IS NULL AND due_safe IS NULL"  # noqa: S608
        )
        return int(row["n"]) if row else 0

    def counts(self, unit: str | None = None) -> dict[str, int]:
        """How many documents are in each state; states without any are left out."""
        where, values = _where(seq=0, unit=unit)
        found = self._db.execute(f"SELECT state, count(*) AS n FROM document {where} GROUP BY state", values)  # noqa: S608
        return {r["state"]: r["n"] for r in found}

    # -- history -----------------------------------------------------------------------------------------------

    def log(
        self,
        subject: str,
        move: str,
        now: datetime,
        actor: str,
        note: str,
        data: dict[str, Any] | None = None,
    ) -> None:
        """Append one history row, chained to the one before by its hash."""
        last = self._one("SELECT hash FROM event ORDER BY seq DESC LIMIT 1")
        previous = last["hash"] if last else FIRST_HASH
        fields = (stamp(now), subject, actor, move, note, dump(data or {}), previous)
        self._insert("event", **dict(zip(_CHAINED, fields, strict=True)), hash=_chain(fields))

    def history(self, subject: str) -> list[Event]:
        """All events of one document, received invoice, context or unit, oldest first."""
        found = self._db.execute("SELECT * FROM event WHERE subject = ? ORDER BY seq", (subject,))
        return [rows.event(r) for r in found]

    def broken_link(self) -> int | None:
        """The `seq` of the first history row whose hash does not follow from the one before; None when all do."""
        previous = FIRST_HASH
        for row in self._db.execute("SELECT * FROM event ORDER BY seq"):
            fields = tuple(row[name] for name in _CHAINED)
            if row["previous"] != previous or row["hash"] != _chain(fields):
                return int(row["seq"])
            previous = row["hash"]
        return None

    # -- sessions and conditions of a context ------------------------------------------------------------------

    def add_session(self, session: Session) -> None:
        """Remember a session before anything is sent in it."""
        self._insert(
            "session",
            reference=session.reference,
            context=session.context,
            form=session.form,
            opened_at=stamp(session.opened_at),
            valid_until=stamp(session.valid_until),
        )

    def close_session(self, reference: str, now: datetime) -> None:
        """KSeF was told, and confirmed, that the session is closed."""
        self._db.execute(
            "UPDATE session SET closed_at = ? WHERE reference = ? AND closed_at IS NULL",
            (stamp(now), reference),
        )

    def end_session(self, reference: str, now: datetime) -> None:
        """The session has its final status: its list of invoices will not grow any more."""
        self._db.execute(
            "UPDATE session SET closed_at = ifnull(closed_at, ?), final_at = ? WHERE reference = ?",
            (stamp(now), stamp(now), reference),
        )

    def lose_session(self, reference: str, now: datetime) -> None:
        """KSeF does not know this session, which is past its end. That proves nothing about what was sent into it."""
        self._db.execute("UPDATE session SET lost_at = ? WHERE reference = ?", (stamp(now), reference))

    def session(self, reference: str) -> Session | None:
        """One of our sessions."""
        row = self._one("SELECT * FROM session WHERE reference = ?", reference)
        return rows.session(row) if row else None

    def sessions_not_final(self, context: str) -> list[Session]:
        """Sessions of a context whose end we have not seen yet."""
        found = self._db.execute(
            "SELECT * FROM session WHERE context = ? AND final_at IS NULL AND lost_at IS NULL", (context,)
        )
        return [rows.session(r) for r in found]

    def set_condition(self, context: str, name: str, value: dict[str, Any] | None, now: datetime) -> None:
        """Set or (None) lift a condition of a context, such as `paused` or `reachable`."""
        if value is None:
            self._db.execute("DELETE FROM condition WHERE context = ? AND name = ?", (context, name))
            return
        self._db.execute(
            """INSERT INTO condition (context, name, value, at) VALUES (?, ?, ?, ?)
               ON CONFLICT DO UPDATE SET value = excluded.value, at = excluded.at""",
            (context, name, dump(value), stamp(now)),
        )

    def conditions(self, context: str | None = None) -> list[Condition]:
        """The conditions of one context, or of all."""
        found = self._db.execute("SELECT * FROM condition WHERE ? IS NULL OR context = ?", (context, context))
        return [rows.condition(r) for r in found]

    # -- received invoices -------------------------------------------------------------------------------------

    def add_received(self, new: NewReceived, raw: bytes, now: datetime) -> bool:
        """Store a received invoice once by its KSeF number; False when it was there already, from any context."""
        if self._one("SELECT 1 FROM received WHERE ksef_number = ?", new.ksef_number):
            return False
        self.put_body(raw)
        self._insert(
            "received",
            ksef_number=new.ksef_number,
            context=new.context,
            sha256=new.sha256,
            facts=dump(new.facts.as_dict()),
            metadata=dump(new.metadata),
            acquisition_date=stamp(new.acquisition_date),
            permanent_storage_date=stamp(new.permanent_storage_date),
            unit=new.unit,
            rule=new.rule,
            why=new.why,
            stored_at=stamp(now),
        )
        self.log(new.ksef_number, "received", now, "agent", new.why, {"unit": new.unit, "rule": new.rule})
        return True

    def received(self, ksef_number: str, unit: str | None = None) -> Received:
        """One received invoice; with `unit` only that unit's. Raises KeyError: foreign and absent look the same."""
        row = self._one(
            "SELECT * FROM received WHERE ksef_number = ? AND (? IS NULL OR unit = ?)",
            ksef_number,
            unit,
            unit,
        )
        if row is None:
            raise KeyError(ksef_number)
        return rows.received(row)

    def received_page(
        self, *, unit: str | None = None, after: int = 0, limit: int = 100, unassigned: bool = False
    ) -> list[Received]:
        """A page in order of arrival; `unassigned` for the central tray only."""
        where, values = _where(cursor=after, unit=unit)
        tray = "AND unit IS NULL" if unassigned else ""
        found = self._db.execute(
            f"SELECT * FROM received {where} {tray} ORDER BY cursor LIMIT ?",  # noqa: S608 - our own names
            (*values, limit),
        )
        return [rows.received(r) for r in found]

    def latest_received(self, limit: int) -> list[Received]:
        """The newest first."""
        found = self._db.execute("SELECT * FROM received ORDER BY cursor DESC LIMIT ?", (limit,))
        return [rows.received(r) for r in found]

    def received_counts(self) -> dict[str, Any]:
        """`total`, `unassigned` and `last` (stored_at of the newest, or None)."""
        row = self._one(
            "SELECT count(*) AS total, count(*) - count(unit) AS unassigned, max(stored_at) AS last FROM received"
        )
        return dict(row) if row else {}

    def unmirrored(self, limit: int = 200) -> list[Received]:
        """Received invoices not yet written into a folder."""
        found = self._db.execute("SELECT * FROM received WHERE mirrored_at IS NULL ORDER BY cursor LIMIT ?", (limit,))
        return [rows.received(r) for r in found]

    def mark_mirrored(self, ksef_number: str, now: datetime) -> None:
        """The invoice lies in its unit's folder, or in the central tray."""
        self._db.execute("UPDATE received SET mirrored_at = ? WHERE ksef_number = ?", (stamp(now), ksef_number))

    def mark(self, context: str, subject: str) -> datetime | None:
        """How far receiving has come: everything up to this instant is stored."""
        row = self._one("SELECT upto FROM mark WHERE context = ? AND subject = ?", context, subject)
        return rows.instant(row["upto"]) if row else None

    def set_mark(self, context: str, subject: str, upto: datetime) -> None:
        """Move the mark forward, in the same transaction as the last documents below it; it never goes back."""
        self._db.execute(
            """INSERT INTO mark (context, subject, upto) VALUES (?, ?, ?)
               ON CONFLICT DO UPDATE SET upto = max(upto, excluded.upto)""",
            (context, subject, stamp(upto)),
        )

    # -- tokens and keys of the drop-point ---------------------------------------------------------------------

    def add_token(self, unit: str, token_hash: str, now: datetime, actor: str) -> None:
        """Let a unit in with the token whose SHA-256 this is; the token itself is never stored."""
        self._insert("unit_token", hash=token_hash, unit=unit, created_at=stamp(now))
        self.log(f"unit:{unit}", "token_added", now, actor, "Wydano nowy token jednostki.")

    def revoke_tokens(self, unit: str, now: datetime, actor: str) -> int:
        """Revoke every token of a unit, effective at once; returns how many there were."""
        done = self._db.execute(
            "UPDATE unit_token SET revoked_at = ? WHERE unit = ? AND revoked_at IS NULL", (stamp(now), unit)
        )
        if done.rowcount:
            self.log(f"unit:{unit}", "tokens_revoked", now, actor, "Unieważniono tokeny jednostki.")
        return int(done.rowcount)

    def unit_of_token(self, token_hash: str) -> str | None:
        """The unit that this token lets in, or None."""
        row = self._one("SELECT unit FROM unit_token WHERE hash = ? AND revoked_at IS NULL", token_hash)
        return row["unit"] if row else None

    def use_key(self, unit: str, key: str, sha256: str, now: datetime) -> bool:
        """Remember an Idempotency-Key for 30 days; False when it was used with other bytes."""
        self._db.execute("DELETE FROM idempotency WHERE at < ?", (stamp(now - KEEP_KEYS),))
        row = self._one("SELECT sha256 FROM idempotency WHERE unit = ? AND key = ?", unit, key)
        if row is None:
            self._insert("idempotency", unit=unit, key=key, sha256=sha256, at=stamp(now))
        return row is None or row["sha256"] == sha256

    # -- helpers -----------------------------------------------------------------------------------------------

    def _judgement(self, new: NewDocument) -> dict[str, Any]:
        """The columns that intake decides, for a first and for a repeated look at the same bytes."""
        return {
            "state": new.state,
            "reason": new.reason,
            "facts": dump(new.facts.as_dict()),
            "seller_nip": new.facts.seller_nip,
            "kind": new.facts.kind,
            "number_key": new.facts.number_key,
            "issue_date": new.facts.issue_date.isoformat() if new.facts.issue_date else "",
            "problems": dump([p.as_dict() for p in new.problems]),
            "mode": Mode(new.mode).value,
            "issued_at": stamp(new.issued_at),
            "due_safe": stamp(new.due_safe) if new.due_safe else None,
            "due_basis": new.due_basis,
            "due_why": new.due_why,
        }

    def _state_before(self, document_id: str) -> str:
        """The state that the last move in the history led to."""
        row = self._one(
            "SELECT move FROM event WHERE subject = ? AND move LIKE '%>%' ORDER BY seq DESC LIMIT 1",
            document_id,
        )
        return str(row["move"]).rpartition(">")[2] if row else ""

    def _update_document(self, document_id: str, now: datetime, **changes: Any) -> None:
        columns = {name: rows.plain(value) for name, value in changes.items()}
        assignments = ", ".join(f"{name} = ?" for name in columns)
        self._db.execute(
            f"UPDATE document SET updated_at = ?, version = version + 1, {assignments} WHERE id = ?",  # noqa: S608
            (stamp(now), *columns.values(), document_id),
        )

    def _insert(self, table: str, **columns: Any) -> None:
        self._db.execute(
            f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({_marks(columns)})",  # noqa: S608 - our own names
            tuple(columns.values()),
        )

    def _one(self, sql: str, *values: Any) -> pysqlite3.Row | None:
        return self._db.execute(sql, values).fetchone()


_CHAINED = ("at", "subject", "actor", "move", "note", "data", "previous")


def _chain(fields: tuple[str, ...]) -> str:
    return hashlib.sha256(json.dumps(fields, ensure_ascii=False).encode()).hexdigest()


def _marks(values: Iterable[Any]) -> str:
    return ", ".join("?" for _ in values)


def _where(*, unit: str | None, state: Sequence[str] = (), **after: int) -> tuple[str, tuple[Any, ...]]:
    """A WHERE clause with only the conditions that are wanted, so that SQLite can use its index on them."""
    cursor, value = next(iter(after.items()))
    parts: list[str] = [f"{cursor} > ?"]
    values: list[Any] = [value, *state]
    if state:
        parts.append(f"state IN ({_marks(state)})")
    if unit is not None:
        parts.append("unit = ?")
        values.append(unit)
    return "WHERE " + " AND ".join(parts), tuple(values)


def _quoted(states: Iterable[State]) -> str:
    return ", ".join(f"'{s}'" for s in sorted(states))


_HOLDERS = _quoted(HOLDS_NUMBER)
_LIVE = _quoted(LIVE)
