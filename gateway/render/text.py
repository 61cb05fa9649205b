"""Text as it may be printed: hostile characters made harmless, numbers and dates in Polish form.

Nothing here calculates: a value that has not the expected form is printed as it stands.
"""

import re
import unicodedata

from gateway.render.metrics import covered

_INVISIBLE = dict.fromkeys(map(ord, "\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\u061c\ufeff"))
_NBSP = "\u00a0"


def clean(text: str) -> str:
    """One line of printable characters.

    White space and control characters become one blank, invisible marks go. Characters that could turn the reading
    direction, and those outside our fonts, are shown as their code, `[U+202E]`.
    """
    if text.isascii() and text.isprintable():
        return " ".join(text.split())
    text = unicodedata.normalize("NFC", text.translate(_INVISIBLE))
    if not covered().issuperset(text):
        text = "".join(map(_printable, text))
    return " ".join(text.split())


def clean_lines(text: str) -> list[str]:
    """The same for text that may have lines of its own (`StopkaFaktury`); empty lines are left out."""
    return [line for line in map(clean, re.split(r"[\r\n\u0085\u2028\u2029]+", text)) if line]


def _printable(char: str) -> str:
    """This character, a blank, or its code in brackets."""
    if char in covered():
        return char
    if char.isspace() or unicodedata.category(char) == "Cc":
        return " "
    return f"[U+{ord(char):04X}]"


def amount(text: str) -> str:
    """`1234.5` → `1 234,50`: thousands parted by a no-break space, at least two decimals, none cut."""
    return _number(text, 2)


def quantity(text: str) -> str:
    """`1000.5` → `1 000,5`: decimals as written."""
    return _number(text, 0)


def percent(text: str) -> str:
    """`23.5` → `23,5%`."""
    number = _number(text, 0)
    return f"{number}%" if number != text or text.isdecimal() else text


def _number(text: str, decimals: int) -> str:
    """A plain decimal in Polish form; other text unchanged."""
    match = re.fullmatch(r"([+-]?)0*(\d+)(?:\.(\d*))?", text, re.ASCII)
    if not match:
        return text
    sign, whole, fraction = match[1], match[2], match[3] or ""
    fraction = fraction.ljust(decimals, "0")
    grouped = f"{int(whole):,}".replace(",", _NBSP) if len(whole) < 1000 else whole
    return sign + grouped + ("," + fraction if fraction else "")


def day(text: str) -> str:
    """`2026-02-15` → `15.02.2026`; a time zone after the date stays."""
    match = re.fullmatch(r"(\d{4})-(\d\d)-(\d\d)(Z|[+-]\d\d:\d\d)?", text, re.ASCII)
    return f"{match[3]}.{match[2]}.{match[1]}{match[4] or ''}" if match else text


def moment(text: str) -> str:
    """`2026-02-01T08:00:00Z` → `01.02.2026 08:00:00 UTC`."""
    match = re.fullmatch(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d(?:\.\d+)?)(Z|[+-]\d\d:\d\d)?", text, re.ASCII)
    if not match:
        return text
    zone = {"": "", "Z": " UTC"}.get(match[3] or "", f" {match[3]}")
    return f"{day(match[1])} {match[2]}{zone}"


def account(text: str) -> str:
    """A Polish account number in groups, `73 1111 …`; any other number unchanged."""
    digits = re.fullmatch(r"(PL)?(\d{2})(\d{24})", text, re.ASCII)
    if not digits:
        return text
    groups = [digits[2], *re.findall(r"\d{4}", digits[3])]
    return (f"{digits[1]} " if digits[1] else "") + _NBSP.join(groups)


def joined(*parts: str, by: str = " ") -> str:
    """The parts that are not empty."""
    return by.join(part for part in parts if part)
