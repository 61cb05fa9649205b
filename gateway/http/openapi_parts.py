"""The pieces of which the description of the drop-point is built (`gateway.http.openapi`)."""

from typing import Any

from gateway.http.schemas import ref

Node = dict[str, Any]

RETRY_AFTER: Node = {"Retry-After": {"description": "seconds to wait", "schema": {"type": "integer"}}}
EXACT: Node = {
    "ETag": {"description": "SHA-256 of the bytes, quoted", "schema": {"type": "string"}},
    "X-Sha256": {"description": "SHA-256 of the bytes", "schema": {"type": "string"}},
    "Content-Disposition": {"schema": {"type": "string"}},
}
CHALLENGE: Node = {"WWW-Authenticate": {"schema": {"type": "string"}}}
LOCATION: Node = {"Location": {"description": "the document", "schema": {"type": "string"}}}


def json_answer(description: str, name: str, headers: Node | None = None) -> Node:
    out: Node = {"description": description, "content": {"application/json": {"schema": ref(name)}}}
    return out | ({"headers": headers} if headers else {})


def file(description: str, content_type: str) -> Node:
    return {"description": description, "content": {content_type: {"schema": {}}}, "headers": EXACT}


def part(content_type: str) -> Node:
    """What follows the bytes that a client has already (`Range: bytes=N-`)."""
    headers = EXACT | {"Content-Range": {"schema": {"type": "string"}}}
    return {"description": "The rest of the bytes.", "content": {content_type: {"schema": {}}}, "headers": headers}


def problem(description: str, headers: Node | None = None) -> Node:
    out: Node = {"description": description, "content": {"application/problem+json": {"schema": ref("Problem")}}}
    return out | ({"headers": headers} if headers else {})


COMMON: Node = {
    "400": problem("A parameter or header is unknown, repeated or malformed."),
    "401": problem("No token, or one that is unknown or revoked.", CHALLENGE),
    "403": problem("The token's unit is no longer configured."),
    "429": problem("Too many failed attempts from this address.", RETRY_AFTER),
    "500": problem("An error of the gateway, or stored bytes that are damaged."),
    "503": problem("The gateway is busy or closing; nothing was stored. Repeat the same request.", RETRY_AFTER),
}
ABSENT: Node = {"404": problem("There is no such document of this unit; another unit's looks exactly the same.")}


def query(name: str, schema: Node, description: str) -> Node:
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": description}


def header(name: str, schema: Node, description: str) -> Node:
    return {"name": name, "in": "header", "required": False, "schema": schema, "description": description}


def path(name: str, description: str) -> Node:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}, "description": description}


def get_of(name: str, summary: str, ok: Node, *parameters: Node, absent: bool = True, more: Node | None = None) -> Node:
    kind = next(iter(ok["content"]))
    rest = {"206": part(kind)} if kind != "application/json" else {}
    responses = {"200": ok} | rest | (ABSENT if absent else {}) | COMMON | (more or {})
    return {"get": {"operationId": name, "summary": summary, "parameters": list(parameters), "responses": responses}}
