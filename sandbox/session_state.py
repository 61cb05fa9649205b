"""The status of a session, derived from timestamps and the clock (I2, I16, I20–I22)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from sandbox.clock import iso
from sandbox.errors import BadRequest, Forbidden
from sandbox.principal import Principal
from sandbox.replies import status_info
from sandbox.store import Row
from sandbox.world import World

DESCRIPTIONS = {
    100: "Sesja interaktywna otwarta",
    150: "Trwa przetwarzanie",
    170: "Sesja interaktywna zamknięta",
    200: "Sesja interaktywna przetworzona pomyślnie",
    405: "Błąd weryfikacji poprawności dostarczonych elementów paczki",
    415: "Błąd odszyfrowania dostarczonego klucza",
    420: "Przekroczony limit faktur w sesji",
    430: "Błąd dekompresji pierwotnego archiwum",
    435: "Błąd odszyfrowania zaszyfrowanych części archiwum",
    440: "Sesja anulowana",
    445: "Błąd weryfikacji, brak poprawnych faktur",
}
BATCH = {100: "Sesja wsadowa rozpoczęta", 200: "Sesja wsadowa przetworzona pomyślnie"}
COMMON = {100: "InProgress", 150: "InProgress", 170: "InProgress", 200: "Succeeded", 440: "Cancelled"}


@dataclass(frozen=True)
class State:
    """Where a session is now; counts of invoices: all, accepted, refused."""

    code: int
    details: tuple[str, ...]
    updated_ms: int
    total: int
    accepted: int
    refused: int

    @property
    def common(self) -> str:
        """InProgress, Succeeded, Failed or Cancelled, as `GET /sessions` filters."""
        return COMMON.get(self.code, "Failed")


def find(world: World, who: Principal, ref: str, kind: str | None = None) -> Row:
    """A session the caller may see; 400/21173 if unknown, 403 if another's (I14, I24)."""
    row = world.store.one("SELECT * FROM sessions WHERE ref = ?", ref)
    if row is None or (kind is not None and row["kind"] != kind):
        raise BadRequest(21173, f"Sesja o numerze referencyjnym {ref} nie została znaleziona.")
    same_context = (row["context_type"], row["context_value"]) == (who.context.type, who.context.value)
    same_subject = (row["subject_type"], row["subject_value"]) == (who.subject_type, who.subject_value)
    sees_all = bool({"Introspection", "EnforcementOperations"} & set(who.permissions))
    if not same_context or not (same_subject or sees_all):
        raise Forbidden("insufficient-resource-access", "Brak dostępu do zasobu.")
    return row


def closed_at(row: Row, now: int) -> int | None:
    """When the session was closed, by the client or by its age of 12 hours (I16)."""
    if row["closed_ms"] is not None:
        return int(row["closed_ms"])
    return int(row["valid_until_ms"]) if now >= row["valid_until_ms"] else None


def state(world: World, row: Row) -> State:
    """The session's present status and counters (I22)."""
    counts = _counts(world, row["ref"])
    code, updated, details = (_online if row["kind"] == "Online" else _batch)(world, row, counts)
    return State(code, details, updated, counts["total"], counts["accepted"], counts["refused"])


def view(row: Row, now_state: State) -> dict[str, Any]:
    """The fields shared by the single status and the list of sessions (protocol §6.3)."""
    texts = DESCRIPTIONS | (BATCH if row["kind"] == "Batch" else {})
    return {
        "status": status_info(now_state.code, texts[now_state.code], list(now_state.details)),
        "dateCreated": iso(row["created_ms"]),
        "dateUpdated": iso(now_state.updated_ms),
        "validUntil": iso(row["valid_until_ms"]),
        "successfulInvoiceCount": now_state.accepted,
        "failedInvoiceCount": now_state.refused,
    }


def _counts(world: World, ref: str) -> dict[str, int]:
    row = world.store.one(
        "SELECT COUNT(*) AS total, COALESCE(SUM(code = 200 AND final_ms <= ?1), 0) AS accepted,"
        " COALESCE(SUM(code >= 400 AND final_ms <= ?1), 0) AS refused,"
        " COALESCE(MAX(final_ms), 0) AS last_ms FROM invoices WHERE session_ref = ?2",
        world.now,
        ref,
    )
    assert row is not None
    return row


def _online(world: World, row: Row, counts: dict[str, int]) -> tuple[int, int, tuple[str, ...]]:
    now = world.now
    if row["sym_key"] is None:
        return (415, row["key_checked_ms"], ()) if now >= row["key_checked_ms"] else (100, row["created_ms"], ())
    closed = closed_at(row, now)
    if closed is None:
        return 100, row["created_ms"], ()
    settled = max(closed + world.switches.ms("session_close_delay_s"), counts["last_ms"])
    pending = counts["total"] - counts["accepted"] - counts["refused"]
    if pending or now < settled:
        return 170, closed, ()
    if not counts["total"]:
        return 440, settled, ("Nie przesłano faktur",)
    return (200 if counts["accepted"] else 445), settled, ()


def _batch(world: World, row: Row, counts: dict[str, int]) -> tuple[int, int, tuple[str, ...]]:
    now = world.now
    if row["result_code"] is not None and row["settled_ms"] is not None:
        settled = max(row["settled_ms"], counts["last_ms"])
        pending = counts["total"] - counts["accepted"] - counts["refused"]
        if now >= settled and not pending:
            return row["result_code"], settled, tuple(json.loads(row["result_details"] or "[]"))
        return 150, row["closed_ms"], ()
    if row["closed_ms"] is not None:
        return 150, row["closed_ms"], ()
    if now >= row["valid_until_ms"]:
        return 440, row["valid_until_ms"], ("Przekroczono czas wysyłki",)
    return 100, row["created_ms"], ()
