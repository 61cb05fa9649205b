"""The parts of an FA(3) invoice as XML text, in the order of the schema; put together by `sluza/samples.py`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from xml.sax.saxutils import escape

from spool.domain.document import ThirdParty

ISSUE_DATE = date(2026, 11, 20)


@dataclass(frozen=True)
class Line:
    """One invoice row: what, net amount, VAT rate as FA(3) writes it."""

    name: str = "Wynajem sali gimnastycznej"
    net: str = "100.00"
    rate: str = "23"


@dataclass(frozen=True)
class Corrected:
    """The original of a correction; without a KSeF number it was issued outside KSeF (`NrKSeFN`=1)."""

    number: str = "FV/1/2026"
    issue_date: date | str = ISSUE_DATE
    ksef_number: str = ""


def header(created: str) -> str:
    return f"""  <Naglowek>
    <KodFormularza kodSystemowy="FA (3)" wersjaSchemy="1-0E">FA</KodFormularza>
    <WariantFormularza>3</WariantFormularza>
    <DataWytworzeniaFa>{created}</DataWytworzeniaFa>
    <SystemInfo>Program finansowo-księgowy</SystemInfo>
  </Naglowek>
"""


def seller(nip: str, name: str) -> str:
    return f"""  <Podmiot1>
    <DaneIdentyfikacyjne>
      <NIP>{escape(nip)}</NIP>
      <Nazwa>{escape(name)}</Nazwa>
    </DaneIdentyfikacyjne>
    <Adres><KodKraju>PL</KodKraju><AdresL1>Rynek 1</AdresL1><AdresL2>00-001 Przykładów</AdresL2></Adres>
  </Podmiot1>
"""


def buyer(identifier: str, name: str, jst: str, gv: str, client_number: str = "") -> str:
    client = f"\n    <NrKlienta>{escape(client_number)}</NrKlienta>" if client_number else ""
    return f"""  <Podmiot2>
    <DaneIdentyfikacyjne>
      {identifier}
      <Nazwa>{escape(name)}</Nazwa>
    </DaneIdentyfikacyjne>
    <Adres><KodKraju>PL</KodKraju><AdresL1>ul. Żwirki 7</AdresL1></Adres>{client}
    <JST>{jst}</JST><GV>{gv}</GV>
  </Podmiot2>
"""


def third_party(party: ThirdParty) -> str:
    if party.internal_id:
        identifier = f"<IDWew>{escape(party.internal_id)}</IDWew>"
    else:
        identifier = f"<NIP>{escape(party.nip)}</NIP>" if party.nip else "<BrakID>1</BrakID>"
    role = f"<Rola>{party.role}</Rola>" if party.role else "<RolaInna>1</RolaInna><OpisRoli>organizator</OpisRoli>"
    name = f"<Nazwa>{escape(party.name or 'Jednostka')}</Nazwa>"
    return f"""  <Podmiot3>
    <DaneIdentyfikacyjne>
      {identifier}
      {name}
    </DaneIdentyfikacyjne>
    {role}
  </Podmiot3>
"""


def authorised(nip: str) -> str:
    if not nip:
        return ""
    return f"""  <PodmiotUpowazniony>
    <DaneIdentyfikacyjne><NIP>{escape(nip)}</NIP><Nazwa>Komornik Sądowy</Nazwa></DaneIdentyfikacyjne>
    <Adres><KodKraju>PL</KodKraju><AdresL1>ul. Sądowa 2</AdresL1></Adres>
    <RolaPU>2</RolaPU>
  </PodmiotUpowazniony>
"""


_RATE_FIELDS = {"23": "1", "8": "2", "5": "3", "zw": "7"}


def totals(lines: Sequence[Line]) -> str:
    out, gross = [], Decimal(0)
    for rate, suffix in _RATE_FIELDS.items():
        rows = [Decimal(line.net) for line in lines if line.rate == rate]
        if not rows:
            continue
        net = sum(rows, Decimal(0))
        out.append(f"    <P_13_{suffix}>{net}</P_13_{suffix}>\n")
        tax = Decimal(0)
        if rate.isdigit():
            tax = (net * int(rate) / 100).quantize(Decimal("0.01"), ROUND_HALF_UP)
            out.append(f"    <P_14_{suffix}>{tax}</P_14_{suffix}>\n")
        gross += net + tax
    return "".join(out) + f"    <P_15>{gross}</P_15>\n"


def adnotations(self_invoicing: bool) -> str:
    return f"""    <Adnotacje>
      <P_16>2</P_16><P_17>{1 if self_invoicing else 2}</P_17><P_18>2</P_18><P_18A>2</P_18A>
      <Zwolnienie><P_19N>1</P_19N></Zwolnienie>
      <NoweSrodkiTransportu><P_22N>1</P_22N></NoweSrodkiTransportu>
      <P_23>2</P_23>
      <PMarzy><P_PMarzyN>1</P_PMarzyN></PMarzy>
    </Adnotacje>
