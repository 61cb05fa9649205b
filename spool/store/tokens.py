"""Who may use the drop-point, and which requests it has answered already."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from spool import rows
from spool.domain.calendar import WARSAW
from spool.rows import stamp
from spool.store.base import Base

KEEP_KEYS = timedelta(days=30)
"""How long an Idempotency-Key is remembered (DESIGN 4.5)."""


_LETS_IN = "revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?)"
_SHOWN = 8


@dataclass(frozen=True)
class Token:
    """A token of a unit as people see it: the beginning of its hash, and its life."""

    mark: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None

    def lets_in(self, now: datetime) -> bool:
        """True while it does."""
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > now)


class Tokens(Base):
    """Tokens of units, and Idempotency-Keys."""

    def add_token(self, unit: str, token_hash: str, now: datetime, actor: str) -> None:
        """Let a unit in with the token whose SHA-256 this is; the token itself is never stored."""
        self._insert("unit_token", hash=token_hash, unit=unit, created_at=stamp(now))
        self.log(f"unit:{unit}", "token_added", now, actor, "Wydano nowy token jednostki.")

    def revoke_tokens(self, unit: str, now: datetime, actor: str) -> int:
        """Revoke every token of a unit, effective at once; returns how many there were."""
        done = self._db.execute(
            f"UPDATE unit_token SET revoked_at = ? WHERE unit = ? AND {_LETS_IN}",  # noqa: S608
            (stamp(now), unit, stamp(now)),
        )
        if done.rowcount:
            self.log(f"unit:{unit}", "tokens_revoked", now, actor, "Unieważniono tokeny jednostki.")
        return int(done.rowcount)

    def retire_tokens(self, unit: str, ends: datetime, now: datetime, actor: str) -> int:
        """Let the tokens of a unit end then, unless they end sooner; returns how many there were."""
        done = self._db.execute(
            f"UPDATE unit_token SET expires_at = min(ifnull(expires_at, ?), ?) WHERE unit = ? AND {_LETS_IN}",  # noqa: S608
            (stamp(ends), stamp(ends), unit, stamp(now)),
        )
        if done.rowcount:
            note = f"Dotychczasowe tokeny jednostki wygasną {ends.astimezone(WARSAW):%d.%m.%Y, godz. %H:%M}."
            self.log(f"unit:{unit}", "tokens_retired", now, actor, note)
        return int(done.rowcount)

    def tokens(self, unit: str) -> list[Token]:
        """Every token that a unit ever had, the newest first."""
        found = self._db.execute("SELECT * FROM unit_token WHERE unit = ? ORDER BY created_at DESC, hash", (unit,))
        return [
            Token(
                r["hash"][:_SHOWN], rows.instant(r["created_at"]),
                rows.instant(r["expires_at"]) if r["expires_at"] else None,
                rows.instant(r["revoked_at"]) if r["revoked_at"] else None,
            )
            for r in found
        ]  # fmt: skip

    def unit_of_token(self, token_hash: str, now: datetime) -> str | None:
        """The unit that this token lets in at `now`, or None."""
        row = self._one(f"SELECT unit FROM unit_token WHERE hash = ? AND {_LETS_IN}", token_hash, stamp(now))  # noqa: S608
        return row["unit"] if row else None

    def use_key(self, unit: str, key: str, sha256: str, now: datetime) -> bool:
        """Remember an Idempotency-Key for 30 days; False when it was used with other bytes."""
        self._db.execute("DELETE FROM idempotency WHERE at < ?", (stamp(now - KEEP_KEYS),))
        row = self._one("SELECT sha256 FROM idempotency WHERE unit = ? AND key = ?", unit, key)
        if row is None:
            self._insert("idempotency", unit=unit, key=key, sha256=sha256, at=stamp(now))
        return row is None or row["sha256"] == sha256
