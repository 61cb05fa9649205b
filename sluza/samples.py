"""Sample invoices of our own, built from parameters; every FA(3) here is valid against the ministry's schema.

`invoice(...)` is the ordinary one and takes everything else as keywords; the named functions below it are the
cases that towns meet. All names and numbers are invented; the NIPs have correct check digits.
"""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any
from xml.sax.saxutils import escape

from sluza import sample_parts as parts
from sluza.sample_parts import ISSUE_DATE, Corrected, Line
from spool.domain.document import ROLE_JST_ISSUER, ROLE_JST_RECIPIENT, ThirdParty

FA3_NS = "http://crd.gov.pl/wzor/2025/06/25/13775/"
FA2_NS = "http://crd.gov.pl/wzor/2023/06/29/12648/"
RR_NS = "http://crd.gov.pl/wzor/2026/03/06/14189/"

MUNICIPALITY_NIP = "5080014460"
SCHOOL_NIP = "5250000015"
SCHOOL_IDWEW = "5080014460-00011"
BUYER_NIP = "7770001111"


def invoice(
    *,
    seller_nip: str = MUNICIPALITY_NIP,
    seller_name: str = "Gmina Przykładowa",
    number: str = "FV/1/2026",
    issue_date: date | str = ISSUE_DATE,
    kind: str = "VAT",
    buyer_nip: str = BUYER_NIP,
    buyer_name: str = "Zakład Usług Komunalnych „Źródło” sp. z o.o.",
    buyer_id: str = "",
    third_parties: Sequence[ThirdParty] = (),
    jst: str = "2",
    gv: str = "2",
    currency: str = "PLN",
    exchange_rate: str = "",
    lines: Sequence[Line] = (Line(),),
    corrects: Sequence[Corrected] = (),
    reason: str = "Błędna cena",
    advances: Sequence[str] = (),
    notes: Sequence[tuple[str, str]] = (),
    payment_due: Sequence[date | str] = (),
    account: str = "",
    paid_on: date | str = "",
    contract: str = "",
    order_number: str = "",
    deliver_to: str = "",
    client_number: str = "",
    self_invoicing: bool = False,
    authorised_nip: str = "",
    attachment: bool = False,
    footer: str = "",
    created: str = "2026-11-20T08:00:00Z",
    prolog: str = '<?xml version="1.0" encoding="UTF-8"?>\n',
) -> bytes:
    """One FA(3) invoice as UTF-8 bytes.

    `buyer_id` is the ready XML of the buyer's identifier and outranks the NIP. `kind` is RodzajFaktury; KOR,
    KOR_ZAL and KOR_ROZ use `corrects` and `reason`, ROZ uses `advances` (KSeF numbers), ZAL and KOR_ZAL describe
    the order instead of rows.
    """
    order = kind in {"ZAL", "KOR_ZAL"}
    body = [
        parts.header(created),
        parts.seller(seller_nip, seller_name),
        parts.buyer(buyer_id or f"<NIP>{escape(buyer_nip)}</NIP>", buyer_name, jst, gv, client_number),
        *(parts.third_party(p) for p in third_parties),
        parts.authorised(authorised_nip),
        "  <Fa>\n",
        f"    <KodWaluty>{currency}</KodWaluty>\n    <P_1>{issue_date}</P_1>\n",
        f"    <P_2>{escape(number)}</P_2>\n",
        parts.totals(lines),
        parts.adnotations(self_invoicing),
        f"    <RodzajFaktury>{kind}</RodzajFaktury>\n",
        parts.correction(corrects or (Corrected(),), reason) if kind.startswith("KOR") else "",
        *(
            f"    <DodatkowyOpis><Klucz>{escape(k)}</Klucz><Wartosc>{escape(v)}</Wartosc></DodatkowyOpis>\n"
            for k, v in notes
        ),
        *(
            f"    <FakturaZaliczkowa><NrKSeFFaZaliczkowej>{n}</NrKSeFFaZaliczkowej></FakturaZaliczkowa>\n"
            for n in advances
        ),
        "" if order else "".join(parts.row(i, line, exchange_rate) for i, line in enumerate(lines, 1)),
        parts.payment(payment_due, account, paid_on),
        parts.terms(contract, order_number, deliver_to),
        parts.order(lines) if order else "",
        "  </Fa>\n",
        f"  <Stopka><Informacje><StopkaFaktury>{escape(footer)}</StopkaFaktury></Informacje></Stopka>\n"
        if footer
        else "",
        parts.attachment() if attachment else "",
    ]
    return f'{prolog}<Faktura xmlns="{FA3_NS}">\n{"".join(body)}</Faktura>\n'.encode()


def unit_invoice(*, nip: str = SCHOOL_NIP, internal_id: str = "", **more: Any) -> bytes:
    """A municipality's sale issued by a unit: the unit stands in `Podmiot3` with role 7."""
    unit = ThirdParty(ROLE_JST_ISSUER, "" if internal_id else nip, internal_id, "Szkoła Podstawowa nr 1")
    return invoice(third_parties=(unit,), **more)


