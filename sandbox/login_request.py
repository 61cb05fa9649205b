"""Reading an AuthTokenRequest: the structure of protocol §2.4, in both namespaces (S10)."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from lxml import etree

from sandbox.errors import BadRequest
from sandbox.numbers import INTERNAL_ID_PATTERN, NIP_PATTERN
from sandbox.xmlparse import local, namespace

NAMESPACES = ("http://ksef.mf.gov.pl/auth/token/2.0", "http://ksef.mf.gov.pl/auth/token/2.1")
CHALLENGE = re.compile(r"\d{8}-CR-[A-F0-9]{10}-[A-F0-9]{10}-[A-F0-9]{2}")
CONTEXTS = {
    "Nip": NIP_PATTERN,
    "InternalId": INTERNAL_ID_PATTERN,
    "NipVatUe": re.compile(NIP_PATTERN.pattern + r"-[A-Z]{2}[A-Z0-9+*]{2,12}"),
    "PeppolId": re.compile(r"P[A-Z]{2}[0-9]{6}"),
}
OCTET = r"(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9][0-9]|[0-9])"
ADDRESS = rf"({OCTET}\.){{3}}{OCTET}"
POLICIES = {
    "Ip4Address": re.compile(ADDRESS),
    "Ip4Range": re.compile(f"{ADDRESS}-{ADDRESS}"),
    "Ip4Mask": re.compile(rf"{ADDRESS}/(0|[1-9]|[12][0-9]|3[0-2])"),
}


@dataclass(frozen=True)
class LoginRequest:
    """What a signed login document asks for; `allowed_ips` holds addresses, a-b ranges and CIDR masks."""

    challenge: str
    context_type: str
    context_value: str
    subject_identifier_type: str
    allowed_ips: tuple[str, ...]


def read(root: etree._Element) -> LoginRequest:
    """The request in an AuthTokenRequest without its signature; 21401 if the structure is wrong (A4)."""
    ns = namespace(root)
    if local(root) != "AuthTokenRequest" or ns not in NAMESPACES:
        raise BadRequest(21401, f"Nieoczekiwany element główny {root.tag}.")
    children = _children(root, ns)
    names = [local(child) for child in children]
    expected = ["Challenge", "ContextIdentifier", "SubjectIdentifierType"]
    if names[:3] != expected or names[3:] not in ([], ["AuthorizationPolicy"]):
        raise BadRequest(21401, f"Nieoczekiwana kolejność elementów: {', '.join(names)}.")
    challenge = _text(children[0])
    if not CHALLENGE.fullmatch(challenge):
        raise BadRequest(21401, "Element Challenge ma nieprawidłową wartość.")
    context_type, context_value = _context(children[1], ns)
    subject = _text(children[2])
    if subject not in ("certificateSubject", "certificateFingerprint"):
        raise BadRequest(21401, "Element SubjectIdentifierType ma nieprawidłową wartość.")
    allowed = _policy(children[3], ns) if len(children) == 4 else ()
    return LoginRequest(challenge, context_type, context_value, subject, allowed)


def ip_allowed(address: str, allowed: tuple[str, ...]) -> bool:
    """Whether an IPv4 address is inside the policy; an empty policy allows everybody (A12)."""
    if not allowed:
        return True
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    for rule in allowed:
        if "-" in rule:
            low, high = (int(ipaddress.IPv4Address(end)) for end in rule.split("-"))
            if low <= int(ip) <= high:
                return True
        elif ip in ipaddress.ip_network(rule, strict=False):
            return True
    return False


def _context(element: etree._Element, ns: str) -> tuple[str, str]:
    choices = _children(element, ns)
    if len(choices) != 1 or local(choices[0]) not in CONTEXTS:
        raise BadRequest(21401, "ContextIdentifier musi zawierać dokładnie jeden identyfikator.")
    kind = local(choices[0])
    value = choices[0].text or ""
    if len(choices[0]) or not CONTEXTS[kind].fullmatch(value):
        raise BadRequest(21401, f"Element {kind} ma nieprawidłową wartość.")
    return kind, value


def _policy(element: etree._Element, ns: str) -> tuple[str, ...]:
    inner = _children(element, ns)
    if [local(child) for child in inner] != ["AllowedIps"]:
        raise BadRequest(21401, "AuthorizationPolicy musi zawierać AllowedIps.")
    rules = _children(inner[0], ns)
    order = list(POLICIES)
    kinds = [local(rule) for rule in rules]
    if any(kind not in order for kind in kinds) or kinds != sorted(kinds, key=order.index):
        raise BadRequest(21401, "AllowedIps ma nieoczekiwane elementy.")
    for rule, kind in zip(rules, kinds, strict=True):
        if not POLICIES[kind].fullmatch(_text(rule)) or kinds.count(kind) > 10:
            raise BadRequest(21401, f"Element {kind} ma nieprawidłową wartość.")
    return tuple(_text(rule) for rule in rules)


def _children(element: etree._Element, ns: str) -> list[etree._Element]:
    found = [child for child in element if isinstance(child.tag, str)]
    strange = [child for child in found if namespace(child) != ns]
    if strange or (element.text or "").strip():
        raise BadRequest(21401, f"Nieoczekiwana treść w elemencie {local(element)}.")
    return found


def _text(element: etree._Element) -> str:
    if len(element):
        raise BadRequest(21401, f"Nieoczekiwana treść w elemencie {local(element)}.")
    return " ".join((element.text or "").split())
