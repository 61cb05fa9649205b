"""Who a certificate speaks for: NIP, PESEL or fingerprint (protocol §2.4, subject parsing)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID

PERSON_PESEL = re.compile(r"(?:PNOPL|PESEL).*?(\d{11})")
PERSON_NIP = re.compile(r"(?:TINPL|NIP).*?(\d{10})")
NAMES = {NameOID.GIVEN_NAME: "GN", NameOID.SURNAME: "SN"}
SEAL_NIP = re.compile(r"VATPL.*?(\d{10})")


@dataclass(frozen=True)
class Subject:
    """An authenticating subject: type Nip, Pesel or Fingerprint, and its value."""

    type: str
    value: str
    method: str
    details: dict[str, str]


def of_certificate(certificate: x509.Certificate, identifier_type: str) -> Subject | None:
    """The subject of a certificate under the SubjectIdentifierType asked for; None if unusable (21115, A4)."""
    details: dict[str, str] = {}
    for attribute in certificate.subject:
        name = NAMES.get(attribute.oid, attribute.rfc4514_attribute_name)
        details[name] = " ".join(filter(None, (details.get(name), str(attribute.value))))
    if identifier_type == "certificateFingerprint":
        print_ = certificate.fingerprint(hashes.SHA256()).hex().upper()
        return Subject("Fingerprint", print_, "QualifiedSignature", details)
    organisation = _attribute(certificate, NameOID.ORGANIZATION_IDENTIFIER)
    serial = _attribute(certificate, NameOID.SERIAL_NUMBER)
    personal = _attribute(certificate, NameOID.GIVEN_NAME) or _attribute(certificate, NameOID.SURNAME)
    if not personal and (found := SEAL_NIP.search(organisation)):
        return Subject("Nip", found.group(1), "QualifiedSeal", details)
    if found := PERSON_PESEL.search(serial):
        return Subject("Pesel", found.group(1), "QualifiedSignature", details)
    if found := PERSON_NIP.search(serial):
        return Subject("Nip", found.group(1), "QualifiedSignature", details)
    return None


def _attribute(certificate: x509.Certificate, oid: x509.ObjectIdentifier) -> str:
    found = certificate.subject.get_attributes_for_oid(oid)
    return str(found[0].value) if found else ""
