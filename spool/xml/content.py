"""What the schema cannot say about an FA(3): check digits, and things that KSeF takes but people regret.

Refused, because production KSeF refuses them (protocol §10): a wrong NIP of `Podmiot1`, `Podmiot2`, `Podmiot3` and
`PodmiotUpowazniony`, and a wrong IDWew of `Podmiot3`. Everything else here is a warning. The check digits of the KSeF
number of a corrected invoice are among the warnings: the published list does not have them, and the ministry's own
samples carry numbers that fail.
"""

import re
from collections.abc import Iterator

from spool.domain.catalogue import problem
from spool.domain.document import ROLE_JST_RECIPIENT, collapse
from spool.domain.errors import Problem
from spool.domain.identifiers import internal_id_is_valid, ksef_number_is_valid, nip_is_valid
from spool.xml.facts import text
from spool.xml.paths import Node, path_of
from spool.xml.schema import FA3_NAMESPACE

_NS = f"{{{FA3_NAMESPACE}}}"
_PARTIES = frozenset({f"{_NS}Podmiot1", f"{_NS}Podmiot2", f"{_NS}Podmiot3", f"{_NS}PodmiotUpowazniony"})
_INTERNAL_ID = re.compile(r"[0-9]{10}-[0-9]{5}")
# Only numbers that begin with a NIP: the schema also has older ones beginning with letters, whose digits are not ours.
_KSEF_NUMBER = re.compile(r"\d{10}-\d{8}-\w{6}-?\w{6}-\w{2}")
_COMPANY = re.compile(
    r"\b(sp\. ?z ?o\. ?o|s\. ?a\.|sp\. ?[jkp]\.|spółka|s\. ?c\.|fundacja|stowarzyszenie|gmina|powiat|szkoła|"
    r"przedszkole|urząd|zakład|przedsiębiorstwo|spółdzielnia|wspólnota|parafia|hurtownia)",
    re.IGNORECASE,
)


def refusals(root: Node) -> Iterator[Problem]:
    """Wrong identifiers of the parties, in the order of the file."""
    for party in root:
        if party.tag not in _PARTIES:
            continue
        for identifier in party.iterfind(f"{_NS}DaneIdentyfikacyjne/*"):
            if identifier.tag == f"{_NS}NIP" and not nip_is_valid(text(identifier)):
                yield _bad(identifier, "nip_checksum")
            elif identifier.tag == f"{_NS}IDWew" and not internal_id_is_valid(collapse(text(identifier))):
                yield _bad(identifier, "internal_id_checksum")


def warnings(root: Node) -> Iterator[Problem]:
    """What KSeF accepts, but the unit should look at."""
    buyer = root.find(f"{_NS}Podmiot2")
    body = root.find(f"{_NS}Fa")
    if buyer is not None:
        yield from _buyer_warnings(root, buyer)
    if body is not None:
        yield from _body_warnings(body)
    if root.find(f"{_NS}Zalacznik") is not None:
        yield problem("attachment_needs_batch", field="Zalacznik")


def _bad(element: Node, code: str) -> Problem:
    value = text(element)
    # \d in an XML-schema pattern takes the digits of every script (XSD part 2, appendix F); KSeF's checksum does not.
    foreign = any(c.isdigit() and not c.isascii() for c in value)
    return _about(element, "non_ascii_digits" if foreign else code)


def _about(element: Node, code: str) -> Problem:
    return problem(code, field=path_of(element), line=element.sourceline, value=text(element))


def _buyer_warnings(root: Node, buyer: Node) -> Iterator[Problem]:
    identity = buyer.find(f"{_NS}DaneIdentyfikacyjne")
    if identity is not None:
        other = identity.find(f"{_NS}NrID")
        if other is not None and _INTERNAL_ID.fullmatch(collapse(text(other))):
            yield _about(other, "internal_id_as_buyer")  # jst.md F8
        name = identity.find(f"{_NS}Nazwa")
        if identity.find(f"{_NS}BrakID") is not None and name is not None and _COMPANY.search(text(name)):
            yield _about(name, "company_without_nip")  # jst.md S12
    flag = buyer.find(f"{_NS}JST")
    if flag is not None and collapse(text(flag)) == "1":
        roles = {collapse(text(role)) for role in root.iterfind(f"{_NS}Podmiot3/{_NS}Rola")}
        if ROLE_JST_RECIPIENT not in roles:
            yield _about(flag, "jst_recipient_missing")  # jst.md F3, F4


def _body_warnings(body: Node) -> Iterator[Problem]:
    kind = body.find(f"{_NS}RodzajFaktury")
    originals = body.findall(f"{_NS}DaneFaKorygowanej")
    advances = body.findall(f"{_NS}FakturaZaliczkowa")
    if kind is not None and collapse(text(kind)).startswith("KOR") and not originals:
        yield problem("correction_without_original", field="Fa/DaneFaKorygowanej", line=kind.sourceline)  # S16
    if kind is not None and collapse(text(kind)) == "ROZ" and not advances:
        yield problem("advance_number_missing", field="Fa/FakturaZaliczkowa", line=kind.sourceline)  # S17
    for parent, name in ((originals, "NrKSeFFaKorygowanej"), (advances, "NrKSeFFaZaliczkowej")):
        for element in (e.find(_NS + name) for e in parent[:1000]):
            if element is None:
                continue
            number = collapse(text(element))
            if _KSEF_NUMBER.fullmatch(number) and not ksef_number_is_valid(number):
                yield _about(element, "ksef_number_checksum")
