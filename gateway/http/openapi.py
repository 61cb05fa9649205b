"""The drop-point described for programs and people: served at `/openapi.json`, written by hand, held true by tests."""

from gateway.http.openapi_parts import (
    COMMON,
    LOCATION,
    RETRY_AFTER,
    Node,
    file,
    get_of,
    header,
    json_answer,
    path,
    problem,
    query,
)
from gateway.http.openapi_remote import REMOTE
from gateway.http.parameters import LIMIT, MAX_LIMIT
from gateway.http.schemas import SCHEMAS, ref
from gateway.sizes import MAX_XML, MAX_ZIP
from spool.domain.states import State

_ID = path("id", "the id from the answer to POST")
_NUMBER = path("number", "the KSeF number")
_LIMIT = query("limit", {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": LIMIT}, "rows per page")
_BYTES: Node = {"type": "string", "contentEncoding": "binary"}
_XML: Node = {"schema": {"type": "string", "maxLength": MAX_XML}}
_ZIP: Node = {"schema": _BYTES | {"maxLength": MAX_ZIP}}

_SUBMIT: Node = {
    "operationId": "submitInvoice",
    "summary": "Hand in one FA(3) invoice, or a ZIP of them. The answer 202 comes only after it is durable.",
    "parameters": [
        query("offline24", {"type": "string", "enum": ["true", "false"]}, "issue in offline24 mode, where allowed"),
        header("X-File-Name", {"type": "string"}, "the unit's own name: percent-encoded UTF-8, up to 255 characters"),
        header(
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
    "responses": COMMON
    | {
        "200": json_answer("These bytes are here already: the same id, nothing is sent.", "Accepted", LOCATION),
        "202": {
            "description": "Durable. For a ZIP: at least one entry is, all of them in one commit.",
            "headers": LOCATION,
            "content": {"application/json": {"schema": {"oneOf": [ref("Accepted"), ref("Archive")]}}},
        },
        "408": problem("The body came too slowly; nothing was stored."),
        "409": problem("The invoice number is taken by another live or numbered document, or the key by other bytes."),
        "411": problem("No Content-Length and no chunked body."),
        "413": problem("Too large; nothing was stored."),
        "415": problem("A Content-Type or Content-Encoding that is not taken."),
        "417": problem("An Expect header other than 100-continue."),
        "422": problem("Refused: `errors` say what, where and what to do. The document is kept under `id`."),
        "507": problem("The gateway's disk is full; nothing was stored.", RETRY_AFTER),
    },
}

_PATHS: Node = {
    "/v1/invoices": {"post": _SUBMIT}
    | get_of(
        "listInvoices",
        "The unit's documents in order of arrival.",
        json_answer("A page.", "Page"),
        query(
            "state",
            {"type": "array", "items": {"type": "string", "enum": [s.value for s in State]}},
            "only these states; repeat it or separate with commas",
        ),
        query("after", {"type": "string"}, "the id of the last row seen; also good for polling for newer ones"),
        _LIMIT,
        absent=False,
    ),
    "/v1/invoices/{id}": get_of(
        "showInvoice", "The result, as in the unit's folder.", json_answer("The result.", "Result"), _ID
    ),
    "/v1/invoices/{id}/xml": get_of(
        "invoiceXml", "The bytes exactly as received.", file("The XML.", "application/xml"), _ID
    ),
    "/v1/invoices/{id}/upo": get_of(
        "invoiceUpo",
        "KSeF's official receipt.",
        file("The UPO.", "application/xml"),
        _ID,
        more={"404": problem("No such document, or (code `upo_not_yet`) no UPO yet.")},
    ),
    "/v1/invoices/{id}/pdf": get_of(
        "invoicePdf",
        "A readable picture, made on demand.",
        file("The PDF.", "application/pdf"),
        _ID,
        query("for", {"type": "string", "enum": ["", "folder"]}, "`folder`: exactly the copy in the unit's folder"),
    ),
    "/v1/invoices/{id}/history": get_of(
        "invoiceHistory", "What happened to it, oldest first.", json_answer("The steps.", "History"), _ID
    ),
    "/v1/received": get_of(
        "listReceived",
        "Invoices from suppliers, in order of arrival.",
        json_answer("A page.", "ReceivedPage"),
        query("after", {"type": "string"}, "the KSeF number of the last row seen"),
        _LIMIT,
        absent=False,
    ),
    "/v1/received/{number}/xml": get_of(
        "receivedXml", "The bytes exactly as KSeF gave them.", file("The XML.", "application/xml"), _NUMBER
    ),
    "/v1/received/{number}/pdf": get_of(
        "receivedPdf", "A readable picture, made on demand.", file("The PDF.", "application/pdf"), _NUMBER
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
    | REMOTE
    | {
        "/healthz": _public("alive", "The gateway answers.", json_answer("Alive.", "Alive")),
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
