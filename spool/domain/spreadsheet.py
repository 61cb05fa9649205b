"""Cells as spreadsheet programs take them: no text that they would make a formula, a number or a date. Pure.

An invoice number `11/12/2026` would become a day, an account number lose its last digits, and a supplier named
`=HYPERLINK(…)` run on the accountant's computer. In a CSV file nothing but the text itself can say that it is text, so
such a text gets an apostrophe in front, the sign that spreadsheets themselves use for it.
"""

import re
import unicodedata
from decimal import Decimal

LONGEST = 32_767
"""Characters that a cell of Excel can hold."""
_FORMULA = frozenset("=+-@\u2212|%")
# Everything that any country's Excel could read as a number, a time or a day: digits with their separators, and a day
# or a year beside the name of a month.
_NUMERIC = re.compile(r"[(]?[$€£]?[0-9][0-9\s.,:/\\-]*(e[+-]?[0-9]+)?\s*(%|zł|pln|am|pm)?[)]?", re.IGNORECASE)
_MONTH = (
    r"(sty|lut|mar|kwi|maj|cze|lip|sie|wrz|pa[zź]|lis|gru|jan|feb|apr|may|jun|jul|aug|sep|oct|nov|dec|"
    r"i{1,3}|iv|vi{0,3}|ix|xi{0,2})\w{0,9}"
)
_DATED = re.compile(rf"([0-9]{{1,4}}[\s./-]*{_MONTH}[\s./-]*[0-9]{{0,4}}|{_MONTH}[\s./-]*[0-9]{{1,4}})", re.IGNORECASE)
_WORDS = frozenset({"prawda", "fałsz", "true", "false"})


def one_line(text: str) -> str:
    """Without line breaks, control and direction characters; runs of white space are one space."""
    shown = (" " if unicodedata.category(c) in {"Cc", "Zl", "Zp"} else c for c in text)
    kept = "".join(c for c in shown if unicodedata.category(c) not in {"Cf", "Cs", "Cn", "Co"})
    return " ".join(kept.split())[:LONGEST]


def csv_text(text: str) -> str:
    """The text for a CSV cell, with an apostrophe in front where a spreadsheet would make something else of it."""
    plain = one_line(text)
    return f"'{plain}" if _would_be_something_else(plain) else plain


def csv_amount(amount: Decimal) -> str:
    """With a decimal comma and at least two places, without separators of thousands."""
    exponent = amount.as_tuple().exponent
    places = max(2, -exponent if isinstance(exponent, int) else 2)
    return f"{amount:.{places}f}".replace(".", ",")


def _would_be_something_else(text: str) -> bool:
    if not text:
        return False
    # Full-width and small forms (＝ ﹦) are folded by some programs on import, so they count as the plain ones.
    folded = unicodedata.normalize("NFKC", text)
    return (
        folded[0] in _FORMULA
        or folded.casefold() in _WORDS
        or bool(_NUMERIC.fullmatch(folded))
        or bool(_DATED.fullmatch(folded))
    )
