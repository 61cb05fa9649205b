"""The receipt (UPO): what it must say before it is stored. Runs on the bench; the XML is KSeF's, and still hostile.

No schema check: the schema fixes the name of the ministry, to which TEST and DEMO append their own (protocol §8).
"""

from base64 import b64decode
from binascii import Error as Base64Error

from lxml import etree

from spool.xml.parser import parse

_LIMIT = 20_000_000


def receipts_of(raws: list[bytes]) -> list[dict[str, str]]:
    """The same for several; what is no receipt names nothing."""
    found = []
    for raw in raws:
        try:
            found.append(receipts(raw))
        except ValueError:
            found.append({})
    return found


def receipts(raw: bytes) -> dict[str, str]:
    """KSeF number -> SHA-256 in hex, for every document named in a UPO. ValueError when it is none.

    Element names are matched in any namespace: the receipt has changed its version before.
    """
    if len(raw) > _LIMIT:
        raise ValueError("UPO is too large")
    try:
        root = parse(raw)
    except etree.XMLSyntaxError as error:
        raise ValueError("UPO is not XML") from error
    if etree.QName(root).localname != "Potwierdzenie":
        raise ValueError("not a UPO")
    found = {}
    for document in root.iter("{*}Dokument"):
        number = document.findtext("{*}NumerKSeFDokumentu")
        digest = document.findtext("{*}SkrotDokumentu")
        if number and digest:
            try:
                found[number.strip()] = b64decode(digest.strip(), validate=True).hex()
            except Base64Error as error:
                raise ValueError("UPO with a hash that is not Base64") from error
    return found
