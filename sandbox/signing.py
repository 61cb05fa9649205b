"""Signing a document with the simulator's seal: enveloped XAdES-BES, RSA-SHA256 (U3)."""

from __future__ import annotations

import base64
import hashlib

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from sandbox.xades import DS, SIGNED_PROPERTIES, XADES

EXC = "http://www.w3.org/2001/10/xml-exc-c14n#"
SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"
RSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"


def seal(root: etree._Element, key: rsa.RSAPrivateKey, certificate: x509.Certificate, moment: str) -> bytes:
    """The document with an enveloped signature appended, as UTF-8 bytes; `moment` is ISO-8601."""
    document_digest = _digest(root)
    signature = etree.SubElement(root, f"{{{DS}}}Signature", {"Id": "Signature"}, nsmap={"ds": DS})
    info = etree.SubElement(signature, f"{{{DS}}}SignedInfo")
    etree.SubElement(info, f"{{{DS}}}CanonicalizationMethod", {"Algorithm": EXC})
    etree.SubElement(info, f"{{{DS}}}SignatureMethod", {"Algorithm": RSA_SHA256})
    _reference(info, {"URI": ""}, (DS + "enveloped-signature", EXC), document_digest)
    value = etree.SubElement(signature, f"{{{DS}}}SignatureValue")
    _key_info(signature, certificate)
    properties = _properties(signature, certificate, moment)
    target = {"URI": "#SignedProperties", "Type": SIGNED_PROPERTIES}
    _reference(info, target, (EXC,), _digest(properties))
    raw = key.sign(_canonical(info), padding.PKCS1v15(), hashes.SHA256())
    value.text = base64.b64encode(raw).decode("ascii")
    return etree.tostring(root, xml_declaration=True, encoding="utf-8")


def _canonical(element: etree._Element) -> bytes:
    return etree.tostring(element, method="c14n", exclusive=True, with_comments=False)


def _digest(element: etree._Element) -> str:
    return base64.b64encode(hashlib.sha256(_canonical(element)).digest()).decode("ascii")


def _reference(info: etree._Element, attributes: dict[str, str], transforms: tuple[str, ...], digest: str) -> None:
    reference = etree.SubElement(info, f"{{{DS}}}Reference", attributes)
    listed = etree.SubElement(reference, f"{{{DS}}}Transforms")
    for method in transforms:
        etree.SubElement(listed, f"{{{DS}}}Transform", {"Algorithm": method})
    etree.SubElement(reference, f"{{{DS}}}DigestMethod", {"Algorithm": SHA256})
    etree.SubElement(reference, f"{{{DS}}}DigestValue").text = digest


def _key_info(signature: etree._Element, certificate: x509.Certificate) -> None:
    data = etree.SubElement(etree.SubElement(signature, f"{{{DS}}}KeyInfo"), f"{{{DS}}}X509Data")
    der = certificate.public_bytes(Encoding.DER)
    etree.SubElement(data, f"{{{DS}}}X509Certificate").text = base64.b64encode(der).decode("ascii")


def _properties(signature: etree._Element, certificate: x509.Certificate, moment: str) -> etree._Element:
    holder = etree.SubElement(signature, f"{{{DS}}}Object")
    qualifying = etree.SubElement(
        holder, f"{{{XADES}}}QualifyingProperties", {"Target": "#Signature"}, nsmap={"xades": XADES}
    )
    signed = etree.SubElement(qualifying, f"{{{XADES}}}SignedProperties", {"Id": "SignedProperties"})
    inner = etree.SubElement(signed, f"{{{XADES}}}SignedSignatureProperties")
    etree.SubElement(inner, f"{{{XADES}}}SigningTime").text = moment
    cert = etree.SubElement(etree.SubElement(inner, f"{{{XADES}}}SigningCertificate"), f"{{{XADES}}}Cert")
    digest = etree.SubElement(cert, f"{{{XADES}}}CertDigest")
    etree.SubElement(digest, f"{{{DS}}}DigestMethod", {"Algorithm": SHA256})
    fingerprint = base64.b64encode(certificate.fingerprint(hashes.SHA256())).decode("ascii")
    etree.SubElement(digest, f"{{{DS}}}DigestValue").text = fingerprint
    issuer = etree.SubElement(cert, f"{{{XADES}}}IssuerSerial")
    etree.SubElement(issuer, f"{{{DS}}}X509IssuerName").text = certificate.issuer.rfc4514_string()
    etree.SubElement(issuer, f"{{{DS}}}X509SerialNumber").text = str(certificate.serial_number)
    return signed
