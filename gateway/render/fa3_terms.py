"""How it is paid and under which terms: `Platnosc`, `WarunkiTransakcji`."""

from gateway.render import words
from gateway.render.blocks import Block, Heading, Pairs
from gateway.render.fa3_parties import address, identity
from gateway.render.text import account, amount, day, joined, moment, quantity
from gateway.render.tree import Node

_Pairs = list[tuple[str, str]]


def payment(fa: Node, currency: str) -> list[Block]:
    """Paid or to be paid: when, how, to which account."""
    node = fa.child("Platnosc")
    if node is None:
        return []
    paid = "zapłacono" if node.flag("Zaplacono") else ""
    partly = node.text("ZnacznikZaplatyCzesciowej")
    pairs: _Pairs = [
        ("Status płatności", joined(paid, words.PARTLY_PAID.get(partly, partly))),
        ("Data zapłaty", day(node.text("DataZaplaty"))),
    ]
    for part in node.children("ZaplataCzesciowa"):
        value = f"{amount(part.text('KwotaZaplatyCzesciowej'))} {currency}"
        when = day(part.text("DataZaplatyCzesciowej"))
        pairs.append(("Zapłata częściowa", joined(value, when, _form(part), by=" · ")))
    pairs += [("Termin płatności", _term(term)) for term in node.children("TerminPlatnosci")]
    pairs.append(("Forma płatności", _form(node)))
    pairs += [("Rachunek", _bank(bank)) for bank in node.children("RachunekBankowy")]
    pairs += [("Rachunek faktora", _bank(bank)) for bank in node.children("RachunekBankowyFaktora")]
    for discount in node.children("Skonto"):
        value = joined(discount.text("WysokoscSkonta"), discount.text("WarunkiSkonta"), by=" – ")
        pairs.append(("Skonto", value))
    pairs.append(("Link do płatności", node.text("LinkDoPlatnosci")))
    pairs.append(("Identyfikator płatności (IPKSeF)", node.text("IPKSeF")))
    return _section("Płatność", pairs)


def _form(node: Node) -> str:
    """The form of payment, described where it is none of the list."""
    form = node.text("FormaPlatnosci")
    other = "inna forma płatności" if node.flag("PlatnoscInna") else ""
    described = node.text("OpisPlatnosci")
    return joined(words.PAYMENT_FORM.get(form, form), other, described, by=": " if other else " ")


def _term(term: Node) -> str:
    """A date, or the event from which the days run."""
    parts = [day(term.text("Termin"))]
    for rule in term.children("TerminOpis"):
        event = rule.text("ZdarzeniePoczatkowe")
        length = joined(rule.text("Ilosc"), rule.text("Jednostka"))
        parts.append(joined(length, event, by=" od zdarzenia: "))
    return joined(*parts, by=" · ")


def _bank(bank: Node) -> str:
    """Account number, bank, what kind of account."""
    own = bank.text("RachunekWlasnyBanku")
    swift = bank.text("SWIFT")
    return joined(
        account(bank.text("NrRB")),
        f"SWIFT {swift}" if swift else "",
        bank.text("NazwaBanku"),
        bank.text("OpisRachunku"),
        words.BANK_OWN_ACCOUNT.get(own, own),
        by=" · ",
    )


def terms(fa: Node) -> list[Block]:
    """Contracts, orders, deliveries and transport."""
    pairs: _Pairs = [("Dokumenty WZ", ", ".join(fa.texts("WZ")))]
    node = fa.child("WarunkiTransakcji")
    if node is not None:
        for contract in node.children("Umowy"):
            pairs.append(("Umowa", _dated(contract, "NrUmowy", "DataUmowy")))
        for order in node.children("Zamowienia"):
            pairs.append(("Zamówienie", _dated(order, "NrZamowienia", "DataZamowienia")))
        rate = joined(quantity(node.text("KursUmowny")), node.text("WalutaUmowna"))
        pairs += [
            ("Numery partii towaru", ", ".join(node.texts("NrPartiiTowaru"))),
            ("Warunki dostawy", node.text("WarunkiDostawy")),
            ("Kurs umowny", rate),
        ]
        for transport in node.children("Transport"):
            pairs += _transport(transport)
        if node.flag("PodmiotPosredniczacy"):
            pairs.append(("Podmiot pośredniczący", "dostawa z art. 22 ust. 2d ustawy"))
    return _section("Warunki transakcji", pairs)


def _dated(node: Node, number: str, date: str) -> str:
    """A number with its date."""
    when = day(node.text(date))
    return joined(node.text(number), f"z dnia {when}" if when else "")


def _transport(node: Node) -> _Pairs:
    """One transport: kind, carrier, load, times, places."""
    kind, load = node.text("RodzajTransportu"), node.text("OpisLadunku")
    other = "inny" if node.flag("TransportInny") else ""
    other_load = "inny" if node.flag("LadunekInny") else ""
    pairs = [
        ("Transport", joined(words.TRANSPORT.get(kind, kind), other, node.text("OpisInnegoTransportu"), by=": ")),
        ("Nr zlecenia transportu", node.text("NrZleceniaTransportu")),
        ("Ładunek", joined(words.LOAD.get(load, load), other_load, node.text("OpisInnegoLadunku"), by=": ")),
        ("Jednostka opakowania", node.text("JednostkaOpakowania")),
        ("Rozpoczęcie transportu", moment(node.text("DataGodzRozpTransportu"))),
        ("Zakończenie transportu", moment(node.text("DataGodzZakTransportu"))),
    ]
    for carrier in node.children("Przewoznik"):
        lines = identity(carrier) + address(carrier.child("AdresPrzewoznika"))
        pairs.append(("Przewoźnik", joined(*(line.text for line in lines), by=", ")))
    for name, label in (("WysylkaZ", "Wysyłka z"), ("WysylkaPrzez", "Wysyłka przez"), ("WysylkaDo", "Wysyłka do")):
        for place in node.children(name):
            pairs.append((label, joined(*(line.text for line in address(place)), by=", ")))
    return pairs


def _section(title: str, pairs: _Pairs) -> list[Block]:
    """A section without its empty values; nothing if nothing is left."""
    shown = tuple((label, value) for label, value in pairs if value)
    return [Heading(title), Pairs(shown)] if shown else []
