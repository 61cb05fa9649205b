"""The shapes of the drop-point's answers: JSON Schema for its OpenAPI description, written by hand, held by tests."""

from typing import Any

from spool.domain.document import Mode
from spool.domain.states import State

Schema = dict[str, Any]

_HEX64: Schema = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
_TEXT: Schema = {"type": "string"}
_INSTANT: Schema = {"type": "string", "format": "date-time", "description": "Warsaw time with its offset"}
_MAYBE_INSTANT: Schema = {"type": ["string", "null"], "format": "date-time"}
_MAYBE_DATE: Schema = {"type": ["string", "null"], "format": "date"}
_MAYBE_TEXT: Schema = {"type": ["string", "null"]}
_STATE: Schema = {"type": "string", "enum": [s.value for s in State]}
_MODE: Schema = {"type": "string", "enum": [m.value for m in Mode]}


def ref(name: str) -> Schema:
    """A reference to one of the schemas below."""
    return {"$ref": f"#/components/schemas/{name}"}


def _list(of: Schema) -> Schema:
    return {"type": "array", "items": of}


def _object(properties: dict[str, Schema], *optional: str) -> Schema:
    """A closed object whose properties are all required, except `optional`."""
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


_BRIEF = {"id": _TEXT, "sha256": _HEX64, "state": _STATE, "mode": _MODE, "due": _MAYBE_INSTANT}

SCHEMAS: dict[str, Schema] = {
    "Error": _object(
        {
            "code": {"type": "string", "description": "stable, for programs"},
            "field": {"type": "string", "description": "path of the FA(3) element, or empty"},
            "line": {"type": ["integer", "null"], "description": "line in the file, from 1"},
            "message": {"type": "string", "description": "what is wrong, in Polish"},
            "hint": {"type": "string", "description": "what to do, in Polish"},
        }
    ),
    "Problem": _object(
        {
            "type": {"type": "string", "description": "urn:sluza:problem:<code>"},
            "title": _TEXT,
            "status": {"type": "integer"},
            "code": _TEXT,
            "detail": _TEXT,
            "errors": _list(ref("Error")),
            "id": {"type": "string", "description": "the refused document, kept and readable under this id"},
            "sha256": _HEX64,
            "state": _STATE,
            "documents": _list({"oneOf": [ref("EntryTaken"), ref("EntryRefused")]}),
            "received": {"type": "integer", "description": "bytes of a delivery in pieces that are here"},
        },
        *("errors", "id", "sha256", "state", "documents", "received"),
    ),
    "Accepted": _object(_BRIEF),
    "EntryTaken": _object({"name": _TEXT, "id": _TEXT, "sha256": _HEX64, "state": _STATE, "due": _MAYBE_INSTANT}),
    "EntryRefused": _object({"name": _TEXT, "errors": _list(ref("Error"))}),
    "Archive": _object({"documents": _list({"oneOf": [ref("EntryTaken"), ref("EntryRefused")]})}),
    "Row": _object(
        _BRIEF
        | {
            "source_name": _TEXT,
            "number": _TEXT,
            "kind": _TEXT,
            "issue_date": _MAYBE_DATE,
            "reason": _TEXT,
            "ksef_number": _MAYBE_TEXT,
            "created_at": _INSTANT,
            "updated_at": _INSTANT,
        }
    ),
    "Page": _object(
        {"invoices": _list(ref("Row")), "next": {"type": ["string", "null"], "description": "the next `after`"}}
    ),
    "Step": _object({"at": _INSTANT, "state": _TEXT, "note": _TEXT}),
    "History": _object({"id": _TEXT, "history": _list(ref("Step"))}),
    "Result": _object(
        {
            "schema": {"type": "string", "const": "sluza-result/1"},
            "id": _TEXT,
            "unit": _TEXT,
            "training": {"type": ["string", "null"], "description": "null for a real document, else where it trains"},
            "source_name": _TEXT,
            "sha256": _HEX64,
            "state": _STATE,
            "reason": _TEXT,
            "seller_nip": _TEXT,
            "number": _TEXT,
            "kind": _TEXT,
            "issue_date": _MAYBE_DATE,
            "issued_at": _INSTANT,
            "mode": _MODE,
            "due_safe": _MAYBE_INSTANT,
            "due_local": _MAYBE_INSTANT,
            "ksef_number": _MAYBE_TEXT,
            "acquisition_date": _MAYBE_INSTANT,
            "upo_sha256": _MAYBE_TEXT,
            "kod1_url": _MAYBE_TEXT,
            "kod2_url": _MAYBE_TEXT,
            "document_title": _TEXT,
            "jpk_mark": _MAYBE_TEXT,
            "payment_title": _MAYBE_TEXT,
            "errors": _list(ref("Error")),
            "warnings": _list(ref("Error")),
            "repaired_from": {"type": ["string", "null"], "description": "SHA-256 of the file as it came, if mended"},
            "history": _list(ref("Step")),
        }
    ),
    "Received": _object(
        {
            "ksef_number": _TEXT,
            "sha256": _HEX64,
            "seller_nip": _TEXT,
            "seller_name": _TEXT,
            "number": _TEXT,
            "kind": _TEXT,
            "issue_date": _MAYBE_DATE,
            "currency": _TEXT,
            "gross": {"type": "string", "description": "decimal, exactly as in the invoice"},
            "acquisition_date": _INSTANT,
            "stored_at": _INSTANT,
        }
    ),
    "ReceivedPage": _object(
        {"received": _list(ref("Received")), "next": {"type": ["string", "null"], "description": "the next `after`"}}
    ),
    "Acknowledged": _object({"id": _TEXT, "sha256": _HEX64, "state": _STATE}),
    "AcknowledgedReceived": _object({"ksef_number": _TEXT, "sha256": _HEX64}),
    "Seat": _object({"unit": _object({"id": _TEXT, "name": _TEXT}), "since": _INSTANT}),
    "Arrived": _object({"received": {"type": "integer", "description": "bytes"}}),
    "Change": _object(
        {
            "kind": {"type": "string", "enum": ["waiting", "delivered", "aside", "renewed", "received", "recalled"]},
            "id": {"type": "string", "description": "of the document, or the KSeF number of a received invoice"},
            "version": {"type": "integer", "description": "to be confirmed with it"},
            "name": {"type": "string", "description": "the stem of its files"},
            "sha256": _HEX64,
            "month_of": _MAYBE_INSTANT,
            "note": {"type": ["string", "null"], "description": "the text of `<name>.blad.txt`"},
            "picture": {"type": ["string", "null"], "description": "a PDF belongs to it; changes when that does"},
            "upo_sha256": _MAYBE_TEXT,
            "said": {"type": "object", "description": "the JSON beside the invoice"},
        }
    ),
    "Changes": _object({"changes": _list(ref("Change")), "next": _MAYBE_TEXT}),
    "Warnings": _object({"warnings": _list(_object({"text": _TEXT, "at": _INSTANT}))}),
    "Registers": _object({"registers": _list(_object({"name": _TEXT, "size": {"type": "integer"}, "sha256": _HEX64}))}),
    "Alive": _object({"status": {"type": "string", "const": "ok"}}),
}
