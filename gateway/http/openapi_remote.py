"""The calls of `sluza folders`, described: what a remote unit's computer needs beside the drop-point itself."""

from gateway.http.openapi_parts import (
    ABSENT,
    COMMON,
    LOCATION,
    Node,
    file,
    get_of,
    json_answer,
    path,
    problem,
    query,
)
from gateway.http.parameters import LIMIT, MAX_LIMIT
from gateway.http.schemas import ref
from gateway.sizes import MAX_ZIP

_ID = path("id", "the id of the document")
_NUMBER = path("number", "the KSeF number")
_SHA256 = path("sha256", "SHA-256 of the whole, 64 lower-case hex digits")
_CLIENT: Node = {
    "name": "X-Sluza-Client",
    "in": "header",
    "required": True,
    "schema": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
    "description": "the random name that this installation gave itself",
}
_LIMIT = query("limit", {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": LIMIT}, "rows per page")
_SEATED: Node = {
    "403": problem("The unit's folders lie on the gateway, or the token's unit is no longer configured."),
    "409": problem("Another computer looks after the unit's folders."),
}


def _needed(name: str, description: str) -> Node:
    return query(name, {"type": "integer", "minimum": 0}, description) | {"required": True}


def _post(name: str, summary: str, ok: Node, *parameters: Node) -> Node:
    responses = {"200": ok} | ABSENT | COMMON | _SEATED
    return {
        "post": {
            "operationId": name,
            "summary": summary,
            "parameters": [*parameters, _CLIENT],
            "responses": responses,
        }
    }


_POST_PIECE: Node = {
    "operationId": "postPiece",
    "summary": "The next bytes of a delivery. What arrived before a cut is kept. The last of them are answered as"
    " POST /v1/invoices; only then is it durable. The hash is the Idempotency-Key.",
    "parameters": [
        _SHA256,
        _needed("offset", "how much is here already"),
        _needed("size", f"bytes of the whole, at most {MAX_ZIP}"),
        query("offline24", {"type": "string", "enum": ["true", "false"]}, "issue in offline24 mode, where allowed"),
        query("may_wait", {"type": "string", "enum": ["true", "false"]}, "do not refuse a half-written file, say so"),
        {"name": "X-File-Name", "in": "header", "required": False, "schema": {"type": "string"}},
    ],
    "requestBody": {
        "required": False,
        "content": {"application/octet-stream": {"schema": {"type": "string", "contentEncoding": "binary"}}},
    },
    "responses": COMMON
    | {
        "200": {
            "description": "More is awaited; or these bytes are here already and nothing is sent.",
            "headers": LOCATION,
            "content": {"application/json": {"schema": {"oneOf": [ref("Arrived"), ref("Accepted")]}}},
        },
        "202": {
            "description": "Whole and durable.",
            "headers": LOCATION,
            "content": {"application/json": {"schema": {"oneOf": [ref("Accepted"), ref("Archive")]}}},
        },
        "404": problem("That is no SHA-256."),
        "408": problem("The bytes came too slowly; those that came are kept."),
        "409": problem("`received` says where to go on; or the number is taken by another document."),
        "413": problem("Too large."),
        "417": problem("An Expect header other than 100-continue."),
        "422": problem("Refused, or (code `incomplete`) half-written."),
        "507": problem("The gateway's disk is full."),
    },
}

REMOTE: Node = {
    "/v1/invoices/{id}/ack": _post(
        "acknowledgeInvoice",
        "The unit's folder shows this version of the document, durably. With number and UPO it becomes DELIVERED.",
        json_answer("Noted.", "Acknowledged"),
        _ID,
        _needed("version", "the `version` of the change"),
    ),
    "/v1/received/{number}/ack": _post(
        "acknowledgeReceived",
        "The invoice lies in the unit's folder, durably; or, after the change `recalled`, does not lie there any more.",
        json_answer("Noted.", "AcknowledgedReceived"),
        _NUMBER,
        query("gone", {"type": "string", "enum": ["true", "false"]}, "the recalled copy is removed"),
    ),
    "/v1/seat": {
        "put": {
            "operationId": "takeSeat",
            "summary": "This computer looks after the unit's folders: one at a time; repeat it every minute.",
            "parameters": [
                _CLIENT,
                query("computer", {"type": "string"}, "its name, for people"),
                query("take", {"type": "string", "enum": ["true", "false"]}, "although another one has it"),
            ],
            "responses": {"200": json_answer("It does.", "Seat")} | COMMON | _SEATED,
        }
    },
    "/v1/changes": get_of(
        "listChanges",
        "What the unit's computer is to file and has not confirmed yet.",
        json_answer("A page.", "Changes"),
        query("after", {"type": "string"}, "the `next` of the page before"),
        _LIMIT,
        _CLIENT,
        absent=False,
        more=_SEATED,
    ),
    "/v1/warnings": get_of(
        "listWarnings",
        "Warnings about this unit's deadlines that are not over.",
        json_answer("All of them.", "Warnings"),
        absent=False,
    ),
    "/v1/registers": get_of(
        "listRegisters", "The unit's monthly registers.", json_answer("All of them.", "Registers"), absent=False
    ),
    "/v1/registers/{name}": get_of(
        "register",
        "One register.",
        file("The file.", "application/octet-stream"),
        path("name", "a name from the list"),
    ),
    "/v1/uploads/{sha256}": get_of(
        "arrived", "How much of a delivery in pieces is here.", json_answer("So much.", "Arrived"), _SHA256
    )
    | {"post": _POST_PIECE},
}
"""Paths beside those of DESIGN 4.5, which they leave as they are."""
