"""What the books want to know of an invoice's content beyond its `Facts`: amounts, account, how it is to be paid.

Read once by `spool.xml.register_facts` in a worker process; what could not be read is empty, never guessed.
"""

from dataclasses import dataclass
from typing import Any

VERSION = 1
"""Of the reading. When a later program reads more, it raises this, and everything is read again."""


@dataclass(frozen=True)
class Book:
    """Amounts are decimal strings in the invoice's currency, `vat_pln` in PLN where the invoice gives it (P_14_*W).

    `paid` is "", "yes" or "part". `readable` False: the content could not be read, and nothing here says anything.
    """

    net: str = ""
    vat: str = ""
    vat_pln: str = ""
    gross: str = ""
    accounts: tuple[str, ...] = ()
    split_payment: bool = False
    paid: str = ""
    readable: bool = True

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON types, for storing."""
        return vars(self) | {"accounts": list(self.accounts)}


UNREADABLE = Book(readable=False)


def book_from_dict(data: dict[str, Any]) -> Book:
    """What `Book.as_dict` made."""
    return Book(**(data | {"accounts": tuple(data["accounts"])}))
