"""Whom a reverse proxy vouches for: it has asked the person already, and names the login in a header.

Off unless `[admin.proxy]` says otherwise. The header counts only from the proxy's own addresses and only once in a
request; anybody else's is ignored, and the log says so. `gateway.web.doorman` opens sessions by it (decision 0046).
"""

import ipaddress

import structlog
from aiohttp import web

from gateway.http.problems import HttpProblem
from gateway.web.parts import PARTS

log = structlog.get_logger("door")


def login_of(request: web.Request) -> str:
    """The login that the trusted proxy names; empty when it names none. Raises HttpProblem `vouched_twice`."""
    proxy = request.app[PARTS].proxy
    named = request.headers.getall(proxy.header, []) if proxy else []
    if proxy is None or not named:
        return ""
    if not trusted(proxy.addresses, request.remote):
        log.warning("login_header_ignored", peer=request.remote, header=proxy.header)
        return ""
    if len(named) > 1:
        log.warning("login_header_twice", peer=request.remote, header=proxy.header)
        raise HttpProblem("vouched_twice")
    return named[0].strip().lower()


def trusted(addresses: tuple[str, ...], peer: str | None) -> bool:
    """True when this peer is one of these addresses, however its family writes it."""
    try:
        return _plain(peer or "") in {_plain(address) for address in addresses}
    except ValueError:
        return False


def _plain(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    address = ipaddress.ip_address(text)
    return getattr(address, "ipv4_mapped", None) or address
