"""FA(3) purchases → clues: where suppliers write order, contract and customer numbers, addresses and notes."""

from collections.abc import Iterable, Iterator
from itertools import islice

from spool.domain.clues import Clues
from spool.domain.document import collapse
from spool.xml.outline import Outline, Part, Party

_MOST, _LONGEST = 20, 200


def read_clues(outline: Outline) -> Clues:
    """Whatever is there; never more than a few values of moderate length."""
    terms, payment = outline.body.part("WarunkiTransakcji"), outline.body.part("Platnosc")
    parties = [outline.buyer, *islice(outline.third_parties, _MOST)]
    notes = islice(outline.body.each("DodatkowyOpis"), _MOST)
    return Clues(
        orders=_few(_each(terms, "Zamowienia", "NrZamowienia")),
        contracts=_few(_each(terms, "Umowy", "NrUmowy")),
        client_numbers=_few(party.value("NrKlienta") for party in parties),
        addresses=_few(_addresses(parties[1:], terms)),
        buyer_addresses=_few(_addresses(parties[:1], Part("", None))),
        notes=tuple((_short(n.value("Klucz")), _short(n.value("Wartosc"))) for n in notes),
        paid=payment.value("Zaplacono") == "1",
        paid_on=_short(payment.value("DataZaplaty")),
        payment_form=_short(payment.value("FormaPlatnosci")),
    )


def _each(parent: Part, group: str, name: str) -> Iterator[str]:
    return (part.value(name) for part in islice(parent.each(group), _MOST))


def _addresses(parties: Iterable[Party], terms: Part) -> Iterator[str]:
    """Of these parties, and of where the goods went: in one line each."""
    for party in parties:
        for name in ("Adres", "AdresKoresp"):
            yield _address(party.part(name))
    for transport in islice(terms.each("Transport"), _MOST):
        yield _address(transport.part("WysylkaDo"))


def _address(address: Part) -> str:
    return ", ".join(line for line in (address.value("AdresL1"), address.value("AdresL2")) if line)


def _few(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(islice(dict.fromkeys(_short(v) for v in values if v), _MOST))


def _short(value: str) -> str:
    return collapse(value)[:_LONGEST]
