"""What else a purchase says about whom it is for: order and contract numbers, customer numbers, addresses, notes.

Only for suggestions to people, never for routing by itself (jst.md P2 step 5, P8). Values are as the supplier wrote
them, shortened and few: a hostile invoice may bring thousands.
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

_EMPLOYEE = re.compile(r"pracowni|delegowan|podr[óo][żz]n|odbieraj|zamawiaj|osoba", re.IGNORECASE)
_TRIP = re.compile(r"delegacj|polecenie wyjazdu|podr[óo][żz] s[łl]u[żz]bow|wyjazd", re.IGNORECASE)
_WORD = re.compile(r"\w+")
SHORTEST = 4
"""Letters and digits of a text that is to be recognised; fewer would be found everywhere."""


@dataclass(frozen=True)
class Clues:
    """`addresses` are those of third parties and of delivery; many suppliers write one town hall for every buyer.

    `notes` are `DodatkowyOpis`, key and value; `paid_on` a date as written; `payment_form` the code of FA(3).
    """

    orders: tuple[str, ...] = ()
    contracts: tuple[str, ...] = ()
    client_numbers: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    buyer_addresses: tuple[str, ...] = ()
    notes: tuple[tuple[str, str], ...] = ()
    paid: bool = False
    paid_on: str = ""
    payment_form: str = ""

    @property
    def employee(self) -> str:
        """Whoever bought it on site, as the supplier noted it (P8); empty if nobody is named."""
        return self._noted(_EMPLOYEE)

    @property
    def trip(self) -> str:
        """The journey that the expense belongs to (P8)."""
        return self._noted(_TRIP)

    def _noted(self, about: re.Pattern[str]) -> str:
        return next((value for key, value in self.notes if about.search(key)), "")

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON types; `clues_from_dict` is the way back."""
        return asdict(self)


_LISTS = ("orders", "contracts", "client_numbers", "addresses", "buyer_addresses")


def clues_from_dict(data: Mapping[str, Any] | None) -> Clues | None:
    """Read what `Clues.as_dict` stored; None where there was nothing."""
    if not data:
        return None
    lists = {name: tuple(data.get(name, ())) for name in _LISTS}
    notes = tuple((str(key), str(value)) for key, value in data.get("notes", ()))
    paid = (bool(data.get("paid")), str(data.get("paid_on", "")), str(data.get("payment_form", "")))
    return Clues(**lists, notes=notes, paid=paid[0], paid_on=paid[1], payment_form=paid[2])


def normal(text: str) -> str:
    """Words without punctuation and case, so that `ul. Szkolna 1` is `UL SZKOLNA 1`."""
    return " ".join(_WORD.findall(text.casefold()))


def mentions(text: str, what: str) -> bool:
    """True when the words of `what` stand in `text`, whole and in this order; never for very short ones."""
    wanted = normal(what)
    return len(wanted) >= SHORTEST and f" {wanted} " in f" {normal(text)} "
