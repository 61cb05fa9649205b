"""Holding every JSON answer of the simulator against the ministry's OpenAPI file."""

from __future__ import annotations

import json
from typing import Any

from openapi_schema_validator import OAS30Validator, oas30_format_checker
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

JSON_TYPES = ("application/json", "application/problem+json")


class Contract:
    """Collects answers while a test runs; `verify` judges them afterwards."""

    def __init__(self, document: dict[str, Any] | None) -> None:
        self._document = document
        self._seen: list[tuple[str, int, str, bytes]] = []

    def see(self, endpoint: str, status: int, content_type: str, body: Any) -> None:
        """Note an answer of an API endpoint."""
        if " /v2/" in endpoint and content_type in JSON_TYPES and isinstance(body, bytes):
            self._seen.append((endpoint, status, content_type, body))

    def verify(self) -> None:
        """AssertionError naming the first answers that break the contract; nothing without the file."""
        if self._document is None:
            return
        broken = [text for answer in self._seen if (text := self._fault(*answer))]
        assert not broken, "\n".join(broken[:5])

    def _fault(self, endpoint: str, status: int, content_type: str, body: bytes) -> str | None:
        assert self._document is not None
        method, _, path = endpoint.partition(" ")
        operation = self._document["paths"].get(path.removeprefix("/v2"), {}).get(method.lower())
        if operation is None:
            return f"{endpoint}: not in the OpenAPI file"
        answer = operation["responses"].get(str(status))
        if answer is None:
            return f"{endpoint}: status {status} is not documented"
        media = answer.get("content", {}).get(content_type)
        if media is None:
            return f"{endpoint}: {status} with {content_type} is not documented"
        resource = Resource.from_contents(self._document, default_specification=DRAFT202012)
        registry: Any = Registry().with_resource("urn:api", resource)
        schema = _absolute(media["schema"])
        validator = OAS30Validator(schema, registry=registry, format_checker=oas30_format_checker)
        errors = [f"{list(e.absolute_path)}: {e.message}" for e in validator.iter_errors(json.loads(body))]
        return f"{endpoint} {status}: {errors[:3]}" if errors else None


def _absolute(schema: Any) -> Any:
    """References of a schema made absolute, one level at a time as they are followed."""
    if isinstance(schema, dict):
        return {
            key: f"urn:api{value}" if key == "$ref" and value.startswith("#") else _absolute(value)
            for key, value in schema.items()
        }
    return [_absolute(item) for item in schema] if isinstance(schema, list) else schema
