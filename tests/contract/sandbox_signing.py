"""A signer of login documents, written for the tests: every allowed algorithm, and ways to do it wrong."""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.x509.oid import NameOID
from lxml import etree

DS = "http://www.w3.org/2000/09/xmldsig#"
XADES = "http://uri.etsi.org/01903/v1.3.2#"
EXC = "http://www.w3.org/2001/10/xml-exc-c14n#"
SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"
MORE = "http://www.w3.org/2001/04/xmldsig-more#"
METHODS = {
    "ecdsa": f"{MORE}ecdsa-sha256",
    "rsa": f"{MORE}rsa-sha256",
    "pss": "http://www.w3.org/2007/05/xmldsig-more#sha256-rsa-MGF1",
}


class Signer:
    """A self-signed certificate for a NIP and its key."""

    def __init__(self, nip: str, family: str = "ecdsa", *, seal: bool = False, subject: str | None = None) -> None:
        self.family = family
        self.key: Any = (
            ec.generate_private_key(ec.SECP256R1()) if family == "ecdsa" else rsa.generate_private_key(65537, 2048)
        )
        oid = NameOID.ORGANIZATION_IDENTIFIER if seal else NameOID.SERIAL_NUMBER
        text = subject or (f"VATPL-{nip}" if seal else f"TINPL-{nip}")
        parts = [(NameOID.COUNTRY_NAME, "PL"), (oid, text), (NameOID.COMMON_NAME, "Contract test")]
        name = x509.Name([x509.NameAttribute(part, value) for part, value in parts])
        self.rename(name)

    def rename(self, name: x509.Name) -> None:
        """A fresh certificate of the same key under this name."""
        now = datetime.now(UTC)
        self.certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=400))
            .sign(self.key, hashes.SHA256())
        )

    @property
    def der(self) -> bytes:
        """The certificate."""
        return self.certificate.public_bytes(serialization.Encoding.DER)

    def pems(self) -> tuple[str, str]:
        """Certificate and private key as PEM texts."""
        key = self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode(), key.decode()

    def login(self, challenge: str, kind: str, value: str, **options: Any) -> bytes:
        """A signed AuthTokenRequest."""
        return self.sign(request(challenge, kind, value, **options))

    def sign(self, xml: bytes, *, wrong_certificate: bytes | None = None) -> bytes:
        """The document with an enveloped XAdES signature."""
        root = etree.fromstring(xml)
        covered = _digest(root)
        signature = etree.SubElement(root, f"{{{DS}}}Signature", {"Id": "S"}, nsmap={"ds": DS})
        info = etree.SubElement(signature, f"{{{DS}}}SignedInfo")
        etree.SubElement(info, f"{{{DS}}}CanonicalizationMethod", {"Algorithm": EXC})
        etree.SubElement(info, f"{{{DS}}}SignatureMethod", {"Algorithm": METHODS[self.family]})
        value = etree.SubElement(signature, f"{{{DS}}}SignatureValue")
        data = etree.SubElement(etree.SubElement(signature, f"{{{DS}}}KeyInfo"), f"{{{DS}}}X509Data")
        etree.SubElement(data, f"{{{DS}}}X509Certificate").text = base64.b64encode(self.der).decode()
        properties = self._properties(signature, wrong_certificate or self.der)
        _reference(info, {"URI": ""}, (DS + "enveloped-signature", EXC), covered)
        typed = {"URI": "#P", "Type": "http://uri.etsi.org/01903#SignedProperties"}
        _reference(info, typed, (EXC,), _digest(properties))
        value.text = base64.b64encode(self._raw(_canonical(info))).decode()
        return etree.tostring(root, xml_declaration=True, encoding="utf-8")

    def envelop(self, xml: bytes) -> bytes:
        """An enveloping signature around the document."""
        signature = etree.Element(f"{{{DS}}}Signature", {"Id": "S"}, nsmap={"ds": DS})
        info = etree.SubElement(signature, f"{{{DS}}}SignedInfo")
        etree.SubElement(info, f"{{{DS}}}CanonicalizationMethod", {"Algorithm": EXC})
        etree.SubElement(info, f"{{{DS}}}SignatureMethod", {"Algorithm": METHODS[self.family]})
        value = etree.SubElement(signature, f"{{{DS}}}SignatureValue")
        data = etree.SubElement(etree.SubElement(signature, f"{{{DS}}}KeyInfo"), f"{{{DS}}}X509Data")
        etree.SubElement(data, f"{{{DS}}}X509Certificate").text = base64.b64encode(self.der).decode()
        holder = etree.SubElement(signature, f"{{{DS}}}Object", {"Id": "D"})
        holder.append(etree.fromstring(xml))
        properties = self._properties(signature, self.der)
        _reference(info, {"URI": "#D"}, (EXC,), _digest(holder))
        typed = {"URI": "#P", "Type": "http://uri.etsi.org/01903#SignedProperties"}
        _reference(info, typed, (EXC,), _digest(properties))
        value.text = base64.b64encode(self._raw(_canonical(info))).decode()
        return etree.tostring(signature, xml_declaration=True, encoding="utf-8")

    def _properties(self, signature: etree._Element, der: bytes) -> etree._Element:
        holder = etree.SubElement(signature, f"{{{DS}}}Object")
        outer = etree.SubElement(holder, f"{{{XADES}}}QualifyingProperties", {"Target": "#S"}, nsmap={"xades": XADES})
        signed = etree.SubElement(outer, f"{{{XADES}}}SignedProperties", {"Id": "P"})
        inner = etree.SubElement(signed, f"{{{XADES}}}SignedSignatureProperties")
        etree.SubElement(inner, f"{{{XADES}}}SigningTime").text = datetime.now(UTC).isoformat()
        cert = etree.SubElement(etree.SubElement(inner, f"{{{XADES}}}SigningCertificate"), f"{{{XADES}}}Cert")
        digest = etree.SubElement(cert, f"{{{XADES}}}CertDigest")
        etree.SubElement(digest, f"{{{DS}}}DigestMethod", {"Algorithm": SHA256})
        text = base64.b64encode(hashlib.sha256(der).digest()).decode()
        etree.SubElement(digest, f"{{{DS}}}DigestValue").text = text
        return signed

    def _raw(self, data: bytes) -> bytes:
        if self.family == "ecdsa":
            r, s = decode_dss_signature(self.key.sign(data, ec.ECDSA(hashes.SHA256())))
            return r.to_bytes(32, "big") + s.to_bytes(32, "big")
        scheme: Any = padding.PKCS1v15()
        if self.family == "pss":
            scheme = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
        signature: bytes = self.key.sign(data, scheme, hashes.SHA256())
        return signature


