"""Alarms about deadlines: what there is to tell, what was told, and its mail.

What there is to tell is found by two partial indexes, `document_open` and `document_passing`; a look hops from one
(unit, due, mode) to the next and does not read the documents in between. Their conditions are repeated here to the
letter, which is what lets SQLite use them.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from spool import rows
from spool.domain.alarms import Alarm, Mail, NewAlarm, Passed, Seen, Subject
from spool.domain.document import Mode
from spool.domain.ladder import Call, Candidate, Step
from spool.domain.penalties import Amounts
from spool.rows import dump, stamp
from spool.store.base import ENDED, Base

OPEN = f"""due_safe IS NOT NULL AND ksef_number IS NULL AND (owed OR state NOT IN {ENDED})
    AND (handed_over_at IS NULL OR state IN ('UNKNOWN', 'CONFLICT'))"""
"""Not handed over. An unknown result and a conflict are open, too: nothing proves that KSeF has taken this one."""
PASSING = f"""due_safe IS NOT NULL AND passed_told IS NOT due_safe AND (owed OR state NOT IN {ENDED})
    AND ((due_state = 'overdue' AND mode <> 'online')
    OR (ksef_number IS NULL AND (handed_over_at IS NULL OR state IN ('UNKNOWN', 'CONFLICT'))))"""
"""Open, or handed over too late; its passing has not been told. What went as online after its day broke no term: that
day's end only makes it what art. 106nda(16) says."""
LONGEST_PAUSE = timedelta(hours=2)
"""Longer than any pause between two tries of a mail: a time further ahead was written by a clock that has gone back."""


