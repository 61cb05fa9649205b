"""The simulator's memory: one SQLite file in WAL mode, written only from the event-loop thread."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pysqlite3 import dbapi2 as sqlite

Row = dict[str, Any]

SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS facts (kind TEXT, key TEXT, body TEXT NOT NULL, PRIMARY KEY (kind, key));
CREATE TABLE IF NOT EXISTS challenges (
  challenge TEXT PRIMARY KEY, created_ms INTEGER NOT NULL, used INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS auth_ops (
  ref TEXT PRIMARY KEY, created_ms INTEGER, ready_ms INTEGER, code INTEGER, details TEXT,
  method TEXT, context_type TEXT, context_value TEXT, subject_type TEXT, subject_value TEXT,
  permissions TEXT, document_hash TEXT, token_ref TEXT, policy TEXT, subject_details TEXT,
  redeemed_ms INTEGER, refreshed_ms INTEGER, refresh_until_ms INTEGER, revoked INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS ksef_tokens (
  ref TEXT PRIMARY KEY, token_hash TEXT, created_ms INTEGER, active_ms INTEGER, revoked_ms INTEGER,
  context_type TEXT, context_value TEXT, author_type TEXT, author_value TEXT,
  description TEXT, permissions TEXT, last_use_ms INTEGER);
CREATE TABLE IF NOT EXISTS sessions (
  ref TEXT PRIMARY KEY, kind TEXT, context_type TEXT, context_value TEXT, subject_type TEXT,
  subject_value TEXT, auth_ref TEXT, document_hash TEXT, token_ref TEXT, form TEXT,
  sym_key BLOB, iv BLOB, created_ms INTEGER, valid_until_ms INTEGER, key_checked_ms INTEGER,
  closed_ms INTEGER, settled_ms INTEGER, result_code INTEGER, result_details TEXT,
  check_ids INTEGER NOT NULL DEFAULT 0, offline INTEGER NOT NULL DEFAULT 0, batch TEXT);
CREATE INDEX IF NOT EXISTS sessions_context ON sessions (context_type, context_value, created_ms);
CREATE TABLE IF NOT EXISTS invoices (
  id INTEGER PRIMARY KEY, ref TEXT UNIQUE NOT NULL, session_ref TEXT, ordinal INTEGER, file_name TEXT,
  hash TEXT NOT NULL, size INTEGER, offline INTEGER NOT NULL DEFAULT 0, corrects TEXT,
  invoicing_ms INTEGER, at150_ms INTEGER, final_ms INTEGER, hold TEXT, code INTEGER NOT NULL, details TEXT,
  extensions TEXT, number TEXT, seller_nip TEXT, kind TEXT, mode TEXT,
  ksef_number TEXT UNIQUE, storage_ms INTEGER, issue_date TEXT, metadata TEXT,
  UNIQUE (session_ref, ordinal));
CREATE TABLE IF NOT EXISTS bodies (invoice_id INTEGER PRIMARY KEY, body BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS invoices_hash ON invoices (hash);
CREATE INDEX IF NOT EXISTS invoices_storage ON invoices (storage_ms);
CREATE TABLE IF NOT EXISTS originals (
  seller_nip TEXT, kind TEXT, number TEXT, invoice_id INTEGER NOT NULL, PRIMARY KEY (seller_nip, kind, number));
CREATE TABLE IF NOT EXISTS parties (
  invoice_id INTEGER, subject TEXT, id_type TEXT, value TEXT, PRIMARY KEY (subject, id_type, value, invoice_id));
CREATE TABLE IF NOT EXISTS posts (sha256 TEXT PRIMARY KEY, count INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS parts (
  session_ref TEXT, ordinal INTEGER, size INTEGER, hash TEXT, PRIMARY KEY (session_ref, ordinal));
CREATE TABLE IF NOT EXISTS upos (
  ref TEXT PRIMARY KEY, session_ref TEXT, invoice_id INTEGER, page INTEGER,
  described TEXT, xml BLOB,
  UNIQUE (session_ref, invoice_id, page));
CREATE TABLE IF NOT EXISTS exports (
  ref TEXT PRIMARY KEY, context_type TEXT, context_value TEXT, request TEXT, sym_key BLOB, iv BLOB,
  created_ms INTEGER, ready_ms INTEGER, completed_ms INTEGER, code INTEGER, package TEXT);
CREATE TABLE IF NOT EXISTS grants (
  id TEXT PRIMARY KEY, kind TEXT, context_type TEXT, context_value TEXT, granted_in TEXT, subject_type TEXT,
  subject_value TEXT, scope TEXT, can_delegate INTEGER, description TEXT, details TEXT, unit_name TEXT,
  author_type TEXT, author_value TEXT, start_ms INTEGER, end_ms INTEGER);
CREATE TABLE IF NOT EXISTS operations (
  ref TEXT PRIMARY KEY, context TEXT, created_ms INTEGER, ready_ms INTEGER, code INTEGER);
CREATE TABLE IF NOT EXISTS certificates (
  serial TEXT PRIMARY KEY, ref TEXT UNIQUE, name TEXT, type TEXT, common_name TEXT, subject_type TEXT,
  subject_value TEXT, der BLOB, valid_from_ms INTEGER, valid_to_ms INTEGER, requested_ms INTEGER,
  ready_ms INTEGER, revoked_ms INTEGER, last_use_ms INTEGER);
"""


