"""What the handlers of the drop-point share: the parts they may use, and the fields of one access-log line."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from gateway.http.body import Patience, Room
from gateway.http.throttle import Throttle
from gateway.own import Behind
from spool.domain.municipality import Municipality
from spool.workers import Workers


@dataclass(frozen=True)
class Parts:
    """Everything a handler may use beside the `Own` of its unit; made once by `gateway.__main__`.

    `drawing` are the workers that make PDFs; `requests` counts answers by status. Nothing here leads to a document.
    """

    drawing: Workers
    municipality: Municipality
    throttle: Throttle = field(default_factory=Throttle)
    room: Room = field(default_factory=Room)
    patience: Patience = field(default_factory=Patience)
    requests: Counter[int] = field(default_factory=Counter)


PARTS: web.AppKey[Parts] = web.AppKey("parts", Parts)
BEHIND: web.AppKey[Behind] = web.AppKey("behind", Behind)
"""For `gateway.http.auth` only, which makes an `Own` of it; `tests/integration/test_http_isolation.py` holds that."""
_FIELDS: web.RequestKey[dict[str, Any]] = web.RequestKey("log_fields", dict)


def log_fields(request: web.Request) -> dict[str, Any]:
    """What the access log will say about this request; handlers add `unit` and `document`, never contents."""
    if _FIELDS not in request:
        request[_FIELDS] = {}
    return request[_FIELDS]
