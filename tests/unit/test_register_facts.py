"""What the registers show of an invoice's content: amounts, account, payment; from any bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluza.samples import unit_invoice
from spool.domain.book import UNREADABLE, Book, book_from_dict
from spool.xml.register_facts import read_book, read_books
from tests.register_samples import purchase

_RR = b"""<Faktura xmlns="http://crd.gov.pl/wzor/2026/03/06/14189/"><Naglowek>
<KodFormularza kodSystemowy="FA_RR (1)" wersjaSchemy="1-1E">FA_RR</KodFormularza></Naglowek><FakturaRR>
<P_11_1>1000.00</P_11_1><P_11_2>70.00</P_11_2><P_12_1>1070.00</P_12_1>
<Platnosc><RachunekBankowy1><NrRB>61109010140000071219812874</NrRB></RachunekBankowy1></Platnosc></FakturaRR></Faktura>"""
_UBL = b"""<Invoice xmlns="urn:oasis:names:specification:ubl:schema:xsd:Invoice-2"
xmlns:b="urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2"
xmlns:a="urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2">
<b:CustomizationID>urn:cen.eu:en16931:2017#compliant#urn:fdc:peppol.eu:2017:poacc:billing:3.0</b:CustomizationID>
<a:PaymentMeans><a:PayeeFinancialAccount><b:ID>PL61109010140000071219812874</b:ID></a:PayeeFinancialAccount>
</a:PaymentMeans><a:TaxTotal><b:TaxAmount>23.00</b:TaxAmount></a:TaxTotal><a:LegalMonetaryTotal>
<b:TaxExclusiveAmount>100.00</b:TaxExclusiveAmount><b:TaxInclusiveAmount>123.00</b:TaxInclusiveAmount>
<b:PayableAmount>0.00</b:PayableAmount></a:LegalMonetaryTotal></Invoice>"""


def test_the_amounts_of_all_rates_are_summed() -> None:
    """Net of every rate, exempt and reverse charge included; VAT in the currency and in PLN apart."""
    body = (
        "<P_13_1>100.00</P_13_1><P_14_1>23.00</P_14_1><P_14_1W>99.50</P_14_1W><P_13_2>10.10</P_13_2><P_14_2>0.81</P_14_2>"
        "<P_14_2W>3.49</P_14_2W><P_13_6_1>5.00</P_13_6_1><P_13_7>2.00</P_13_7><P_13_10>1.00</P_13_10><P_15>141.91</P_15>"
    )
    found = read_book(purchase(body=body))
    assert (found.net, found.vat, found.vat_pln, found.gross) == ("118.10", "23.81", "102.99", "141.91")


def test_a_correction_keeps_its_sign() -> None:
    """The differences are negative."""
    found = read_book(purchase(body="<P_13_1>-10.00</P_13_1><P_14_1>-2.30</P_14_1><P_15>-12.30</P_15>"))
    assert (found.net, found.vat, found.gross) == ("-10.00", "-2.30", "-12.30")


@pytest.mark.parametrize("amount", ["1e999", "NaN", "Infinity", "1,23", "0x10", "1" * 400, "", "=1+1", "１２"])
def test_an_amount_that_is_no_plain_number_is_no_amount(amount: str) -> None:
    """The sum is empty, never a guess and never an error; the others stand."""
    found = read_book(purchase(body=f"<P_13_1>{amount}</P_13_1><P_13_2>1.00</P_13_2><P_15>1.00</P_15>"))
    assert (found.net, found.gross, found.readable) == ("", "1.00", True)


@pytest.mark.parametrize(
    ("payment", "paid"),
    [
        ("", ""),
        ("<Zaplacono>1</Zaplacono><DataZaplaty>2026-11-19</DataZaplaty>", "yes"),
        ("<ZnacznikZaplatyCzesciowej>1</ZnacznikZaplatyCzesciowej>", "part"),
        ("<ZnacznikZaplatyCzesciowej>2</ZnacznikZaplatyCzesciowej>", "yes"),
    ],
)
def test_rule_P8_what_is_paid_already_is_said(payment: str, paid: str) -> None:
    """So that nobody pays twice."""
    assert read_book(purchase(payment=payment)).paid == paid


def test_account_and_split_payment() -> None:
    """Each account once, without blanks; split payment only where P_18A is 1."""
    payment = "".join(
        f"<RachunekBankowy><NrRB>{n}</NrRB></RachunekBankowy>" for n in ("61 1090 1014", "6110901014", "PL22")
    )
    found = read_book(purchase(payment=payment, annotations="<P_18A>1</P_18A>"))
    assert (found.accounts, found.split_payment) == (("6110901014", "PL22"), True)
    assert not read_book(purchase(annotations="<P_18A>2</P_18A>")).split_payment


def test_the_other_forms_of_ksef() -> None:
    """VAT RR and PEF have their amounts and accounts elsewhere."""
    assert read_book(_RR) == Book("1000.00", "70.00", "", "1070.00", ("61109010140000071219812874",))
    found = read_book(_UBL)
    assert (found.net, found.vat, found.gross, found.paid) == ("100.00", "23.00", "123.00", "yes")
    assert found.accounts == ("PL61109010140000071219812874",)


def test_our_own_invoice_adds_up() -> None:
    """Net and VAT of an invoice that a unit issues give its gross."""
    from decimal import Decimal

    found = read_book(unit_invoice())
    assert Decimal(found.net) + Decimal(found.vat) == Decimal(found.gross)


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"x", b"<Faktura/>", b"<a>" * 40 + b"</a>" * 40, b'<!DOCTYPE a [<!ENTITY b "c">]><Faktura>&b;</Faktura>',
        "<Faktura/>".encode("utf-16"), b"<Faktura><Fa/>",
    ],
)  # fmt: skip
def test_fault_X26_hostile_bytes_are_unreadable_and_nothing_else(raw: bytes) -> None:
    """No entity is opened, nothing raises."""
    assert read_book(raw) == UNREADABLE


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader(raw: bytes) -> None:
    """Whatever comes, there is a book."""
    assert isinstance(read_book(raw), Book)


def test_books_survive_their_storing() -> None:
    """JSON and back."""
    found = read_books([purchase(), b""])
    assert [book_from_dict(book.as_dict()) for book in found] == found
