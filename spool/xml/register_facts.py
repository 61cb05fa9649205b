"""An invoice → what the registers show of its content. Runs in a worker process; received documents are hostile, too.

FA(3) and FA(2): net is the sum of `P_13_*`, VAT the sum of `P_14_*`, both in the invoice's currency, and VAT in PLN the
sum of `P_14_*W`. FA_RR: `P_11_1`, `P_11_2`, `P_12_1`. PEF: the totals of UBL. An amount that is no plain number makes
its sum empty.
"""

import re
from collections.abc import Iterable
from decimal import Decimal

from lxml import etree

from spool.domain.book import UNREADABLE, Book
from spool.domain.document import FormCode, collapse
from spool.xml import byte_rules
from spool.xml.identity import identify
from spool.xml.outline import text
from spool.xml.parser import parse
from spool.xml.paths import Node, local_name
from spool.xml.received import UNSAFE

_AMOUNT = re.compile(r"[+-]?[0-9]{1,18}(\.[0-9]{1,8})?")
_NET = re.compile(r"P_13_\d{1,2}(_[123])?", re.ASCII)
_VAT = re.compile(r"P_14_[1-5]", re.ASCII)
_VAT_PLN = re.compile(r"P_14_[1-5]W", re.ASCII)
_ACCOUNTS = 5
_LONGEST_ACCOUNT = 40
_PAID_IN_FULL_BY_PARTS = "2"
_FORMS_OF_UBL = frozenset({FormCode.PEF, FormCode.PEF_KOR})


def read_books(raws: list[bytes]) -> list[Book]:
    """`read_book` of several, in one piece of work."""
    return [read_book(raw) for raw in raws]


def read_book(raw: bytes) -> Book:
    """What the registers show of these bytes; UNREADABLE for what is no invoice. Never raises for any bytes."""
    checked = byte_rules.check(raw) if raw else byte_rules.Text()
    if not checked.text or any(p.code in UNSAFE for p in checked.problems):
        return UNREADABLE
    try:
        root = parse(raw)
    except etree.XMLSyntaxError:
        return UNREADABLE
    form = identify(root).form
    if form in _FORMS_OF_UBL:
        return _ubl(root)
    if etree.QName(root).localname != "Faktura":
        return UNREADABLE
    body = root.find("{*}FakturaRR") if form is FormCode.FA_RR else root.find("{*}Fa")
    if body is None:
        return UNREADABLE
    return _farmer(body) if form is FormCode.FA_RR else _fa(body)


def _fa(body: Node) -> Book:
    leaves = [(local_name(child.tag), child) for child in body.iterchildren() if len(child) == 0]
    return Book(
        net=_sum(_matching(leaves, _NET)),
        vat=_sum(_matching(leaves, _VAT)),
        vat_pln=_sum(_matching(leaves, _VAT_PLN)),
        gross=_sum(_value(body, "{*}P_15")),
        accounts=_accounts(body, "{*}Platnosc/{*}RachunekBankowy/{*}NrRB"),
        split_payment=_value(body, "{*}Adnotacje/{*}P_18A") == ["1"],
        paid=_paid(body),
    )


def _farmer(body: Node) -> Book:
    """VAT RR: the flat-rate refund stands where VAT stands, the account is the farmer's."""
    return Book(
        net=_sum(_value(body, "{*}P_11_1")),
        vat=_sum(_value(body, "{*}P_11_2")),
        gross=_sum(_value(body, "{*}P_12_1")),
        accounts=_accounts(body, "{*}Platnosc/{*}RachunekBankowy1/{*}NrRB"),
        paid=_paid(body),
    )


def _ubl(root: Node) -> Book:
    totals = "{*}LegalMonetaryTotal/{*}"
    payable = _sum(_value(root, totals + "PayableAmount"))
    return Book(
        net=_sum(_value(root, totals + "TaxExclusiveAmount")),
        vat=_sum(_value(root, "{*}TaxTotal/{*}TaxAmount")),
        gross=_sum(_value(root, totals + "TaxInclusiveAmount")),
        accounts=_accounts(root, "{*}PaymentMeans/{*}PayeeFinancialAccount/{*}ID"),
        paid="yes" if payable and Decimal(payable) == 0 else "",
    )


def _paid(body: Node) -> str:
    if _value(body, "{*}Platnosc/{*}Zaplacono") == ["1"]:
        return "yes"
    part = _value(body, "{*}Platnosc/{*}ZnacznikZaplatyCzesciowej")
    if not part:
        return ""
    return "yes" if part == [_PAID_IN_FULL_BY_PARTS] else "part"


def _accounts(element: Node, path: str) -> tuple[str, ...]:
    """The first accounts, blanks inside removed, each once."""
    found = (re.sub(r"\s", "", text(account))[:_LONGEST_ACCOUNT] for account in element.iterfind(path))
    return tuple(dict.fromkeys(filter(None, found)))[:_ACCOUNTS]


def _matching(leaves: Iterable[tuple[str, Node]], names: re.Pattern[str]) -> list[str]:
    return [collapse(text(leaf)) for name, leaf in leaves if names.fullmatch(name)]


def _value(element: Node, path: str) -> list[str]:
    """The first element at this path, if there is one."""
    found = element.find(path)
    return [] if found is None else [collapse(text(found))]


def _sum(amounts: list[str]) -> str:
    """The sum as a plain decimal; empty when there is nothing, or anything that is no plain number."""
    if not amounts or not all(_AMOUNT.fullmatch(amount) for amount in amounts):
        return ""
    return f"{sum(map(Decimal, amounts), Decimal()):f}"