def purchase_for_unit(*, nip: str = SCHOOL_NIP, internal_id: str = "", **more: Any) -> bytes:
    """A supplier's invoice for a unit of the municipality: `JST`=1 and the unit in `Podmiot3` with role 8."""
    unit = ThirdParty(ROLE_JST_RECIPIENT, "" if internal_id else nip, internal_id, "Szkoła Podstawowa nr 1")
    defaults: dict[str, Any] = {
        "seller_nip": BUYER_NIP,
        "seller_name": "Hurtownia „Książnica” s.c.",
        "buyer_nip": MUNICIPALITY_NIP,
        "buyer_name": "Gmina Przykładowa",
        "jst": "1",
        "third_parties": (unit,),
    }
    return invoice(**(defaults | more))


def correction(*, ksef_number: str = "", outside: bool = False, **more: Any) -> bytes:
    """A correcting invoice naming the KSeF number of its original, or `NrKSeFN`=1 if issued outside KSeF."""
    original = Corrected(ksef_number="" if outside else ksef_number or ksef_number_for())
    defaults: dict[str, Any] = {
        "number": "KOR/1/2026",
        "kind": "KOR",
        "corrects": (original,),
        "lines": (Line(net="-10.00"),),
    }
    return invoice(**(defaults | more))


def consumer_invoice(**more: Any) -> bytes:
    """A sale to a private person without any tax number (`BrakID`=1)."""
    return invoice(**({"buyer_id": "<BrakID>1</BrakID>", "buyer_name": "Łucja Żądło"} | more))


def eu_invoice(**more: Any) -> bytes:
    """A sale to a buyer with a VAT number of another member state."""
    buyer = {"buyer_id": "<KodUE>DE</KodUE><NrVatUE>123456789</NrVatUE>", "buyer_name": "Muster GmbH"}
    return invoice(**(buyer | {"currency": "EUR", "exchange_rate": "4.2512"} | more))


def foreign_invoice(**more: Any) -> bytes:
    """A sale to a buyer outside the Union, identified by another number."""
    buyer = {"buyer_id": "<KodKraju>GB</KodKraju><NrID>GB-77 1234</NrID>", "buyer_name": "Example Ltd"}
    return invoice(**(buyer | more))


def advance_invoice(**more: Any) -> bytes:
    """An advance invoice: kind ZAL, with the order it is paid for."""
    return invoice(**({"number": "ZAL/1/2026", "kind": "ZAL"} | more))


def settlement_invoice(**more: Any) -> bytes:
    """The final invoice after an advance: kind ROZ, naming the advance's KSeF number."""
    return invoice(**({"number": "ROZ/1/2026", "kind": "ROZ", "advances": (ksef_number_for(),)} | more))


def attachment_invoice(**more: Any) -> bytes:
    """An invoice with a structured attachment (`Zalacznik`): up to 3 MB, batch session only."""
    return invoice(**({"attachment": True} | more))


def valid_samples() -> dict[str, bytes]:
    """Every kind of ours by name, each valid."""
    return {
        "ordinary": invoice(),
        "unit_by_nip": unit_invoice(),
        "unit_by_idwew": unit_invoice(internal_id=SCHOOL_IDWEW),
        "purchase": purchase_for_unit(),
        "correction": correction(),
        "correction_outside": correction(outside=True),
        "correction_old_number": correction(ksef_number="5265877635-20230908-8BEF28-0C8D35-4D"),
        "consumer": consumer_invoice(),
        "eu": eu_invoice(),
        "foreign": foreign_invoice(),
        "advance": advance_invoice(),
        "advance_correction": correction(kind="KOR_ZAL", number="KZ/1/2026"),
        "settlement": settlement_invoice(),
        "settlement_correction": correction(kind="KOR_ROZ", number="KR/1/2026"),
        "simplified": invoice(kind="UPR", number="UPR/1/2026"),
        "attachment": attachment_invoice(),
        "self_invoicing": invoice(self_invoicing=True),
        "authorised": invoice(authorised_nip="5250000021"),
        "many_rates": invoice(
            lines=(
                Line(),
                Line("Woda", "12.30", "8"),
                Line("Książka", "9.99", "5"),
                Line("Opieka", "50.00", "zw"),
            )
        ),
        "payment": invoice(
            payment_due=(date(2026, 12, 4),), account="61109010140000071219812874", footer="Urząd Gminy"
        ),
        "paid": invoice(paid_on=ISSUE_DATE, notes=(("delegacja", "12/2026"), ("uwagi", "a < b & c > d"))),
        "no_prolog": invoice(prolog=""),
        "lower_case_encoding": invoice(prolog='<?xml version="1.0" encoding="utf-8"?>'),
    }


def many(count: int, **more: Any) -> Iterator[bytes]:
    """`count` ordinary invoices with numbers of their own."""
    for n in range(1, count + 1):
        yield invoice(**({"number": f"FV/{n}/2026"} | more))


