"""What the schema cannot say about an FA(3): check digits, and things that KSeF takes but people regret.

Refused, because production KSeF refuses them (protocol §10): a wrong NIP of `Podmiot1`, `Podmiot2`, `Podmiot3` and
`PodmiotUpowazniony`, and a wrong IDWew of `Podmiot3`. Everything else here is a warning. The check digits of the KSeF
number of a corrected invoice are among the warnings: the published list does not have them, and the ministry's own
samples carry numbers that fail.
"""

import re
from collections.abc import Iterator
from itertools import islice

from spool.domain.catalogue import problem
from spool.domain.document import ROLE_JST_RECIPIENT, collapse
from spool.domain.errors import Problem
from spool.domain.identifiers import internal_id_is_valid, ksef_number_is_valid, nip_is_valid
from spool.xml import kinds
from spool.xml.outline import Outline, Part, text
from spool.xml.paths import Node, path_of

_LOOKED_AT = 1000
_INTERNAL_ID = re.compile(r"[0-9]{10}-[0-9]{5}")
# Only numbers that begin with a NIP: the schema also has older ones beginning with letters, whose digits are not ours.
_KSEF_NUMBER = re.compile(r"\d{10}-\d{8}-\w{6}-?\w{6}-\w{2}")
_COMPANY = re.compile(
    r"\b(sp\. ?z ?o\. ?o|s\. ?a\.|sp\. ?[jkp]\.|spółka|s\. ?c\.|fundacja|stowarzyszenie|gmina|powiat|szkoła|"
    r"przedszkole|urząd|zakład|przedsiębiorstwo|spółdzielnia|wspólnota|parafia|hurtownia)",
    re.IGNORECASE,
)


def refusals(outline: Outline) -> Iterator[Problem]:
    """Wrong identifiers of the parties, in the order of the schema."""
    for party in (outline.seller, outline.buyer, *outline.third_parties, outline.authorised):
        nip, internal_id = party.identity.get("NIP"), party.identity.get("IDWew")
        if nip is not None and not nip_is_valid(text(nip)):
            yield _bad(nip, "nip_checksum")
        if internal_id is not None and not internal_id_is_valid(collapse(text(internal_id))):
            yield _bad(internal_id, "internal_id_checksum")


def warnings(outline: Outline) -> Iterator[Problem]:
    """What KSeF accepts, but the unit should look at."""
    yield from _buyer_warnings(outline)
    yield from _body_warnings(outline.body)
    yield from kinds.warnings(outline)
    if outline.top.get("Zalacznik") is not None:
        yield problem("attachment_needs_batch", field="Zalacznik")


def _bad(element: Node, code: str) -> Problem:
    value = text(element)
    # \d in an XML-schema pattern takes the digits of every script (XSD part 2, appendix F); KSeF's checksum does not.
    foreign = any(c.isdigit() and not c.isascii() for c in value)
    return _about(element, "non_ascii_digits" if foreign else code)


def _about(element: Node, code: str) -> Problem:
    return problem(code, field=path_of(element), line=element.sourceline, value=text(element))


def _buyer_warnings(outline: Outline) -> Iterator[Problem]:
    identity = outline.buyer.identity
    if _INTERNAL_ID.fullmatch(identity.value("NrID")):
        yield _about(identity.get("NrID"), "internal_id_as_buyer")  # jst.md F8
    if identity.get("BrakID") is not None and _COMPANY.search(identity.text("Nazwa")):
        yield _about(identity.get("Nazwa"), "company_without_nip")  # jst.md S12
    roles = {party.value("Rola") for party in outline.third_parties}
    if outline.buyer.value("JST") == "1" and ROLE_JST_RECIPIENT not in roles:
        yield _about(outline.buyer.get("JST"), "jst_recipient_missing")  # jst.md F3, F4


def _body_warnings(body: Part) -> Iterator[Problem]:
    kind, original, advance = (body.get(n) for n in ("RodzajFaktury", "DaneFaKorygowanej", "FakturaZaliczkowa"))
    if kind is not None and original is None and collapse(text(kind)).startswith("KOR"):
        yield problem("correction_without_original", field="Fa/DaneFaKorygowanej", line=kind.sourceline)  # S16
    if kind is not None and advance is None and collapse(text(kind)) == "ROZ":
        yield problem("advance_number_missing", field="Fa/FakturaZaliczkowa", line=kind.sourceline)  # S17
    for parent, name in (("DaneFaKorygowanej", "NrKSeFFaKorygowanej"), ("FakturaZaliczkowa", "NrKSeFFaZaliczkowej")):
        for part in islice(body.each(parent), _LOOKED_AT):
            number = part.value(name)
            if _KSEF_NUMBER.fullmatch(number) and not ksef_number_is_valid(number):
                yield _about(part.get(name), "ksef_number_checksum")
