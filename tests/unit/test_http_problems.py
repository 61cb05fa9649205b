"""One table from our errors to HTTP: every row speaks, every exception lands where DESIGN 4.5 says."""

import errno
import string

import pysqlite3
import pytest
from aiohttp import web

from gateway.http.problems import CONFLICTS, RETRY_AFTER_S, ROWS, HttpProblem, from_exception, refusal
from spool.domain.errors import BodyDamaged, NoRoom, Problem, SpoolError
from spool.workers import WorkerCrashed, WorkerTimeout


def sqlite_error(name: str) -> pysqlite3.OperationalError:
    error = pysqlite3.OperationalError("kropka")
    error.sqlite_errorname = name  # type: ignore[attr-defined]
    return error


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (NoRoom("disk_full", "", ""), 507),
        (NoRoom("disk_inodes", "", ""), 507),
        (NoRoom("disk_read_only", "", ""), 507),
        (OSError(errno.ENOSPC, "no space"), 507),
        (OSError(errno.EDQUOT, "quota"), 507),
        (sqlite_error("SQLITE_BUSY"), 503),
        (sqlite_error("SQLITE_IOERR_FSYNC"), 503),
        (sqlite_error("SQLITE_READONLY"), 503),
        (SpoolError("closing"), 503),
        (WorkerTimeout(20), 503),
        (WorkerCrashed(), 503),
        (BodyDamaged("rot"), 500),
        (OSError(errno.EIO, "io"), 500),
        (KeyError("kropka"), 500),
        (RuntimeError("kropka"), 500),
        (web.HTTPNotFound(), 404),
        (web.HTTPMethodNotAllowed("PUT", ["GET"]), 405),
        (web.HTTPBadRequest(), 400),
        (web.HTTPRequestEntityTooLarge(1, 2), 413),
        (HttpProblem("upo_not_yet"), 404),
    ],
)
def test_exceptions_become_answers(error: Exception, status: int) -> None:
    """What to tell the client, and never the words of the exception."""
    problem = from_exception(error)
    assert problem.status == status
    if problem.status >= 500:
        assert "kropka" not in str(problem.body())
    if status in {503, 507}:
        assert int(problem.headers["Retry-After"]) > 0


@pytest.mark.parametrize("code", ROWS)
def test_every_row_is_polish_and_complete(code: str) -> None:
    """A sentence and a cure, with only the values that callers give."""
    row = ROWS[code]
    assert 400 <= row.status < 600
    assert row.title.endswith(".")
    assert row.detail
    fields = {name for text in (row.title, row.detail) for _, name, _, _ in string.Formatter().parse(text) if name}
    assert fields <= {"name", "hint", "computer", "seen"}
    assert set(RETRY_AFTER_S) <= set(ROWS)


@pytest.mark.parametrize("code", sorted(CONFLICTS))
def test_taken_numbers_and_keys_are_409(code: str) -> None:
    """Whoever holds the number: the status is the same."""
    assert refusal([Problem(code, "x")]).status == 409


def test_other_refusals_are_422_with_their_errors() -> None:
    """`errors` in the shape of the result JSON; further members as given, none for None."""
    problem = refusal([Problem("bad_date", "Zła data.", "Popraw.", "Fa/P_1", 7)], id="1", sha256=None)
    assert problem.status == 422
    body = problem.body()
    assert body["errors"] == [
        {"code": "bad_date", "message": "Zła data.", "hint": "Popraw.", "field": "Fa/P_1", "line": 7}
    ]
    assert body["id"] == "1"
    assert "sha256" not in body


def test_braces_from_a_client_are_only_text() -> None:
    """A parameter named `{hint}` is shown, not filled in."""
    problem = HttpProblem("bad_parameter", values={"name": "{0.__class__}{hint}", "hint": "h"})
    assert "{0.__class__}{hint}" in problem.body()["title"]