"""


def correction(originals: Sequence[Corrected], reason: str) -> str:
    out = f"    <PrzyczynaKorekty>{escape(reason)}</PrzyczynaKorekty>\n    <TypKorekty>2</TypKorekty>\n"
    for original in originals:
        ksef = "<NrKSeFN>1</NrKSeFN>"
        if original.ksef_number:
            ksef = f"<NrKSeF>1</NrKSeF><NrKSeFFaKorygowanej>{escape(original.ksef_number)}</NrKSeFFaKorygowanej>"
        out += f"""    <DaneFaKorygowanej>
      <DataWystFaKorygowanej>{original.issue_date}</DataWystFaKorygowanej>
      <NrFaKorygowanej>{escape(original.number)}</NrFaKorygowanej>
      {ksef}
    </DaneFaKorygowanej>
"""
    return out


def row(position: int, line: Line, exchange_rate: str) -> str:
    rate = f"\n      <KursWaluty>{exchange_rate}</KursWaluty>" if exchange_rate else ""
    return f"""    <FaWiersz>
      <NrWierszaFa>{position}</NrWierszaFa>
      <P_7>{escape(line.name)}</P_7>
      <P_8A>szt.</P_8A>
      <P_8B>1</P_8B>
      <P_9A>{line.net}</P_9A>
      <P_11>{line.net}</P_11>
      <P_12>{line.rate}</P_12>{rate}
    </FaWiersz>
"""


def order(lines: Sequence[Line]) -> str:
    rows = "".join(
        f"<ZamowienieWiersz><NrWierszaZam>{i}</NrWierszaZam><P_7Z>{escape(line.name)}</P_7Z></ZamowienieWiersz>"
        for i, line in enumerate(lines, 1)
    )
    total = sum((Decimal(line.net) for line in lines), Decimal(0))
    return f"    <Zamowienie><WartoscZamowienia>{total}</WartoscZamowienia>{rows}</Zamowienie>\n"


def payment(due: Sequence[date | str], account: str, paid_on: date | str) -> str:
    inner = f"<Zaplacono>1</Zaplacono><DataZaplaty>{paid_on}</DataZaplaty>" if paid_on else ""
    inner += "".join(f"<TerminPlatnosci><Termin>{day}</Termin></TerminPlatnosci>" for day in due)
    inner += "<FormaPlatnosci>6</FormaPlatnosci>" if due or account else ""
    inner += f"<RachunekBankowy><NrRB>{account}</NrRB></RachunekBankowy>" if account else ""
    return f"    <Platnosc>{inner}</Platnosc>\n" if inner else ""


def terms(contract: str, order_number: str, deliver_to: str) -> str:
    inner = f"<Umowy><NrUmowy>{escape(contract)}</NrUmowy></Umowy>" if contract else ""
    inner += f"<Zamowienia><NrZamowienia>{escape(order_number)}</NrZamowienia></Zamowienia>" if order_number else ""
    if deliver_to:
        address = f"<KodKraju>PL</KodKraju><AdresL1>{escape(deliver_to)}</AdresL1>"
        inner += (
            "<Transport><RodzajTransportu>3</RodzajTransportu><OpisLadunku>13</OpisLadunku>"
            f"<WysylkaDo>{address}</WysylkaDo></Transport>"
        )
    return f"    <WarunkiTransakcji>{inner}</WarunkiTransakcji>\n" if inner else ""


def attachment() -> str:
    return """  <Zalacznik>
    <BlokDanych>
      <ZNaglowek>Zużycie wody</ZNaglowek>
      <MetaDane><ZKlucz>punkt poboru</ZKlucz><ZWartosc>PP-1</ZWartosc></MetaDane>
      <Tekst><Akapit>Odczyt z listopada.</Akapit></Tekst>
    </BlokDanych>
  </Zalacznik>
"""
