"""The hardened XML parser: no DTD, no entities, no network, bounded size and depth."""

from __future__ import annotations

from typing import Any

from lxml import etree

MAX_BYTES = 20_000_000


class XmlFault(ValueError):  # noqa: N818 - the word of the domain
    """The bytes are not XML we are willing to read; the message says why."""


def parse(data: bytes) -> etree._Element:
    """The root element; XmlFault for malformed, oversized or DTD-carrying input."""
    if len(data) > MAX_BYTES:
        raise XmlFault(f"document larger than {MAX_BYTES} bytes")
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False, huge_tree=False
    )
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as fault:
        raise XmlFault(str(fault)) from fault
    docinfo: Any = root.getroottree().docinfo
    if docinfo.doctype:
        raise XmlFault("document type declaration is not allowed")
    return root


def local(element: etree._Element) -> str:
    """The element's name without its namespace; empty for comments and the like."""
    return etree.QName(element).localname if isinstance(element.tag, str) else ""


def namespace(element: etree._Element) -> str:
    """The element's namespace, empty if none."""
    return etree.QName(element).namespace or ""
