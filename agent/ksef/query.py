"""The metadata query for one number as evidence: what is asked, and its answer read strictly (protocol §9.1, §9.2).

Read by hand: the SDK's model takes an answer without `invoices` for an empty list, and without `hasMore` for a whole
one. Here that would prove an absence, so whatever is missing or odd is a garbled answer or an incomplete one.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from agent.ksef.api import Export, Found, Part, Registered, plain
from agent.ksef.errors import garbled
from agent.ksef.sealing import hex_of
from agent.ksef.values import maybe_instant, utc_text

PATH = "/invoices/query/metadata"
EXPORTS = "/invoices/exports"

Filters = dict[str, Any]


def issued_on(subject: str, seller_nip: str, number: str, issued: datetime) -> Filters:
    """What was issued on that day; KSeF compares Warsaw dates (protocol §9.1), so a day more on both sides."""
    day = timedelta(days=1)
    dates = {"dateType": "Issue", "from": utc_text(issued - day), "to": utc_text(issued + day)}
    return _filters(subject, seller_nip, number, dates)


def stored_since(subject: str, seller_nip: str, number: str, since: datetime) -> Filters:
    """Everything stored since then; without an end KSeF takes its own present."""
    return _filters(subject, seller_nip, number, {"dateType": "PermanentStorage", "from": utc_text(since)})


def export(
    encryption: Mapping[str, Any], subject: str, since: datetime, until: datetime | None, facts_of: str
) -> dict[str, Any]:
    """A package of everything stored in a window, up to the high-water mark (protocol §9.3)."""
    dates = {"dateType": "PermanentStorage", "from": utc_text(since), "restrictToPermanentStorageHwmDate": True}
    if until is not None:
        dates["to"] = utc_text(until)
    filters: Filters = {"subjectType": subject, "dateRange": dates}
    if not facts_of:
        return {"encryption": encryption, "filters": filters}
    return {"encryption": encryption, "filters": filters | {"sellerNip": facts_of}, "onlyMetadata": True}


def package(body: Mapping[str, Any]) -> Export:
    """What KSeF says of a finished package; LookupError or ValueError when it is none."""
    parts = [
        Part(
            int(p["ordinalNumber"]),
            str(p["url"]),
            int(p["encryptedPartSize"]),
            str(p["encryptedPartHash"]),
            int(p["partSize"]),
            str(p["partHash"]),
        )
        for p in body["parts"]
    ]
    return Export(
        tuple(sorted(parts, key=lambda p: p.ordinal)),
        int(body["invoiceCount"]),
        body["isTruncated"] is True,
        maybe_instant(plain(body.get("lastPermanentStorageDate"))),
        maybe_instant(plain(body.get("permanentStorageHwmDate"))),
    )


def _filters(subject: str, seller_nip: str, number: str, dates: dict[str, str]) -> Filters:
    return {"subjectType": subject, "dateRange": dates, "sellerNip": seller_nip, "invoiceNumber": number}


def found(body: Mapping[str, Any]) -> Found:
    """What the answer shows. Raises NoAnswer when it is none; ValueError for an odd date."""
    listed = body.get("invoices")
    if not isinstance(listed, list) or not all(isinstance(item, dict) for item in listed):
        raise garbled("lista faktur")
    invoices = tuple(_registered(item) for item in listed)
    whole = body.get("hasMore") is False and body.get("isTruncated") is False
    return Found(
        tuple(i for i in invoices if i.ksef_number),
        whole and all(i.ksef_number and i.sha256 for i in invoices),
        maybe_instant(plain(body.get("permanentStorageHwmDate"))),
    )


def _registered(item: Mapping[str, Any]) -> Registered:
    return Registered(
        plain(item.get("ksefNumber")),
        hex_of(plain(item.get("invoiceHash"))),
        plain(item.get("invoiceType")),
        plain(item.get("invoiceNumber")),
        maybe_instant(plain(item.get("acquisitionDate"))),
    )
