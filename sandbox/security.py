"""The public keys clients encrypt to (protocol §3)."""

from __future__ import annotations

from aiohttp import web

from sandbox.replies import reply
from sandbox.world import world_of


async def public_keys(request: web.Request) -> web.Response:
    """GET /security/public-key-certificates: every key in force, without authentication (F3, S7)."""
    world = world_of(request)
    return reply(request, [key.view() for key in world.authority.published(world.now)])
