"""`POST /sandbox/inbound`: a supplier somewhere in Poland sends an invoice, and KSeF accepts it."""

from __future__ import annotations

from aiohttp import web

from sandbox import facts, forms, numbers, register, schema
from sandbox.facts import InvoiceFacts
from sandbox.world import world_of
from sandbox.xmlparse import XmlFault, parse


async def receive(request: web.Request) -> web.Response:
    """201 with the KSeF number; 422 with reasons; 409 if the number (NIP, kind, P_2) is taken already."""
    world = world_of(request)
    data = await request.read()
    found = await world.off_loop(_read, data)
    if isinstance(found, str):
        return web.json_response({"error": found}, status=422)
    with world.store.transaction():
        number = register.accept_inbound(world, data, found)
    if number is None:
        return web.json_response({"error": "duplicate of an accepted invoice"}, status=409)
    return web.json_response({"ksef_number": number}, status=201)


def _read(data: bytes) -> InvoiceFacts | str:
    """The facts, or a sentence saying why the document is refused; FA(3) is held against its schema."""
    try:
        root = parse(data)
    except XmlFault as fault:
        return str(fault)
    found = facts.read(root)
    form = forms.by_system_code(found.system_code)
    if form is not None and form.system_code == "FA (3)":
        problems = schema.errors(root)
        if problems:
            return "; ".join(problems)
    if not numbers.NIP_PATTERN.fullmatch(found.seller_nip):
        return "no usable seller NIP (Podmiot1)"
    if not found.number or found.issue_date is None:
        return "no invoice number (P_2) or issue date (P_1)"
    return found
