"""The drop-point described for programs and people: served at `/openapi.json`, written by hand, held true by tests."""

from typing import Any

from gateway.http.parameters import LIMIT, MAX_LIMIT
from gateway.http.schemas import SCHEMAS, ref
from gateway.sizes import MAX_XML, MAX_ZIP
from spool.domain.states import State

Node = dict[str, Any]

_RETRY_AFTER: Node = {"Retry-After": {"description": "seconds to wait", "schema": {"type": "integer"}}}
_EXACT: Node = {
    "ETag": {"description": "SHA-256 of the bytes, quoted", "schema": {"type": "string"}},
    "X-Sha256": {"description": "SHA-256 of the bytes", "schema": {"type": "string"}},
    "Content-Disposition": {"schema": {"type": "string"}},
}
_CHALLENGE: Node = {"WWW-Authenticate": {"schema": {"type": "string"}}}
_LOCATION: Node = {"Location": {"description": "the document", "schema": {"type": "string"}}}


def _json(description: str, name: str, headers: Node | None = None) -> Node:
    out: Node = {"description": description, "content": {"application/json": {"schema": ref(name)}}}
    return out | ({"headers": headers} if headers else {})


def _file(description: str, content_type: str) -> Node:
    return {"description": description, "content": {content_type: {"schema": {}}}, "headers": _EXACT}


def _problem(description: str, headers: Node | None = None) -> Node:
    out: Node = {"description": description, "content": {"application/problem+json": {"schema": ref("Problem")}}}
    return out | ({"headers": headers} if headers else {})


_COMMON: Node = {
    "400": _problem("A parameter or header is unknown, repeated or malformed."),
    "401": _problem("No token, or one that is unknown or revoked.", _CHALLENGE),
    "403": _problem("The token's unit is no longer configured."),
    "429": _problem("Too many failed attempts from this address.", _RETRY_AFTER),
    "500": _problem("An error of the gateway, or stored bytes that are damaged."),
    "503": _problem("The gateway is busy or closing; nothing was stored. Repeat the same request.", _RETRY_AFTER),
}
_ABSENT: Node = {"404": _problem("There is no such document of this unit; another unit's looks exactly the same.")}


def _query(name: str, schema: Node, description: str) -> Node:
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": description}


def _header(name: str, schema: Node, description: str) -> Node:
    return {"name": name, "in": "header", "required": False, "schema": schema, "description": description}


def _path(name: str, description: str) -> Node:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}, "description": description}


def _get(name: str, summary: str, ok: Node, *parameters: Node, absent: bool = True, more: Node | None = None) -> Node:
    responses = {"200": ok} | (_ABSENT if absent else {}) | _COMMON | (more or {})
    return {"get": {"operationId": name, "summary": summary, "parameters": list(parameters), "responses": responses}}


