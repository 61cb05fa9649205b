"""The table of codes against the list of codes that KSeF published, each on the object it belongs to (K06).

The list, ksef_codes.csv, is ours: object and code, nothing else. Where the OpenAPI file lies beside the project the
list is held against it, so that a new edition with a new code is noticed.
"""

import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.ksef.api import Done
from agent.ksef.errors import TABLE, Kind, read_http, read_status
from spool.domain.outcomes import Refused, Unknown

LIST = Path(__file__).with_name("ksef_codes.csv")
_DATA = [above / "shared" / "ksef" / "data" for above in Path(__file__).resolve().parents[3:]]
OPENAPI = next((p for d in _DATA if (p := d / "open-api-2.9.0.json").is_file()), None)
STATUSES = [Kind.AUTH, Kind.SESSION, Kind.BATCH, Kind.INVOICE, Kind.EXPORT, Kind.ENROLMENT]
OBJECTS = {
    "AuthenticationListItem": Kind.AUTH,
    "AuthenticationOperationStatusResponse": Kind.AUTH,
    "SessionInvoiceStatusResponse": Kind.INVOICE,
    "InvoiceExportStatusResponse": Kind.EXPORT,
    "CertificateEnrollmentStatusResponse": Kind.ENROLMENT,
}
NOT_ASKED = {"PermissionsOperationStatusResponse"}
"""Objects that the agent never asks about: it grants no permission."""

Code = tuple[Kind, int | str]


def listed() -> set[Code]:
    """The committed list."""
    with LIST.open(encoding="utf-8", newline="") as file:
        return {(Kind(r["object"]), _code(r["code"])) for r in csv.DictReader(file)}


def published(openapi: dict[str, Any]) -> set[Code]:
    """Every code that the OpenAPI file names: tables of statuses, of exceptions, of reasons, and HTTP statuses."""
    found: set[Code] = set()
    for name, text in _status_tables(openapi).items():
        if name == "SessionStatusResponse":
            batch, _, online = text.partition("Sesja interaktywna")
            found |= {(Kind.BATCH, c) for c in _rows(batch)} | {(Kind.SESSION, c) for c in _rows(online)}
        elif name not in NOT_ASKED:
            found |= {(OBJECTS[name], c) for c in _rows(text)}
    for operations in openapi["paths"].values():
        for operation in operations.values():
            for status, response in operation["responses"].items():
                if status == "400":
                    found |= {(Kind.HTTP, c) for c in _rows(response["description"])}
                elif int(status) > 400:
                    found.add((Kind.HTTP, int(status)))
    reasons = openapi["components"]["schemas"]["ForbiddenProblemDetails"]["properties"]["reasonCode"]["description"]
    return found | {(Kind.REASON, word) for word in re.findall(r"^\| ([a-z-]+) \|", reasons, re.MULTILINE)}


def _status_tables(openapi: dict[str, Any]) -> dict[str, str]:
    """The descriptions with a table of codes, by the schema whose `status` they describe."""
    schemas = openapi["components"]["schemas"].items()
    told = {name: str(s.get("properties", {}).get("status", {}).get("description", "")) for name, s in schemas}
    return {name: text for name, text in told.items() if "| Code |" in text}


def _rows(table: str) -> set[int]:
    return {int(code) for code in re.findall(r"^\| *(\d{3,5}) *\|", table, re.MULTILINE)}


def _code(text: str) -> int | str:
    return int(text) if text.isdecimal() else text


@pytest.fixture(name="openapi")
def openapi_fixture() -> dict[str, Any]:
    """The OpenAPI file, where it is."""
    if OPENAPI is None:
        pytest.skip("../shared with open-api-2.9.0.json is not there: the list of codes is not held against it")
    return dict(json.loads(OPENAPI.read_text(encoding="utf-8")))


@pytest.mark.parametrize("code", sorted(listed(), key=str), ids=lambda c: f"{c[0]}:{c[1]}")
def test_fault_K06_every_published_code_is_in_the_table(code: Code) -> None:
    """On its own object, not merely somewhere."""
    assert code in TABLE


def test_fault_K06_list_is_the_published_one(openapi: dict[str, Any]) -> None:
    """Neither a code missing from our list, nor one on it that KSeF does not name."""
    assert published(openapi) == listed()


def test_fault_K06_every_published_object_is_known(openapi: dict[str, Any]) -> None:
    """An object with a table of codes is either read by us, or known never to be asked about."""
    assert set(_status_tables(openapi)) == {"SessionStatusResponse", *OBJECTS, *NOT_ASKED}


@given(st.sampled_from(STATUSES), st.integers() | st.integers(90, 650) | st.text() | st.none() | st.booleans())
def test_fault_K06_unpublished_status_is_unknown(kind: Kind, code: Any) -> None:
    """Whatever number or thing a status carries that is not in the table of its object: an open question."""
    if (kind, code) not in TABLE:
        assert isinstance(read_status(kind, {"code": code}).outcome, Unknown)


@given(st.lists(st.integers() | st.integers(9000, 80_000) | st.text() | st.none(), max_size=4), st.booleans())
def test_fault_K06_unpublished_exception_is_unknown(codes: list[Any], legacy: bool) -> None:
    """A 400 with codes that nobody knows, in either form of its body, proves nothing."""
    unknown = [c for c in codes if not isinstance(c, int) or (Kind.HTTP, c) not in TABLE]
    name = "exceptionCode" if legacy else "code"
    items = [{name: c} for c in unknown]
    body = {"exception": {"exceptionDetailList": items}} if legacy else {"errors": items}
    assert isinstance(read_http(400, json.dumps(body).encode()).outcome, Unknown)


@given(st.integers(100, 999), st.binary(max_size=200))
def test_fault_K06_unpublished_http_status_is_unknown(status: int, content: bytes) -> None:
    """An HTTP status without a row is an open question, whatever its body; no status is success or a refusal."""
    outcome = read_http(status, content).outcome
    assert not isinstance(outcome, Done | Refused)
    assert (Kind.HTTP, status) in TABLE or isinstance(outcome, Unknown)
