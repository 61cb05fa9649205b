"""Small FA(3) invoices for the contract tests, independent of the product's own builders."""

from __future__ import annotations

from datetime import datetime
from itertools import count
from zoneinfo import ZoneInfo

NS = "http://crd.gov.pl/wzor/2025/06/25/13775/"
_numbers = count(1)


def today() -> str:
    """Today in Warsaw, as P_1 is compared."""
    return datetime.now(ZoneInfo("Europe/Warsaw")).date().isoformat()


def third(role: int, *, nip: str = "", idwew: str = "") -> str:
    """A Podmiot3 with a role, identified by NIP or IDWew."""
    who = f"<NIP>{nip}</NIP>" if nip else f"<IDWew>{idwew}</IDWew>"
    return (
        f"<Podmiot3><DaneIdentyfikacyjne>{who}<Nazwa>Szkoła</Nazwa></DaneIdentyfikacyjne>"
        f"<Adres><KodKraju>PL</KodKraju><AdresL1>ul. Szkolna 1</AdresL1></Adres><Rola>{role}</Rola></Podmiot3>"
    )


def invoice(
    seller: str = "5265877635",
    *,
    number: str | None = None,
    day: str | None = None,
    buyer: str = "1111111111",
    thirds: str = "",
    kind: str = "VAT",
    gross: str = "123.00",
    self_invoicing: bool = False,
    attachment: bool = False,
    comment: str = "",
) -> bytes:
    """A valid FA(3); a fresh number each time unless given; `comment` only changes the bytes."""
    number = number or f"FV/{next(_numbers)}/2026"
    annex = (
        "<Zalacznik><BlokDanych><MetaDane><ZKlucz>a</ZKlucz><ZWartosc>b</ZWartosc></MetaDane></BlokDanych></Zalacznik>"
    )
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<Faktura xmlns="{NS}"><!--{comment}--><Naglowek>
<KodFormularza kodSystemowy="FA (3)" wersjaSchemy="1-0E">FA</KodFormularza>
<WariantFormularza>3</WariantFormularza><DataWytworzeniaFa>2026-02-01T10:00:00Z</DataWytworzeniaFa></Naglowek>
<Podmiot1><DaneIdentyfikacyjne><NIP>{seller}</NIP><Nazwa>Sprzedawca</Nazwa></DaneIdentyfikacyjne>
<Adres><KodKraju>PL</KodKraju><AdresL1>ul. Rynek 1</AdresL1></Adres></Podmiot1>
<Podmiot2><DaneIdentyfikacyjne><NIP>{buyer}</NIP><Nazwa>Nabywca</Nazwa></DaneIdentyfikacyjne>
<Adres><KodKraju>PL</KodKraju><AdresL1>ul. Polna 1</AdresL1></Adres><JST>2</JST><GV>2</GV></Podmiot2>{thirds}
<Fa><KodWaluty>PLN</KodWaluty><P_1>{day or today()}</P_1><P_2>{number}</P_2>
<P_13_1>100.00</P_13_1><P_14_1>23.00</P_14_1>
<P_15>{gross}</P_15><Adnotacje><P_16>2</P_16><P_17>{1 if self_invoicing else 2}</P_17><P_18>2</P_18><P_18A>2</P_18A>
<Zwolnienie><P_19N>1</P_19N></Zwolnienie><NoweSrodkiTransportu><P_22N>1</P_22N></NoweSrodkiTransportu><P_23>2</P_23>
<PMarzy><P_PMarzyN>1</P_PMarzyN></PMarzy></Adnotacje><RodzajFaktury>{kind}</RodzajFaktury></Fa>
{annex if attachment else ""}</Faktura>""".encode()
