"""What the handlers of the drop-point share: the parts of the gateway, and the fields of one access-log line."""

from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from gateway.http.body import Patience, Room
from gateway.http.throttle import Throttle
from gateway.intake import FrontDoor
from spool.access import Spool
from spool.domain.municipality import Municipality
from spool.workers import Workers


@dataclass(frozen=True)
class Parts:
    """Everything a handler may use; made once by `gateway.__main__`. `drawing` are the workers that make PDFs."""

    spool: Spool
    front_door: FrontDoor
    drawing: Workers
    municipality: Municipality
    throttle: Throttle = field(default_factory=Throttle)
    room: Room = field(default_factory=Room)
    patience: Patience = field(default_factory=Patience)


PARTS: web.AppKey[Parts] = web.AppKey("parts", Parts)
_FIELDS: web.RequestKey[dict[str, Any]] = web.RequestKey("log_fields", dict)


def log_fields(request: web.Request) -> dict[str, Any]:
    """What the access log will say about this request; handlers add `unit` and `document`, never contents."""
    if _FIELDS not in request:
        request[_FIELDS] = {}
    return request[_FIELDS]