class Alarms(Base):
    """Deadlines that somebody must hear of."""

    # -- what there is to tell ---------------------------------------------------------------------------------

    def alarm_look(self, now: datetime, horizon: datetime, deadlines_move: bool = False) -> Seen:
        """Everything that the rules of the ladder need at `now`; due moments after `horizon` are left out."""
        return Seen(
            self._candidates(now, horizon), self._passed(now), self._sooner(now), self._last_minute_told(now),
            self._over(), deadlines_move,
        )  # fmt: skip

    def _candidates(self, now: datetime, horizon: datetime) -> list[Candidate]:
        """Open documents with a due moment in (now, horizon], by unit, due moment and mode."""
        some = f"SELECT rowid FROM document INDEXED BY document_open WHERE {OPEN} AND"  # noqa: S608 - our own words
        # One seek per column: for a row value, (unit, due_safe, mode) > (…), SQLite would seek by the first one only.
        hop = f"""coalesce(
            ({some} unit = hop.unit AND due_safe = hop.due_safe AND mode > hop.mode ORDER BY mode LIMIT 1),
            ({some} unit = hop.unit AND due_safe > max(hop.due_safe, :now) AND due_safe <= :horizon
             ORDER BY due_safe, mode LIMIT 1),
            ({some} unit > hop.unit ORDER BY unit, due_safe, mode LIMIT 1))"""
        same = f"""SELECT created_at FROM document d INDEXED BY document_open WHERE {OPEN}
            AND unit = hop.unit AND due_safe = hop.due_safe AND mode = hop.mode ORDER BY created_at"""  # noqa: S608 - our own words
        found = self._db.execute(
            f"""WITH RECURSIVE hop (unit, due_safe, mode) AS (
                    SELECT '', '', '' UNION ALL
                    SELECT d.unit, d.due_safe, d.mode FROM hop JOIN document d ON d.rowid = {hop})
                SELECT unit, due_safe, mode, ({same} LIMIT 1) AS first, ({same} DESC LIMIT 1) AS last,
                    (SELECT group_concat(step) FROM alarm WHERE unit = hop.unit AND due = hop.due_safe) AS told
                FROM hop WHERE due_safe > :now AND due_safe <= :horizon""",  # noqa: S608 - our own words
            {"now": stamp(now), "horizon": stamp(horizon)},
        )
        return [
            Candidate(
                r["unit"], rows.instant(r["due_safe"]), Mode(r["mode"]), rows.instant(r["first"]),
                rows.instant(r["last"]), frozenset((r["told"] or "").split(",")) - {""},
            )
            for r in found
        ]  # fmt: skip

    def _passed(self, now: datetime) -> list[Passed]:
        """By unit, the latest due moment that has passed and was not told."""
        found = self._by_unit("max(due_safe)", "due_safe <= :now", now)
        return [self._told(r["unit"], r["due"], Step.DUE) for r in found]

    def next_due(self, now: datetime) -> datetime | None:
        """The nearest due moment after `now` of a document whose passing would have to be told."""
        found = self._by_unit("min(due_safe)", "due_safe > :now", now)
        return min((rows.instant(r["due"]) for r in found), default=None)

    def _by_unit(self, what: str, clause: str, now: datetime) -> list[Any]:
        """Rows (unit, due) of the units that have documents in `document_passing` within the clause."""
        some = f"FROM document INDEXED BY document_passing WHERE {PASSING}"
        found = self._db.execute(
            f"""WITH RECURSIVE hop (unit) AS (
                    SELECT '' UNION ALL
                    SELECT (SELECT unit {some} AND unit > hop.unit ORDER BY unit LIMIT 1) FROM hop
                    WHERE unit IS NOT NULL)
                SELECT unit, (SELECT {what} {some} AND unit = hop.unit AND {clause}) AS due
                FROM hop WHERE unit > '' AND due IS NOT NULL""",  # noqa: S608 - our own words
            {"now": stamp(now)},
        )
        return list(found)

    def _sooner(self, now: datetime) -> list[Passed]:
        # CROSS JOIN: from the few that came sooner to their documents, never the other way round.
        found = self._db.execute(
            f"""SELECT DISTINCT unit, due_safe AS due FROM sooner CROSS JOIN document
                ON document.id = sooner.document AND due_safe = sooner.due WHERE {OPEN} AND due_safe > ?""",  # noqa: S608 - our own words
            (stamp(now),),
        )
        return [self._told(r["unit"], r["due"], Step.SOONER) for r in found.fetchall()]

    def _told(self, unit: str, due: str, step: Step) -> Passed:
        return Passed(unit, rows.instant(due), self.told_last(step, unit))

    def _last_minute_told(self, now: datetime) -> dict[tuple[str, datetime], datetime]:
        found = self._db.execute(
            "SELECT unit, due, max(at) AS at FROM alarm WHERE step = ? AND due > ? GROUP BY unit, due",
            (Step.LAST_MINUTE.value, stamp(now)),
        )
        return {(r["unit"], rows.instant(r["due"])): rows.instant(r["at"]) for r in found}

    def _over(self) -> list[int]:
        """Open alarms of which no document is open any more with that due moment (for a passed one: or an earlier).

        One about the central tray is over when none of its invoices lies there.
        """
        found = self._db.execute(
            f"""SELECT id FROM alarm WHERE over_at IS NULL AND step = '{Step.TRAY}' AND NOT EXISTS (
                    SELECT 1 FROM json_each(documents) JOIN received ON ksef_number = value WHERE unit IS NULL)
                UNION ALL SELECT id FROM alarm WHERE over_at IS NULL AND step <> '{Step.TRAY}' AND NOT EXISTS (
                    SELECT 1 FROM document INDEXED BY document_open WHERE {OPEN} AND unit = alarm.unit
                    AND due_safe <= alarm.due AND due_safe >= iif(alarm.step = '{Step.DUE}', '', alarm.due))"""  # noqa: S608
        )
        return [r["id"] for r in found]

    def alarm_subject(self, call: Call, shown: int, *, amounts: bool) -> Subject:
        """The documents that a call is about, the nearest due moment first. `amounts` only where they are asked for."""
        clause, values = self._meant(call)
        order = "ORDER BY due_safe, seq"
        ids = self._db.execute(f"SELECT id FROM document {clause} {order}", values)  # noqa: S608 - our own words
        few = self._db.execute(f"SELECT * FROM document {clause} {order} LIMIT ?", (*values, shown))  # noqa: S608
        states = self._db.execute(
            f"SELECT state, context, count(*) AS n FROM document {clause} GROUP BY state, context",  # noqa: S608
            values,
        ).fetchall()
        priced = self._db.execute(
            f"""SELECT facts ->> 'vat' AS vat, facts ->> 'gross' AS gross, facts ->> 'currency' AS currency
                FROM document {clause} AND ?""",  # noqa: S608 - our own words
            (*values, amounts),
        )
        counts: dict[str, int] = {}
        for row in states:
            counts[row["state"]] = counts.get(row["state"], 0) + row["n"]
        return Subject(
            tuple(r["id"] for r in ids), tuple(rows.document(r) for r in few), counts,
            frozenset(r["context"] for r in states),
            [Amounts(r["vat"] or "", r["gross"] or "", r["currency"] or "") for r in priced],
        )  # fmt: skip

    def _meant(self, call: Call) -> tuple[str, tuple[str, ...]]:
        """The FROM … WHERE of the documents of a call."""
        if call.step is Step.DUE:
            return (
                f"INDEXED BY document_passing WHERE {PASSING} AND unit = ? AND due_safe <= ?",
                (call.unit, stamp(call.due)),
            )
        clause = f"INDEXED BY document_open WHERE {OPEN} AND unit = ? AND due_safe = ?"
        values: tuple[str, ...] = (call.unit, stamp(call.due))
        if call.step is Step.SOONER:
            clause += " AND id IN (SELECT document FROM sooner WHERE due = document.due_safe)"
        if call.step is Step.FIFTH_DAY:
            clause += f" AND mode = '{Mode.FAILURE}'"
        if call.until is not None:
            clause += " AND created_at <= ?"
            values = (*values, stamp(call.until))
        if call.step is Step.LAST_MINUTE:
            assert call.since is not None
            told = "SELECT value FROM alarm, json_each(documents) WHERE alarm.unit = ? AND due = ? AND step = ?"
            clause += f" AND created_at > ? AND id NOT IN ({told})"
            values = (*values, stamp(call.since), call.unit, stamp(call.due), call.step.value)
        return clause, values

    def told_last(self, step: Step, unit: str) -> datetime | None:
        """When this was told last."""
        row = self._one("SELECT max(at) AS at FROM alarm WHERE step = ? AND unit = ?", step.value, unit)
        return rows.instant(row["at"]) if row and row["at"] else None

    # -- what was told -----------------------------------------------------------------------------------------

    def raise_alarm(self, new: NewAlarm, now: datetime) -> int | None:
        """Commit an alarm with its mails and one event; None when it was told already.

        A step with a moment of its own is told once per unit and due moment. The others may have another part, about
        documents that no earlier one named.
        """
        key = (new.unit, stamp(new.due), new.step.value)
        row = self._one("SELECT count(*) AS n FROM alarm WHERE unit = ? AND due = ? AND step = ?", *key)
        part = row["n"] if row else 0
        if part and new.step not in _IN_PARTS:
            return None
        if new.step is Step.DUE and not self._tell_passed(new):
            return None
        if new.step is Step.TRAY:
            self._db.execute(
                "UPDATE received SET tray_told = 1 WHERE ksef_number IN (SELECT value FROM json_each(?))",
                (dump(new.documents),),
            )
        done = self._db.execute(
            """INSERT INTO alarm (unit, due, step, part, documents, sentence, text, at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
               RETURNING id""",
            (*key, part, dump(new.documents), new.sentence, new.text, stamp(now)),
        )
        alarm = int(done.fetchone()["id"])
        for address in dict.fromkeys(new.addresses):
            self._insert("alarm_mail", alarm=alarm, address=address, next_at=stamp(now))
        self._db.execute(
            """UPDATE alarm SET over_at = ? WHERE unit = ? AND over_at IS NULL AND step <> ? AND due <= ?
               AND due >= iif(?, '', ?)""",
            (stamp(now), new.unit, new.step.value, key[1], new.step is Step.DUE, key[1]),
        )
        self._db.execute(
            "DELETE FROM sooner WHERE due = ? AND document IN (SELECT value FROM json_each(?))",
            (key[1], dump(new.documents)),
        )
        data = {"unit": new.unit, "step": new.step.value, "due": key[1], "documents": len(new.documents)}
        self.log(f"alarm:{alarm}", new.step.value, now, "gateway", new.sentence, data)
        return alarm

    def _tell_passed(self, new: NewAlarm) -> int:
        """Mark its documents, so that nobody is told twice; returns how many were not marked before."""
        done = self._db.execute(
            f"""UPDATE document INDEXED BY document_passing SET passed_told = due_safe WHERE {PASSING}
                AND unit = ? AND due_safe <= ? AND id IN (SELECT value FROM json_each(?))""",  # noqa: S608 - our own words
            (new.unit, stamp(new.due), dump(new.documents)),
        )
        return int(done.rowcount)

    def end_alarms(self, alarms: Iterable[int], now: datetime) -> None:
        """Nothing of these is open any more; what came sooner and is not open is forgotten with them."""
        self._db.executemany("UPDATE alarm SET over_at = ? WHERE id = ?", [(stamp(now), a) for a in alarms])
        self._db.execute(
            f"DELETE FROM sooner WHERE NOT EXISTS (SELECT 1 FROM document WHERE id = sooner.document AND {OPEN})"  # noqa: S608
        )

    def open_alarms(self, limit: int) -> list[Alarm]:
        """Alarms that are not over, the gravest first: by due moment, then the newest."""
        found = self._db.execute(
            f"SELECT {_ALARM} FROM alarm WHERE over_at IS NULL ORDER BY due, id DESC LIMIT ?",  # noqa: S608
            (limit,),
        )
        return [rows.alarm(r) for r in found]

    def alarms(self, limit: int) -> list[Alarm]:
        """The newest first, over or not."""
        found = self._db.execute(f"SELECT {_ALARM} FROM alarm ORDER BY id DESC LIMIT ?", (limit,))  # noqa: S608
        return [rows.alarm(r) for r in found]

    # -- its mail ----------------------------------------------------------------------------------------------

    def mails_to_send(self, now: datetime, since: datetime, limit: int) -> list[Mail]:
        """Unsent mails whose time has come, of alarms told at or after `since`, the oldest first."""
        found = self._db.execute(
            f"""{_UNSENT} AND (next_at <= ? OR next_at > ?) ORDER BY next_at, alarm, address LIMIT ?""",
            (stamp(since), stamp(now), stamp(now + LONGEST_PAUSE), limit),
        )
        return [rows.mail(r) for r in found]

    def mail_sent(self, mail: Mail, now: datetime) -> None:
        """The server took it."""
        self._db.execute(
            "UPDATE alarm_mail SET sent_at = ?, tries = tries + 1, error = '' WHERE alarm = ? AND address = ?",
            (stamp(now), mail.alarm, mail.address),
        )

    def mail_failed(self, mail: Mail, error: str, next_at: datetime) -> None:
        """The server did not take it, or there was none: why, and when to try again."""
        self._db.execute(
            "UPDATE alarm_mail SET error = ?, tries = tries + 1, next_at = ? WHERE alarm = ? AND address = ?",
            (error, stamp(next_at), mail.alarm, mail.address),
        )

    def failing_mails(self, since: datetime, limit: int) -> list[Mail]:
        """Mails of alarms told at or after `since` that failed and did not go since, the newest first."""
        found = self._db.execute(
            f"{_UNSENT} AND error <> '' ORDER BY alarm DESC, address LIMIT ?", (stamp(since), limit)
        )
        return [rows.mail(r) for r in found]

    def mails(self, alarm: int) -> list[Mail]:
        """All mails of one alarm."""
        found = self._db.execute(
            f"SELECT {_MAIL} FROM alarm_mail JOIN alarm ON alarm.id = alarm WHERE alarm = ? ORDER BY address",  # noqa: S608
            (alarm,),
        )
        return [rows.mail(r) for r in found]


_IN_PARTS = frozenset({Step.TRAY, Step.DUE, Step.SOONER, Step.LAST_MINUTE})
_ALARM = "id, unit, step, due, part, json_array_length(documents) AS documents, sentence, at, over_at"
_MAIL = "alarm, address, sentence, text, at, tries, error, sent_at"
_UNSENT = f"""SELECT {_MAIL} FROM alarm_mail INDEXED BY alarm_mail_unsent JOIN alarm ON alarm.id = alarm
    WHERE sent_at IS NULL AND alarm >= (SELECT id FROM alarm WHERE at >= ? ORDER BY at LIMIT 1)"""  # noqa: S608
"""Only the latest alarms: what was given up long ago must not be looked through each time."""
