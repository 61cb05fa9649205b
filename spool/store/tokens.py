"""Who may use the drop-point, and which requests it has answered already."""

from datetime import datetime, timedelta

from spool.rows import stamp
from spool.store.base import Base

KEEP_KEYS = timedelta(days=30)
"""How long an Idempotency-Key is remembered (DESIGN 4.5)."""


class Tokens(Base):
    """Tokens of units, and Idempotency-Keys."""

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
