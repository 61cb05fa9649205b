"""The overview: is everything all right, what is late next, is KSeF up. Everybody sees it of what they see."""

from aiohttp import web

from gateway.web import shown, view
from gateway.web.parts import PARTS, Viewer
from gateway.web.snapshot import LOOKER


async def show(request: web.Request, viewer: Viewer) -> web.StreamResponse:
    """GET /."""
    parts, looker = request.app[PARTS], request.app[LOOKER]
    units = None if viewer.account.whole_town else frozenset(viewer.account.units)
    found = view.page(await looker.look(units), parts.municipality, units)
    return shown.page(request, viewer, "status.html", {"page": found, "live": True})