_ID = _path("id", "the id from the answer to POST")
_NUMBER = _path("number", "the KSeF number")
_LIMIT = _query("limit", {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": LIMIT}, "rows per page")
_BYTES: Node = {"type": "string", "contentEncoding": "binary"}
_XML: Node = {"schema": {"type": "string", "maxLength": MAX_XML}}
_ZIP: Node = {"schema": _BYTES | {"maxLength": MAX_ZIP}}

_SUBMIT: Node = {
    "operationId": "submitInvoice",
    "summary": "Hand in one FA(3) invoice, or a ZIP of them. The answer 202 comes only after it is durable.",
    "parameters": [
        _query("offline24", {"type": "string", "enum": ["true", "false"]}, "issue in offline24 mode, where allowed"),
        _header("X-File-Name", {"type": "string"}, "the unit's own name: percent-encoded UTF-8, up to 255 characters"),
        _header(
            "Idempotency-Key",
            {"type": "string", "pattern": "^[!-~]{1,200}$"},
            "kept 30 days per unit; the same bytes are recognised without it, too",
        ),
    ],
    "requestBody": {
        "required": True,
        "description": f"At most {MAX_XML} bytes of XML or {MAX_ZIP} bytes of ZIP; without Content-Encoding.",
        "content": {
            "application/xml": _XML,
            "text/xml": _XML,
            "application/zip": _ZIP,
            "application/octet-stream": {"schema": _BYTES},
        },
    },
    "responses": _COMMON
    | {
        "200": _json("These bytes are here already: the same id, nothing is sent.", "Accepted", _LOCATION),
        "202": {
            "description": "Durable. For a ZIP: at least one entry is, all of them in one commit.",
            "headers": _LOCATION,
            "content": {"application/json": {"schema": {"oneOf": [ref("Accepted"), ref("Archive")]}}},
        },
        "408": _problem("The body came too slowly; nothing was stored."),
        "409": _problem("The invoice number is taken by another live or numbered document, or the key by other bytes."),
        "411": _problem("No Content-Length and no chunked body."),
        "413": _problem("Too large; nothing was stored."),
        "415": _problem("A Content-Type or Content-Encoding that is not taken."),
        "417": _problem("An Expect header other than 100-continue."),
        "422": _problem("Refused: `errors` say what, where and what to do. The document is kept under `id`."),
        "507": _problem("The gateway's disk is full; nothing was stored.", _RETRY_AFTER),
    },
}

_PATHS: Node = {
    "/v1/invoices": {"post": _SUBMIT}
    | _get(
        "listInvoices",
        "The unit's documents in order of arrival.",
        _json("A page.", "Page"),
        _query(
            "state",
            {"type": "array", "items": {"type": "string", "enum": [s.value for s in State]}},
            "only these states; repeat it or separate with commas",
        ),
        _query("after", {"type": "string"}, "the id of the last row seen; also good for polling for newer ones"),
        _LIMIT,
        absent=False,
    ),
    "/v1/invoices/{id}": _get(
        "showInvoice", "The result, as in the unit's folder.", _json("The result.", "Result"), _ID
    ),
    "/v1/invoices/{id}/xml": _get(
        "invoiceXml", "The bytes exactly as received.", _file("The XML.", "application/xml"), _ID
    ),
    "/v1/invoices/{id}/upo": _get(
        "invoiceUpo",
        "KSeF's official receipt.",
        _file("The UPO.", "application/xml"),
        _ID,
        more={"404": _problem("No such document, or (code `upo_not_yet`) no UPO yet.")},
    ),
    "/v1/invoices/{id}/pdf": _get(
        "invoicePdf", "A readable picture, made on demand.", _file("The PDF.", "application/pdf"), _ID
    ),
    "/v1/invoices/{id}/history": _get(
        "invoiceHistory", "What happened to it, oldest first.", _json("The steps.", "History"), _ID
    ),
    "/v1/received": _get(
        "listReceived",
        "Invoices from suppliers, in order of arrival.",
        _json("A page.", "ReceivedPage"),
        _query("after", {"type": "string"}, "the KSeF number of the last row seen"),
        _LIMIT,
        absent=False,
    ),
    "/v1/received/{number}/xml": _get(
        "receivedXml", "The bytes exactly as KSeF gave them.", _file("The XML.", "application/xml"), _NUMBER
    ),
    "/v1/received/{number}/pdf": _get(
        "receivedPdf", "A readable picture, made on demand.", _file("The PDF.", "application/pdf"), _NUMBER
    ),
}


def _public(name: str, summary: str, ok: Node) -> Node:
    return {"get": {"operationId": name, "summary": summary, "security": [], "responses": {"200": ok}}}


DOCUMENT: Node = {
    "openapi": "3.1.0",
    "info": {
        "title": "Śluza – drop-point",
        "version": "1",
        "description": "A unit's programs hand in invoices here and read their results. Every refusal is"
        " application/problem+json with a stable `code` and Polish sentences.",
    },
    "servers": [{"url": "/"}],
    "security": [{"unitToken": []}],
    "paths": _PATHS
    | {
        "/healthz": _public("alive", "The gateway answers.", _json("Alive.", "Alive")),
        "/openapi.json": _public(
            "description",
            "This description.",
            {"description": "OpenAPI 3.1.", "content": {"application/json": {"schema": {"type": "object"}}}},
        ),
    },
    "components": {
        "schemas": SCHEMAS,
        "securitySchemes": {
            "unitToken": {"type": "http", "scheme": "bearer", "description": "the unit's token, from the administrator"}
        },
    },
}
"""The whole description, OpenAPI 3.1."""
