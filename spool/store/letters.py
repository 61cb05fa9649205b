"""What is wrong and for how long, and the letters about it with their delivery."""

from datetime import datetime

from spool import rows
from spool.domain.alarms import Mail
from spool.domain.letters import DEADLINE, Day, Letter, NewLetter, alarm_key
from spool.domain.troubles import Plan, Seen, Trouble
from spool.rows import dump, stamp
from spool.store.alarms import LONGEST_PAUSE, Alarms

_LETTER_TO = """SELECT letter, way, address, kind, subject AS sentence, text, data, at, tries, error, sent_at
    FROM letter_to JOIN letter ON letter.id = letter"""
_UNSENT = f"""{_LETTER_TO.replace("letter_to JOIN", "letter_to INDEXED BY letter_to_unsent JOIN")}
    WHERE sent_at IS NULL AND letter >= (SELECT id FROM letter WHERE at >= ? ORDER BY at LIMIT 1)"""  # noqa: S608 - our own words
"""Only the latest letters, as for alarms."""


class Letters(Alarms):
    """Troubles and letters."""

    # -- what is wrong -----------------------------------------------------------------------------------------

    def open_troubles(self) -> list[Trouble]:
        """What is not over, the oldest first."""
        return [rows.trouble(r) for r in self._db.execute("SELECT * FROM trouble WHERE over_at IS NULL ORDER BY id")]

    def troubles(self, limit: int) -> list[Trouble]:
        """Told ones, over or not, the newest first."""
        found = self._db.execute("SELECT * FROM trouble WHERE told_at IS NOT NULL ORDER BY id DESC LIMIT ?", (limit,))
        return [rows.trouble(r) for r in found]

    def carry_out(self, plan: Plan, letter: NewLetter | None, now: datetime) -> int | None:
        """Write what changed, and the letter that tells it, in one commit; returns the number of the letter."""
        for seen in plan.begun:
            self._insert(
                "trouble", code=seen.code, sentence=seen.sentence, grave=int(seen.grave), grade=seen.grade,
                since=stamp(now),
            )  # fmt: skip
        for trouble, seen in plan.changed:
            self._db.execute(
                "UPDATE trouble SET sentence = ?, grave = ?, grade = ?, gone_at = NULL WHERE id = ?",
                (seen.sentence, int(seen.grave), seen.grade, trouble),
            )
        self._db.executemany("UPDATE trouble SET gone_at = ? WHERE id = ?", [(stamp(now), t) for t in plan.gone])
        self._db.executemany("UPDATE trouble SET over_at = ? WHERE id = ?", [(stamp(now), t) for t in plan.over])
        for seen in plan.tell:
            self._tell_trouble(seen, now)
        return self.add_letter(letter, now) if letter is not None else None

    def _tell_trouble(self, seen: Seen, now: datetime) -> None:
        self._db.execute(
            "UPDATE trouble SET told_at = ifnull(told_at, ?), told_grade = ? WHERE code = ? AND over_at IS NULL",
            (stamp(now), seen.grade, seen.code),
        )

    # -- letters -----------------------------------------------------------------------------------------------

    def add_letter(self, new: NewLetter, now: datetime) -> int | None:
        """Keep a letter with its ways and one event; None when there is one under this key already."""
        done = self._db.execute(
            """INSERT INTO letter (key, kind, subject, text, data, at) VALUES (?, ?, ?, ?, ?, ?)
               ON CONFLICT DO NOTHING RETURNING id""",
            (new.key, new.kind, new.subject, new.text, dump(dict(new.data)), stamp(now)),
        ).fetchone()
        if done is None:
            return None
        letter = int(done["id"])
        for way, address in dict.fromkeys(new.ways):
            self._insert("letter_to", letter=letter, way=way, address=address, next_at=stamp(now))
        if new.kind != DEADLINE:  # its alarm has an event of its own
            self.log(f"letter:{letter}", new.kind, now, "gateway", new.subject)
        return letter

    def has_letter(self, key: str) -> bool:
        """True when something was told under this key."""
        return self._one("SELECT 1 FROM letter WHERE key = ?", key) is not None

    def last_letter(self, kind: str) -> datetime | None:
        """When the last letter of this kind was kept."""
        row = self._one("SELECT at FROM letter WHERE kind = ? ORDER BY id DESC LIMIT 1", kind)
        return rows.instant(row["at"]) if row else None

    def letters(self, limit: int) -> list[tuple[Letter, list[Mail]]]:
        """The newest first, with their delivery; those that only repeat an alarm to a webhook are left out."""
        found = self._db.execute(
            "SELECT id, kind, subject, at FROM letter WHERE kind <> ? ORDER BY id DESC LIMIT ?", (DEADLINE, limit)
        ).fetchall()
        return [(Letter(r["id"], r["kind"], r["subject"], rows.instant(r["at"])), self._ways(r["id"])) for r in found]

    def _ways(self, letter: int) -> list[Mail]:
        found = self._db.execute(f"{_LETTER_TO} WHERE letter = ? ORDER BY way, address", (letter,))
        return [rows.letter_to(r) for r in found]

    def hooks(self, alarm: int) -> list[Mail]:
        """How an alarm about a deadline went to the webhook."""
        found = self._db.execute(f"{_LETTER_TO} WHERE key = ?", (alarm_key(alarm),))
        return [rows.letter_to(r) for r in found]

    def letters_to_send(self, way: str, now: datetime, since: datetime, limit: int) -> list[Mail]:
        """Unsent letters on this way whose time has come, kept at or after `since`, the oldest first."""
        found = self._db.execute(
            f"{_UNSENT} AND way = ? AND (next_at <= ? OR next_at > ?) ORDER BY next_at, letter, address LIMIT ?",
            (stamp(since), way, stamp(now), stamp(now + LONGEST_PAUSE), limit),
        )
        return [rows.letter_to(r) for r in found]

    def mail_sent(self, mail: Mail, now: datetime) -> None:
        """The other side took it."""
        if not mail.letter:
            super().mail_sent(mail, now)
            return
        self._db.execute(
            """UPDATE letter_to SET sent_at = ?, tries = tries + 1, error = '' WHERE letter = ? AND way = ?
               AND address = ?""",
            (stamp(now), mail.letter, mail.way, mail.address),
        )

    def mail_failed(self, mail: Mail, error: str, next_at: datetime) -> None:
        """The other side did not take it: why, and when to try again."""
        if not mail.letter:
            super().mail_failed(mail, error, next_at)
            return
        self._db.execute(
            """UPDATE letter_to SET error = ?, tries = tries + 1, next_at = ? WHERE letter = ? AND way = ?
               AND address = ?""",
            (error, stamp(next_at), mail.letter, mail.way, mail.address),
        )

    def failing_mails(self, since: datetime, limit: int) -> list[Mail]:
        """Mails of alarms and letters since then that failed and did not go since, those of alarms first."""
        found = self._db.execute(f"{_UNSENT} AND error <> '' ORDER BY letter DESC LIMIT ?", (stamp(since), limit))
        return [*super().failing_mails(since, limit), *(rows.letter_to(r) for r in found)][:limit]

    def day(self, since: datetime, until: datetime) -> Day:
        """What happened in [since, until); what was of a training is counted for itself."""
        span = (stamp(since), stamp(until))
        documents = self._one(
            """SELECT count(*) FILTER (WHERE created_at >= ?1 AND created_at < ?2 AND state <> 'REFUSED') AS taken_in,
               count(*) FILTER (WHERE acquisition_date >= ?1 AND acquisition_date < ?2) AS numbered,
               count(*) FILTER (WHERE acquisition_date >= ?1 AND acquisition_date < ?2 AND due_state = 'overdue')
                   AS late,
               count(*) FILTER (WHERE state = 'REFUSED' AND updated_at >= ?1 AND updated_at < ?2) AS refused
               FROM document WHERE training = ''""",
            *span,
        )
        purchases = self._one(
            """SELECT count(*) FILTER (WHERE training = '') AS real, count(*) FILTER (WHERE training <> '') AS trained
               FROM received WHERE stored_at >= ? AND stored_at < ?""",
            *span,
        )
        sales = self._one(
            """SELECT count(*) AS trained FROM document WHERE training <> '' AND created_at >= ? AND created_at < ?""",
            *span,
        )
        assert documents is not None
        assert purchases is not None
        assert sales is not None
        return Day(
            since, until, documents["taken_in"], documents["numbered"], documents["late"], documents["refused"],
            purchases["real"], sales["trained"] + purchases["trained"],
        )  # fmt: skip

    # -- what they are about -----------------------------------------------------------------------------------

    def unmended(self, before: datetime, since: datetime, limit: int) -> int:
        """Refused in between, and nothing has come under the same number since; counted up to `limit`."""
        found = self._db.execute(
            """SELECT 1 FROM document d INDEXED BY document_refused
               WHERE d.state = 'REFUSED' AND d.training = '' AND d.created_at BETWEEN ? AND ? AND NOT EXISTS (
                   SELECT 1 FROM document o WHERE o.seller_nip = d.seller_nip AND o.kind = d.kind
                   AND o.number_key = d.number_key AND o.number_key <> '' AND o.seq > d.seq) LIMIT ?""",
            (stamp(since), stamp(before), limit),
        )
        return len(found.fetchall())

    def outcomes_since(self, since: datetime) -> dict[str, int]:
        """How many sends begun since then ended how; `open` are those without an outcome. None of a training."""
        found = self._db.execute(
            """SELECT ifnull(outcome, 'open') AS outcome, count(*) AS n FROM attempt INDEXED BY attempt_started
               CROSS JOIN document ON document.id = attempt.document AND document.training = ''
               WHERE started_at >= ? GROUP BY 1""",
            (stamp(since),),
        )
        return {r["outcome"]: r["n"] for r in found}

    def guessed(self, since: datetime) -> list[str]:
        """Accounts for which wrong passwords were given again and again since then."""
        found = self._db.execute(
            """SELECT DISTINCT substr(subject, 9) AS login FROM event
               WHERE subject >= 'account:' AND subject < 'account;' AND move = 'sign_in_failed' AND at >= ?
               ORDER BY login""",
            (stamp(since),),
        )
        return [r["login"] for r in found]