def sized(raw: bytes, size: int) -> bytes:
    """The same invoice padded to exactly `size` bytes with white space before the end tag."""
    missing = size - len(raw)
    if missing < 0:
        raise ValueError(f"the invoice has {len(raw)} bytes already")
    head, tail = raw[: raw.rindex(b"</Faktura>")], raw[raw.rindex(b"</Faktura>") :]
    return head + b" " * missing + tail


def ksef_number_for(nip: str = MUNICIPALITY_NIP, day: date = ISSUE_DATE, serial: int = 1) -> str:
    """A KSeF number with a correct CRC-8 (protocol §12.1), computed here independently of the product."""
    head = f"{nip}-{day:%Y%m%d}-{serial:012X}"
    crc = 0
    for byte in head.encode():
        crc ^= byte
        for _ in range(8):
            crc = (crc * 2) ^ (0x107 if crc & 0x80 else 0)
    return f"{head}-{crc:02X}"


def fa2_invoice(*, number: str = "FA2/1/2026", seller_nip: str = BUYER_NIP, buyer_nip: str = MUNICIPALITY_NIP) -> bytes:
    """A document in the older form FA(2), taken only on TEST; enough of it to be recognised and read."""
    text = invoice(number=number, seller_nip=seller_nip, buyer_nip=buyer_nip).decode()
    text = text.replace(FA3_NS, FA2_NS).replace('"FA (3)"', '"FA (2)"')
    return (
        text.replace(">3</WariantFormularza>", ">2</WariantFormularza>").replace("<JST>2</JST><GV>2</GV>", "").encode()
    )


def rr_invoice(
    *, number: str = "RR/1/2026", buyer_nip: str = MUNICIPALITY_NIP, farmer_nip: str = "5250000021"
) -> bytes:
    """A VAT RR document: issued by the purchaser, `Podmiot1` is the farmer, the facts are in `FakturaRR`."""
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<Faktura xmlns="{RR_NS}">
  <Naglowek><KodFormularza kodSystemowy="FA_RR (1)" wersjaSchemy="1-1E">FA_RR</KodFormularza>
    <WariantFormularza>1</WariantFormularza></Naglowek>
  <Podmiot1><DaneIdentyfikacyjne><NIP>{farmer_nip}</NIP><Nazwa>Rolnik</Nazwa></DaneIdentyfikacyjne></Podmiot1>
  <Podmiot2>
    <DaneIdentyfikacyjne><NIP>{buyer_nip}</NIP><Nazwa>Gmina Przykładowa</Nazwa></DaneIdentyfikacyjne>
  </Podmiot2>
  <FakturaRR><KodWaluty>PLN</KodWaluty><P_4A>2026-11-19</P_4A><P_4B>2026-11-20</P_4B><P_4C>{number}</P_4C>
    <P_12_1>107.00</P_12_1><RodzajFaktury>VAT_RR</RodzajFaktury></FakturaRR>
</Faktura>
""".encode()


def pef_invoice(
    *,
    number: str = "PEF/1/2026",
    seller_nip: str = BUYER_NIP,
    buyer_nip: str = MUNICIPALITY_NIP,
    credit: bool = False,
) -> bytes:
    """A PEF document (UBL 2.1), Invoice or CreditNote; enough of it to be recognised and read."""
    root, line = ("CreditNote", "CreditNoteTypeCode") if credit else ("Invoice", "InvoiceTypeCode")
    cac, cbc = (f"urn:oasis:names:specification:ubl:schema:xsd:Common{k}Components-2" for k in ("Aggregate", "Basic"))
    party = (
        "<cac:Party><cac:PartyName><cbc:Name>{name}</cbc:Name></cac:PartyName><cac:PartyTaxScheme><cbc:CompanyID>PL{nip}</cbc:CompanyID>"
        "<cac:TaxScheme><cbc:ID>VAT</cbc:ID></cac:TaxScheme></cac:PartyTaxScheme></cac:Party>"
    )
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<{root} xmlns="urn:oasis:names:specification:ubl:schema:xsd:{root}-2" xmlns:cac="{cac}" xmlns:cbc="{cbc}">
  <cbc:ID>{number}</cbc:ID><cbc:IssueDate>2026-11-20</cbc:IssueDate><cbc:{line}>380</cbc:{line}>
  <cbc:DocumentCurrencyCode>PLN</cbc:DocumentCurrencyCode>
  <cac:AccountingSupplierParty>{party.format(name="Dostawca", nip=seller_nip)}</cac:AccountingSupplierParty>
  <cac:AccountingCustomerParty>{party.format(name="Gmina", nip=buyer_nip)}</cac:AccountingCustomerParty>
  <cac:LegalMonetaryTotal><cbc:TaxInclusiveAmount currencyID="PLN">123.00</cbc:TaxInclusiveAmount>
    <cbc:PayableAmount currencyID="PLN">123.00</cbc:PayableAmount></cac:LegalMonetaryTotal>
</{root}>
""".encode()
