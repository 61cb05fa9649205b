"""Purchases for the tests of the registers: the XML of a supplier, with what registers show of it."""

from sluza.samples import MUNICIPALITY_NIP

KSEF = "7770001111-20261119-0A1B2C-3D4E5F-7F"
_FA3 = "http://crd.gov.pl/wzor/2025/06/25/13775/"


def purchase(
    number: str = "D/1", supplier: str = "Dostawca", body: str = "", payment: str = "", annotations: str = ""
) -> bytes:
    """An FA(3) as KSeF delivers it: 100.00 net, 23.00 VAT unless `body` says otherwise."""
    amounts = body or "<P_13_1>100.00</P_13_1><P_14_1>23.00</P_14_1><P_15>123.00</P_15>"
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<Faktura xmlns="{_FA3}"><Naglowek><KodFormularza kodSystemowy="FA (3)" wersjaSchemy="1-0E">FA</KodFormularza>
<WariantFormularza>3</WariantFormularza></Naglowek>
<Podmiot1><DaneIdentyfikacyjne><NIP>7770001111</NIP><Nazwa>{supplier}</Nazwa></DaneIdentyfikacyjne></Podmiot1>
<Podmiot2><DaneIdentyfikacyjne><NIP>{MUNICIPALITY_NIP}</NIP><Nazwa>Gmina</Nazwa></DaneIdentyfikacyjne></Podmiot2>
<Fa><KodWaluty>PLN</KodWaluty><P_1>2026-11-19</P_1><P_2>{number}</P_2>{amounts}<Adnotacje>{annotations}</Adnotacje>
<RodzajFaktury>VAT</RodzajFaktury><Platnosc>{payment}</Platnosc></Fa></Faktura>""".encode()