class Store:
    """SQL behind four verbs; `transaction()` groups writes into one commit (F5)."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite.connect(str(path), isolation_level=None)
        self._db.row_factory = sqlite.Row
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.executescript(f"BEGIN;{SCHEMA}COMMIT;")

    def run(self, sql: str, *values: object) -> int:
        """Execute one statement; returns the number of rows it changed."""
        return int(self._db.execute(sql, values).rowcount)

    def add(self, table: str, **columns: object) -> int:
        """Insert one row; returns its rowid."""
        names = ", ".join(columns)
        marks = ", ".join("?" * len(columns))
        sql = f"INSERT INTO {table} ({names}) VALUES ({marks})"  # noqa: S608 - names come from our code only
        return int(self._db.execute(sql, tuple(columns.values())).lastrowid)

    def one(self, sql: str, *values: object) -> Row | None:
        """The first row of a query, or None."""
        row = self._db.execute(sql, values).fetchone()
        return None if row is None else dict(row)

    def all(self, sql: str, *values: object) -> list[Row]:
        """Every row of a query."""
        return [dict(row) for row in self._db.execute(sql, values).fetchall()]

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All writes inside become durable together or not at all; never awaits inside."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def get_meta(self, key: str, default: Any = None) -> Any:
        """A JSON value kept under a name, or the default."""
        row = self.one("SELECT body FROM meta WHERE key = ?", key)
        return default if row is None else json.loads(row["body"])

    def set_meta(self, key: str, value: object) -> None:
        """Keep a JSON value under a name."""
        self.run("INSERT OR REPLACE INTO meta (key, body) VALUES (?, ?)", key, json.dumps(value))

    def get_fact(self, kind: str, key: str) -> Any:
        """A test-data fact as JSON, or None."""
        row = self.one("SELECT body FROM facts WHERE kind = ? AND key = ?", kind, key)
        return None if row is None else json.loads(row["body"])

    def set_fact(self, kind: str, key: str, value: object) -> None:
        """Keep a test-data fact."""
        self.run("INSERT OR REPLACE INTO facts (kind, key, body) VALUES (?, ?, ?)", kind, key, json.dumps(value))

    def drop_fact(self, kind: str, key: str) -> bool:
        """Forget a test-data fact; whether it was there."""
        return self.run("DELETE FROM facts WHERE kind = ? AND key = ?", kind, key) > 0

    def facts(self, kind: str) -> dict[str, Any]:
        """Every fact of a kind by key."""
        rows = self.all("SELECT key, body FROM facts WHERE kind = ?", kind)
        return {row["key"]: json.loads(row["body"]) for row in rows}

    def close(self) -> None:
        """Close the file; uncommitted work does not exist by construction."""
        self._db.close()
