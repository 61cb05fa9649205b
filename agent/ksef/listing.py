"""The list of a context's sessions, read strictly: a session that is not listed is taken for one that never was.

Source: protocol §8; newest first, pages by a token in a header.
"""

import json
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from agent.ksef.api import ListedSession
from agent.ksef.errors import garbled
from agent.ksef.line import Line
from agent.ksef.values import instant, reference_of, utc_text

Page = tuple[list[ListedSession], str]
Within = Callable[[Callable[[str], Awaitable[Page]]], Awaitable[Page]]
"""Makes a call with an access token inside the budget of its group."""
_PAGE = 1000


async def sessions_since(line: Line, within: Within, since: datetime) -> list[ListedSession]:
    """Every page of both kinds. Raises NoAnswer."""
    found: list[ListedSession] = []
    for kind in ("Online", "Batch"):
        more = ""
        while True:

            async def call(token: str, kind: str = kind, more: str = more) -> Page:
                asked = {"sessionType": kind, "pageSize": _PAGE, "dateCreatedFrom": utc_text(since)}
                headers = {"x-continuation-token": more} if more else {}
                answer = await line.request("GET", "/sessions", {200}, headers, token, asked)
                return _page(json.loads(answer.content), kind)

            page, more = await within(call)
            found += page
            if not more:
                break
    return found


def _page(body: Any, kind: str) -> Page:
    listed = body.get("sessions") if isinstance(body, dict) else None
    if not isinstance(listed, list):
        raise garbled("lista sesji")
    sessions = [
        ListedSession(
            reference_of(item.get("referenceNumber")), kind == "Online", instant(item.get("dateCreated")),
            int(item["totalInvoiceCount"]),
        )
        for item in listed
    ]  # fmt: skip
    return sessions, str(body.get("continuationToken") or "")
