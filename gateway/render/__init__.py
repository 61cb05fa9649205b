"""A readable PDF of an invoice, from its XML alone: `render_invoice(raw, marks=Marks(…))`.

Plain functions of bytes for the worker processes: no network, no files but our two fonts, no state between calls.

    raw ─ tree.parse ─► ledger ─ fa3.* or generic ─► blocks ─ layout ─► pages of ops ─ pdf.write ─► bytes

The ledger remembers which element was shown; what no section took is listed under "Pozostałe dane", so a field
that this version does not know is still on the paper.
"""

from gateway.render.compose import render_invoice
from gateway.render.marks import Marks
from gateway.render.tree import UnreadableInvoice

__all__ = ["Marks", "UnreadableInvoice", "render_invoice"]
