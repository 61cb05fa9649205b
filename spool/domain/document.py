"""What a document is: facts read from the invoice, and where it came from. No bytes are parsed here.

The facts are produced by `spool.xml` in a worker process; everything above works on them only.
"""

import re
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any

from spool.domain.clues import Clues, clues_from_dict

ROLE_RECIPIENT = "2"
ROLE_JST_ISSUER = "7"
ROLE_JST_RECIPIENT = "8"
ROLE_EMPLOYEE = "11"


class FormCode(StrEnum):
    """Document kinds that KSeF may hold, by the value of `KodFormularza/@kodSystemowy` (protocol §5)."""

    FA3 = "FA (3)"
    FA2 = "FA (2)"
    FA_RR = "FA_RR (1)"
    PEF = "PEF (3)"
    PEF_KOR = "PEF_KOR (3)"
    UNKNOWN = ""


class Mode(StrEnum):
    """The legal issuing mode, our own record: KSeF cannot tell the offline modes apart (deadlines §1)."""

    ONLINE = "online"
    OFFLINE24 = "offline24"
    UNAVAILABILITY = "unavailability"
    FAILURE = "failure"
    TOTAL_FAILURE = "total_failure"

    @property
    def offline(self) -> bool:
        """True when the document is sent with `offlineMode: true`."""
        return self in {Mode.OFFLINE24, Mode.UNAVAILABILITY, Mode.FAILURE}


MODE_LABELS = {
    Mode.ONLINE: "online",
    Mode.OFFLINE24: "offline24",
    Mode.UNAVAILABILITY: "niedostępność KSeF",
    Mode.FAILURE: "awaria KSeF",
    Mode.TOTAL_FAILURE: "awaria całkowita",
}


@dataclass(frozen=True)
class ThirdParty:
    """One `Podmiot3`: who takes part beside seller and buyer, and in which role (`RolaPodmiotu3`, empty if other)."""

    role: str = ""
    nip: str = ""
    internal_id: str = ""
    name: str = ""


@dataclass(frozen=True)
class CorrectedInvoice:
    """One `DaneFaKorygowanej`: `NrFaKorygowanej`, `NrKSeFFaKorygowanej` if given, and whether `NrKSeFN` is 1."""

    number: str = ""
    ksef_number: str = ""
    outside_ksef: bool = False


@dataclass(frozen=True)
class Facts:
    """What the rules need to know of an invoice.

    Number and names are exactly as in the file; codes, identifiers and dates have their white space collapsed.

    Only FA(3) fills every field; for the other forms of KSeF whatever could be read is set and the rest is empty.
    Amounts stay decimal strings; `vat` is the sum of the tax fields (`P_14_1` to `P_14_5`, in PLN where the invoice
    gives it in PLN), empty when the invoice shows no tax. `clues` are read from purchases only.
    `training` is not read but decided: the environment of a training document, empty for a real one.
    """

    form: FormCode = FormCode.UNKNOWN
    seller_nip: str = ""
    seller_name: str = ""
    buyer_nip: str = ""
    buyer_name: str = ""
    buyer_other_id: str = ""
    no_tax_id: bool = False
    kind: str = ""
    number: str = ""
    issue_date: date | None = None
    currency: str = ""
    gross: str = ""
    vat: str = ""
    flag_jst: str = ""
    flag_gv: str = ""
    self_invoicing: bool = False
    has_attachment: bool = False
    third_parties: tuple[ThirdParty, ...] = ()
    corrected: tuple[CorrectedInvoice, ...] = ()
    payment_due: tuple[str, ...] = ()
    clues: Clues | None = None
    training: str = ""

    @property
    def number_key(self) -> str:
        """`P_2` with white space collapsed: with seller and kind, the second identity of a document (faults F3)."""
        return self.key_of(self.number)

    def key_of(self, number: str) -> str:
        """The key of another number in the same world: a number used in a training is free in production (0044)."""
        return f"{self.training}:{collapse(number)}" if self.training and number else collapse(number)

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON types, for storing; `facts_from_dict` is the way back."""
        plain = {name: value for name, value in vars(self).items() if name not in {"clues", "training"}}
        return (
            plain
            | ({"clues": self.clues.as_dict()} if self.clues else {})
            | ({"training": self.training} if self.training else {})
            | {
                "form": self.form.value,
                "issue_date": self.issue_date.isoformat() if self.issue_date else None,
                "third_parties": [dict(vars(party)) for party in self.third_parties],
                "corrected": [dict(vars(original)) for original in self.corrected],
            }
        )


_FACTS = frozenset(Facts.__dataclass_fields__)


def facts_from_dict(data: dict[str, Any]) -> Facts:
    """Read facts stored by `Facts.as_dict`; keys unknown to this version are ignored."""
    known = {k: v for k, v in data.items() if k in _FACTS}
    known["form"] = FormCode(data.get("form", ""))
    known["issue_date"] = date.fromisoformat(data["issue_date"]) if data.get("issue_date") else None
    known["corrected"] = tuple(CorrectedInvoice(**c) for c in data.get("corrected", ()))
    known["third_parties"] = tuple(ThirdParty(**p) for p in data.get("third_parties", ()))
    known["payment_due"] = tuple(data.get("payment_due", ()))
    known["clues"] = clues_from_dict(data.get("clues"))
    return Facts(**known)


_BLANKS = re.compile(r"[ \t\r\n]+")


def collapse(text: str) -> str:
    """XML-schema white-space collapse: runs of blanks become one, ends are trimmed."""
    if text.isalnum() or not _BLANKS.search(text):
        return text
    return _BLANKS.sub(" ", text).strip(" ")
