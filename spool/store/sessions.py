"""Our KSeF sessions, and the conditions of a context (DESIGN decision 11)."""

import json
from datetime import datetime
from typing import Any

from spool import rows
from spool.domain.ledger import ONLINE, Condition, Session
from spool.rows import dump, stamp
from spool.store.base import Base


class Sessions(Base):
    """Sessions and conditions."""

    def add_session(self, session: Session) -> None:
        """Remember a session before anything is sent in it."""
        self._insert(
            "session",
            reference=session.reference,
            context=session.context,
            form=session.form,
            opened_at=stamp(session.opened_at),
            valid_until=stamp(session.valid_until),
            ksef=session.ksef,
            kind=session.kind,
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

    def regain_session(self, reference: str) -> None:
        """KSeF shows a lost session again: it is to be brought to its end after all."""
        self._db.execute("UPDATE session SET lost_at = NULL WHERE reference = ? AND lost_at IS NOT NULL", (reference,))

    def session(self, reference: str) -> Session | None:
        """One of our sessions."""
        row = self._one("SELECT * FROM session WHERE reference = ?", reference)
        return rows.session(row) if row else None

    def sessions_not_final(self, context: str, kind: str = ONLINE) -> list[Session]:
        """Sessions of a context, of this kind, whose end we have not seen yet."""
        found = self._db.execute(
            "SELECT * FROM session WHERE context = ? AND kind = ? AND final_at IS NULL AND lost_at IS NULL",
            (context, kind),
        )
        return [rows.session(r) for r in found]

    def keep_budget(self, context: str, value: dict[str, Any], now: datetime) -> None:
        """What this context has spent of KSeF's limits."""
        self._db.execute(
            """INSERT INTO budget (context, value, at) VALUES (?, ?, ?)
               ON CONFLICT DO UPDATE SET value = excluded.value, at = excluded.at""",
            (context, dump(value), stamp(now)),
        )

    def budget(self, context: str) -> dict[str, Any]:
        """What was kept last; empty when nothing was."""
        row = self._one("SELECT value FROM budget WHERE context = ?", context)
        return dict(json.loads(row["value"])) if row else {}

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

    def condition(self, context: str, name: str) -> Condition | None:
        """One condition, if it is set."""
        row = self._one("SELECT * FROM condition WHERE context = ? AND name = ?", context, name)
        return rows.condition(row) if row else None