def request(
    challenge: str,
    kind: str,
    value: str,
    *,
    version: str = "2.1",
    subject: str = "certificateSubject",
    policy: str = "",
) -> bytes:
    """An unsigned AuthTokenRequest; `policy` is the XML of an AuthorizationPolicy."""
    return (
        f'<AuthTokenRequest xmlns="http://ksef.mf.gov.pl/auth/token/{version}"><Challenge>{challenge}</Challenge>'
        f"<ContextIdentifier><{kind}>{value}</{kind}></ContextIdentifier>"
        f"<SubjectIdentifierType>{subject}</SubjectIdentifierType>{policy}</AuthTokenRequest>"
    ).encode()


def _canonical(element: etree._Element) -> bytes:
    return etree.tostring(element, method="c14n", exclusive=True, with_comments=False)


def _digest(element: etree._Element) -> str:
    return base64.b64encode(hashlib.sha256(_canonical(element)).digest()).decode()


def _reference(info: etree._Element, names: dict[str, str], transforms: tuple[str, ...], digest: str) -> None:
    reference = etree.SubElement(info, f"{{{DS}}}Reference", names)
    listed = etree.SubElement(reference, f"{{{DS}}}Transforms")
    for method in transforms:
        etree.SubElement(listed, f"{{{DS}}}Transform", {"Algorithm": method})
    etree.SubElement(reference, f"{{{DS}}}DigestMethod", {"Algorithm": SHA256})
    etree.SubElement(reference, f"{{{DS}}}DigestValue").text = digest
