"""Finding accepted invoices: filters, visibility, high-water mark; the metadata query and download (U5, U6, Q1–Q5)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from sandbox import register
from sandbox.clock import iso, warsaw_day
from sandbox.errors import BadRequest
from sandbox.facts import KINDS
from sandbox.fields import Fields, json_body, query_int
from sandbox.permissions import READING, Context
from sandbox.principal import caller
from sandbox.replies import reply, xml_reply
from sandbox.store import Row
from sandbox.world import World, world_of

SUBJECTS = ("Subject1", "Subject2", "Subject3", "SubjectAuthorized")
DATES = {"Issue": "issue_date", "Invoicing": "invoicing_ms", "PermanentStorage": "storage_ms"}
MAX_RANGE_MS = 100 * 86_400_000


@dataclass(frozen=True)
class Filters:
    """Parsed InvoiceQueryFilters; instants in ms, both bounds inclusive (Q5)."""

    subject: str
    date_type: str
    from_ms: int
    to_ms: int
    restricted: bool
    body: Fields

    @property
    def column(self) -> str:
        """The column of the chosen date."""
        return DATES[self.date_type]


def read_filters(world: World, body: Fields) -> Filters:
    """The filters of a query or export; 21405 for a missing field or a range above 100 days (Q1); not yet verified."""
    dates = body.object("dateRange")
    start = dates.instant("from")
    end = dates.optional_instant("to")
    restricted = dates.flag("restrictToPermanentStorageHwmDate")
    last = world.now if end is None else end
    if dates.sound and last - start > MAX_RANGE_MS:
        dates.reject("to", "zakres nie może przekraczać 100 dni")
    if dates.sound and end is not None and end < start:
        dates.reject("to", "data końcowa wcześniejsza niż początkowa")
    kind = dates.choice("dateType", tuple(DATES))
    filters = Filters(body.choice("subjectType", SUBJECTS), kind, start, last, restricted, body)
    _check_optional(body)
    return filters


def find(world: World, context: Context, filters: Filters, mark: int, *, descending: bool = False) -> list[Row]:
    """Accepted, stored invoices the context sees, in order of the chosen date, up to one above the threshold."""
    now = world.now
    limit = min(now, mark) if filters.restricted else now
    low: object = filters.from_ms
    high: object = filters.to_ms
    if filters.date_type == "Issue":
        low, high = warsaw_day(filters.from_ms).isoformat(), warsaw_day(filters.to_ms).isoformat()
    order = "DESC" if descending else "ASC"
    most = int(world.switches["truncation_threshold"]) + 1
    selective = bool(set(filters.body.body) - {"subjectType", "dateRange"}) or world.switches["unstable_above_hwm"]
    rows = world.store.all(
        f"SELECT i.* FROM parties p JOIN invoices i ON i.id = p.invoice_id"  # noqa: S608 - columns from a table
        f" WHERE p.subject = ? AND p.id_type = ? AND p.value = ? AND i.storage_ms <= ?"
        f" AND i.{filters.column} BETWEEN ? AND ? ORDER BY i.{filters.column} {order}, i.id {order} LIMIT ?",
        filters.subject,
        context.type,
        context.value,
        limit,
        low,
        high,
        -1 if selective else most,
    )
    if context.type == "InternalId" and filters.subject != "Subject3":
        return []
    if world.switches["unstable_above_hwm"] and not filters.restricted:
        rows = [row for row in rows if row["storage_ms"] <= mark or _revealed(row, now)]
    if selective:
        rows = [row for row in rows if _matches(filters.body, row, register.metadata(row))]
    return rows[:most]


async def metadata(request: web.Request) -> web.Response:
    """POST /invoices/query/metadata (Q1–Q5)."""
    world = world_of(request)
    who = caller(request, *READING)
    body = await json_body(request, collect=True)
    filters = read_filters(world, body)
    body.verify()
    order = request.query.get("sortOrder", "Asc")
    if order not in ("Asc", "Desc"):
        raise BadRequest(21405, "Parametr 'sortOrder' musi mieć wartość Asc albo Desc.")
    size = query_int(request, "pageSize", 10, 10, 250)
    offset = query_int(request, "pageOffset", 0, 0, 1_000_000)
    mark = register.high_water_mark(world)
    if filters.restricted and filters.from_ms > mark:
        raise BadRequest(
            21183,
            "Parametr dateRange.from jest późniejszy niż PermanentStorageHwmDate"
            " przy włączonym restrictToPermanentStorageHwmDate.",
        )
    rows = find(world, who.context, filters, mark, descending=order == "Desc")
    threshold = int(world.switches["truncation_threshold"])
    first = offset * size
    page = rows[first : min(first + size, threshold)]
    marked = filters.date_type == "PermanentStorage" and not world.switches["hwm_absent"]
    answer: dict[str, Any] = {
        "hasMore": first + size < len(rows),
        "isTruncated": len(rows) > threshold and first + size >= threshold,
        "permanentStorageHwmDate": iso(min(mark, filters.to_ms)) if marked else None,
        "invoices": [register.metadata(row) for row in page],
    }
    return reply(request, answer)


async def download(request: web.Request) -> web.Response:
    """GET /invoices/ksef/{ksefNumber}: the exact bytes; 21165 before storage, 21164 if invisible (U5, U6)."""
    world = world_of(request)
    who = caller(request, *READING)
    number = request.match_info["ksefNumber"]
    row = world.store.one("SELECT * FROM invoices WHERE ksef_number = ?", number)
    now = world.now
    if row is None or row["final_ms"] is None or row["final_ms"] > now or not _sees(world, who.context, row):
        raise BadRequest(21164, f"Faktura o numerze KSeF {number} nie została odnaleziona.")
    if row["storage_ms"] is None or row["storage_ms"] > now:
        raise BadRequest(21165, f"Faktura o numerze KSeF {number} została przyjęta, ale nie jest jeszcze dostępna.")
    return xml_reply(register.body_of(world, row))


def _sees(world: World, context: Context, row: Row) -> bool:
    sql = "SELECT 1 FROM parties WHERE invoice_id = ? AND id_type = ? AND value = ?"
    return world.store.one(sql, row["id"], context.type, context.value) is not None


def _revealed(row: Row, now: int) -> bool:
    """A coin that changes every second: records above the mark come and go, out of order (Q3)."""
    return hashlib.sha256(f"{row['id']}|{now // 1000}".encode()).digest()[0] % 2 == 0


def _check_optional(body: Fields) -> None:
    """Types and enumerations of the optional filters: 21001 and 21405."""
    body.optional_text("ksefNumber", 35, 36)
    body.optional_text("invoiceNumber", 1, 256)
    body.optional_text("sellerNip", 10, 10)
    body.optional_choice("invoicingMode", ("Online", "Offline"))
    body.optional_choice("formType", ("FA", "PEF", "FA_RR"))
    body.optional_flag("isSelfInvoicing")
    body.optional_flag("hasAttachment")
    if not all(isinstance(value, str) for value in body.values("currencyCodes")):
        body.reject("currencyCodes", "oczekiwano listy napisów")
    body.choices("invoiceTypes", (*KINDS.values(), "VatPef", "VatPefSp", "KorPef"))
    amount = body.optional_object("amount")
    if amount:
        amount.choice("type", ("Brutto", "Netto", "Vat"))
        amount.number("from")
        amount.number("to")
    buyer = body.optional_object("buyerIdentifier")
    if buyer:
        buyer.choice("type", ("Nip", "VatUe", "Other", "None"))


def _matches(body: Fields, row: Row, item: dict[str, Any]) -> bool:
    """Whether an invoice passes every optional filter."""
    wanted = body.body
    equal = {
        "ksefNumber": row["ksef_number"],
        "invoiceNumber": row["number"],
        "sellerNip": row["seller_nip"],
        "invoicingMode": row["mode"],
        "formType": item["formCode"]["value"],
        "isSelfInvoicing": item["isSelfInvoicing"],
        "hasAttachment": item["hasAttachment"],
    }
    if any(wanted.get(name) not in (None, value) for name, value in equal.items()):
        return False
    lists = {"currencyCodes": item["currency"], "invoiceTypes": item["invoiceType"]}
    if any(wanted.get(name) and value not in wanted[name] for name, value in lists.items()):
        return False
    buyer = wanted.get("buyerIdentifier")
    if buyer and compact_id(buyer) != compact_id(item["buyer"]["identifier"]):
        return False
    amount = wanted.get("amount")
    if amount:
        field = {"Brutto": "grossAmount", "Netto": "netAmount", "Vat": "vatAmount"}[amount["type"]]
        low, high = amount.get("from"), amount.get("to")
        return (low is None or item[field] >= low) and (high is None or item[field] <= high)
    return True


def compact_id(identifier: dict[str, Any]) -> tuple[str, str]:
    """A buyer identifier as a comparable pair; an absent value is empty."""
    return identifier["type"], identifier.get("value") or ""
