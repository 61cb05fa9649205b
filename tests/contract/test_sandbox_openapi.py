"""The OpenAPI check itself: present, and able to say no."""

from __future__ import annotations

from typing import Any

import pytest
from sandbox_openapi import Contract


@pytest.mark.parametrize(
    ("status", "body"),
    [(200, b'{"challenge":"short"}'), (202, b"{}"), (400, b'{"exception":{"timestamp":17}}')],
)
def test_sandbox_openapi_check_catches_wrong_answers(openapi: Any, status: int, body: bytes) -> None:
    """A missing field, an undocumented status and a wrong type are all reported."""
    if openapi is None:
        pytest.skip("../shared with open-api-2.9.0.json is not there: answers are not held against it")
    contract = Contract(openapi)
    contract.see("POST /v2/auth/challenge", status, "application/json", body)
    with pytest.raises(AssertionError):
        contract.verify()
