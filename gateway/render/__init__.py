"""A readable PDF of an invoice, from its XML alone: `render_invoice(raw, marks=Marks(…))`.

Plain functions of bytes for the worker processes: no network, no files but our template and our two fonts; what is
kept between calls depends on no document.

    raw ─ tree.parse ─► ledger ─ fa3.* or generic ─► blocks ─ data ─► JSON ─ pdf.write, invoice.typ ─► PDF/A-3b

The ledger remembers which element was shown; what no section took is listed under "Pozostałe dane", so a field
that this version does not know is still on the paper. The XML itself is attached, byte for byte.
"""

from gateway.render.compose import render_invoice
from gateway.render.marks import Arms, Marks
from gateway.render.tree import UnreadableInvoice

__all__ = ["Arms", "Marks", "UnreadableInvoice", "render_invoice"]
