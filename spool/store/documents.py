"""Outgoing documents: entering, moving, changing. A guarded UPDATE is the first statement of a move."""

import secrets
from datetime import datetime
from typing import Any

from spool import rows
from spool.bodies import sha256_hex
from spool.domain.deadlines import Deadline
from spool.domain.document import Mode
from spool.domain.errors import MoveRefused, SpoolDamaged
from spool.domain.invariants import RESTORE
from spool.domain.ledger import NO_CERTIFICATE, PROGRAMS, Document, Kod2, NewDocument
from spool.domain.states import State, sources
from spool.domain.terms import DueState
from spool.rows import dump, stamp
from spool.store.base import marks
from spool.store.lookup import Lookup
from spool.store.sessions import Sessions


class Documents(Lookup, Sessions):
    """Changes of outgoing documents."""

    def add(self, new: NewDocument, raw: bytes, name: str, now: datetime) -> Document:
        """Bytes, row and first event, in the caller's one commit. The pair (unit, sha256) must be new.

        `name` is the stem of our files about it; empty means its id.
        """
        self.put_body(raw)
        self._keep_original(new)
        document_id, at = f"{int(now.timestamp() * 1000):011x}{secrets.token_hex(6)}", stamp(now)
        columns = {
            "id": document_id,
            "unit": new.unit,
            "context": new.context,
            "sha256": new.sha256,
            "size": new.size,
            "source": new.source,
            "source_name": new.source_name,
            "name": name or document_id,
            **self._judgement(new),
            "next_action_at": at,
            "created_at": at,
            "updated_at": at,
        }
        seq = self._insert("document", **columns)
        note = new.problems[0].message if new.problems else new.reason or "Przyjęto i zapisano."
        self.log(document_id, f">{new.state}", now, new.actor, note, {"sha256": new.sha256, "source": new.source})
        self._log_warnings(document_id, new, now)
        if new.place.series:
            self.keep_order(new.unit, new.place.series, now)
            return self.document(document_id)
        return rows.entered(new, {"seq": seq, **columns})

    def take_again(self, document: Document, new: NewDocument, name: str, now: datetime) -> Document:
        """A refused or withdrawn document came back and was judged anew: queue it, or keep it refused.

        It takes the name, the way in and the context of this time. `name` is as in `add`; without a label from the
        unit (`source_name`) both names stay. A refusal does not undo an issue that KSeF has seen: mode and deadline of
        a rejected offline invoice stay, because its duty, and a technical correction of it, rest on them.
        """
        self._keep_original(new)
        judgement = self._judgement(new) | {"source": new.source, "context": new.context}
        if new.source_name:
            judgement |= {"source_name": new.source_name, "name": name or document.id}
        del judgement["state"]  # the move, or staying, decides it
        if new.state is State.REFUSED:
            if document.owed or self.rejected_offline(document):
                kept = {"owed", *_deadline(new.due, new.wish, new.asked_at)}
                judgement = {name: value for name, value in judgement.items() if name not in kept}
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
        moved = self.move(document.id, State.QUEUED, now, new.actor, note, **judgement)
        self._log_warnings(document.id, new, now)
        return moved

    def _keep_original(self, new: NewDocument) -> None:
        """The file as it came, where the document is what we made of it: never thrown away (DESIGN decision 5)."""
        if new.original:
            self.put_body(new.original)

    def _log_warnings(self, document_id: str, new: NewDocument, now: datetime) -> None:
        for found in new.warnings:
            self.log(document_id, "warned", now, new.actor, found.message, {"code": found.code, "field": found.field})

    def move(
        self,
        document_id: str,
        target: State,
        now: datetime,
        actor: str,
        note: str,
        data: dict[str, Any] | None = None,
        **changes: Any,
    ) -> Document:
        """Change the state where the table of moves allows it, with its history row.

        `changes` are further columns. Raises MoveRefused when the document is in no state that `target` may follow,
        SpoolDamaged when by its history it is in another one than its row says: nothing may be sent on such a word.
        """
        allowed = sorted(sources(target))
        was = self._one(
            f"""UPDATE document SET updated_at = ?, version = version + 1, state = '{target}'
                WHERE id = ? AND state IN ({marks(allowed)}) RETURNING unit, series""",  # noqa: S608 - enum and marks only
            stamp(now),
            document_id,
            *allowed,
        )
        if was is None:
            raise MoveRefused(f"Dokument {document_id} nie może teraz przejść do stanu {target}.")
        before = self._state_before(document_id)
        if before not in allowed:
            raise SpoolDamaged(
                f"Stan dokumentu {document_id} nie wynika z jego historii ({before or 'brak'}).", RESTORE
            )
        changes.setdefault("reason", "")
        changes.setdefault("next_action_at", stamp(now))
        if target is State.HELD:
            changes["parked"] = int(actor not in PROGRAMS)
        self._update_document(document_id, now, **changes)
        self.log(document_id, f"{before}>{target}", now, actor, note, data)
        if series := changes.get("series", was["series"]):
            self.keep_order(was["unit"], series, now)
        return self.document(document_id)

    def touch(self, document_id: str, now: datetime, **changes: Any) -> None:
        """Change columns other than the state (a retry time, the due date); no history row."""
        self._update_document(document_id, now, **changes)

    def set_deadline(self, document: Document, due: Deadline, now: datetime, sooner: bool = False) -> None:
        """What the law makes of it now; in the history where a date, the mode or the standing of the duty changed.

        `sooner`: the date is earlier than people expect, and the alarms are to tell them (`spool.store.alarms`).
        """
        columns = _deadline(due, document.wish, document.asked_at)
        self._update_document(document.id, now, **columns)
        data = {"due": columns["due_safe"], "state": due.state, "mode": due.mode, "announcements": list(due.used)}
        self.log(document.id, "due", now, "spool", f"Termin przeliczony. {due.explanation}", data)
        if sooner:
            self._db.execute(
                "INSERT INTO sooner (document, due) VALUES (?, ?) ON CONFLICT DO UPDATE SET due = excluded.due",
                (document.id, columns["due_safe"]),
            )

    def seal(self, document: Document, kod2: Kod2 | None, now: datetime) -> None:
        """KOD II of a document that became an offline one; without one, the lack is a condition of its context."""
        lack = {"since": stamp(now)} if kod2 is None else None
        if lack is None or self.condition(document.context, NO_CERTIFICATE) is None:
            self.set_condition(document.context, NO_CERTIFICATE, lack, now)
        if kod2 is not None:
            self._update_document(document.id, now, kod2_url=kod2.url, cert_serial=kod2.serial)
            note = "Podpisano KOD II certyfikatem offline."
            self.log(document.id, "kod2", now, "gateway", note, {"serial": kod2.serial})

    def forgive(self, document: Document, now: datetime, actor: str, note: str) -> None:
        """An invoice rejected by KSeF is not owed any more: another took its place, or a person says it is void."""
        self._update_document(document.id, now, owed=0)
        self.log(document.id, "not_owed", now, actor, note)

    def postpone(self, document_id: str, until: datetime) -> None:
        """Nothing to do with this document before then; not a change that anybody is shown."""
        self._db.execute("UPDATE document SET next_action_at = ? WHERE id = ?", (stamp(until), document_id))

    def park(self, document: Document, now: datetime, actor: str, note: str) -> Document:
        """A person looks after a document that a program holds: later numbers of its series wait for it no more."""
        self._update_document(document.id, now, parked=1, reason=note)
        self.log(document.id, "parked", now, actor, note)
        if document.series:
            self.keep_order(document.unit, document.series, now)
        return self.document(document.id)

    def has_documents(self, context: str) -> bool:
        """True when a document of this context is here."""
        found = self._one("SELECT 1 FROM document WHERE context = ?", context)
        return found is not None

    def mark_training(self, context: str, training: str) -> None:
        """What was sent by this context, before another one was in earnest, is of a training; purchases as well.

        Their numbers are free for real documents from here on, and no date is told any more.
        """
        for table in ("document", "received"):
            self._db.execute(
                f"""UPDATE {table} SET training = ?, facts = json_set(facts, '$.training', ?),
                    number_key = CASE number_key WHEN '' THEN '' ELSE ? || ':' || number_key END
                    WHERE context = ? AND training = ''""",  # noqa: S608 - our own words
                (training, training, training, context),
            )
        self._db.execute(
            """UPDATE document SET due_safe = NULL, due_local = NULL, due_state = 'none', owed = 0, series = '',
               in_order = 0, held_back = 0, version = version + 1 WHERE context = ? AND training <> ''
               AND due_state <> 'none'""",
            (context,),
        )

    def mark_shown(self, document: Document) -> None:
        """The unit's folder now says what this version of the document says."""
        self._db.execute("UPDATE document SET shown = ? WHERE id = ?", (document.version, document.id))

    def _judgement(self, new: NewDocument) -> dict[str, Any]:
        """The columns that intake decides, for a first and for a repeated look at the same bytes."""
        return {
            "state": new.state.value,
            "reason": new.reason,
            "facts": dump(new.facts.as_dict()),
            "training": new.facts.training,
            "seller_nip": new.facts.seller_nip,
            "kind": new.facts.kind,
            "number_key": new.facts.number_key,
            "issue_date": new.facts.issue_date.isoformat() if new.facts.issue_date else "",
            "attachment": int(new.facts.has_attachment),
            "problems": dump([p.as_dict() for p in new.problems]),
            "warnings": dump([p.as_dict() for p in new.warnings]),
            "repaired_from": sha256_hex(new.original) if new.original else "",
            "wish": new.wish.value,
            "asked_at": stamp(new.asked_at),
            "corrects": new.corrects,
            "owed": 0,
            "awaits": new.awaits,
            "series": new.place.series,
            "series_n": new.place.n,
            "in_order": int(new.place.strict),
            "kod2_url": new.kod2.url if new.kod2 else "",
            "cert_serial": new.kod2.serial if new.kod2 else "",
            **_deadline(new.due, new.wish, new.asked_at),
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


def _deadline(due: Deadline | None, wish: Mode, asked_at: datetime) -> dict[str, Any]:
    """The columns of a deadline; a refused document has none, and keeps the wish as its mode."""
    return {
        "mode": (due.mode if due else wish).value,
        "issued_at": stamp(due.issued_at if due else asked_at),
        "deemed": int(due.deemed) if due else 0,
        "due_safe": stamp(due.safe) if due and due.safe else None,
        "due_local": stamp(due.local) if due and due.local else None,
        "due_state": (due.state if due else DueState.NONE).value,
        "due_basis": ", ".join(due.basis) if due else "",
        "due_why": due.explanation if due else "",
        "due_because": due.because if due else "",
        "announcements": dump(due.used if due else ()),
    }
