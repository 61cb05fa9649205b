"""Verifying the XAdES signature of a login document (A4); rules of protocol §2.4."""

from __future__ import annotations

import base64
import copy
import hashlib
from dataclasses import dataclass
from typing import Any

import xmlsec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from sandbox.errors import BadRequest
from sandbox.xmlparse import XmlFault, local, parse

DS = "http://www.w3.org/2000/09/xmldsig#"
XADES = "http://uri.etsi.org/01903/v1.3.2#"
NS = {"ds": DS, "xades": XADES}
SIGNED_PROPERTIES = "http://uri.etsi.org/01903#SignedProperties"
MORE = "http://www.w3.org/2001/04/xmldsig-more#"
MORE2007 = "http://www.w3.org/2007/05/xmldsig-more#"
DIGESTS = {
    DS + "sha1": "sha1",
    "http://www.w3.org/2001/04/xmlenc#sha256": "sha256",
    MORE + "sha384": "sha384",
    "http://www.w3.org/2001/04/xmlenc#sha512": "sha512",
    MORE2007 + "sha3-256": "sha3_256",
    MORE2007 + "sha3-384": "sha3_384",
    MORE2007 + "sha3-512": "sha3_512",
}
RSA_METHODS = {DS + "rsa-sha1", *(f"{MORE}rsa-sha{bits}" for bits in (256, 384, 512))}
PSS_METHODS = {f"{MORE2007}{name}-rsa-MGF1" for name in ("sha1", "sha256", "sha384", "sha512")} | {
    f"{MORE2007}sha3-{bits}-rsa-MGF1" for bits in (256, 384, 512)
}
ECDSA_METHODS = {f"{MORE}ecdsa-sha{bits}" for bits in (1, 256, 384, 512)} | {
    f"{MORE2007}ecdsa-sha3-{bits}" for bits in (256, 384, 512)
}
TRANSFORMS = {
    DS + "enveloped-signature",
    DS + "base64",
    "http://www.w3.org/TR/1999/REC-xpath-19991116",
    "http://www.w3.org/2002/06/xmldsig-filter2",
    *(
        method + comments
        for method in (
            "http://www.w3.org/TR/2001/REC-xml-c14n-20010315",
            "http://www.w3.org/2006/12/xml-c14n11",
        )
        for comments in ("", "#WithComments")
    ),
    "http://www.w3.org/2001/10/xml-exc-c14n#",
    "http://www.w3.org/2001/10/xml-exc-c14n#WithComments",
}


@dataclass(frozen=True)
class SignedLogin:
    """A verified document: its content without the signature, and who signed it."""

    content: etree._Element
    certificate: x509.Certificate


def verify(data: bytes) -> SignedLogin:
    """Verify an enveloped or enveloping XAdES signature; BadRequest 21001/21217/9102/9103/9105/21115 (A4)."""
    root = _parse(data)
    signatures = _find(root, "descendant-or-self::ds:Signature")
    if not signatures:
        raise BadRequest(9102)
    if len(signatures) > 1:
        raise BadRequest(9103)
    signature: etree._Element = signatures[0]
    content = _content(root, signature)
    certificate = _certificate(signature)
    _check_structure(root, signature)
    _check_signing_certificate(signature, certificate)
    _check_value(root, signature, certificate)
    return SignedLogin(content, certificate)


def _parse(data: bytes) -> etree._Element:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as fault:
        raise BadRequest(21217, str(fault)) from fault
    try:
        return parse(data)
    except XmlFault as fault:
        raise BadRequest(21001, str(fault)) from fault


def _content(root: etree._Element, signature: etree._Element) -> etree._Element:
    """The AuthTokenRequest as a tree of its own, signature removed."""
    if signature is root:
        inside = _find(root, "ds:Object/*[local-name()='AuthTokenRequest']")
        if len(inside) != 1:
            raise BadRequest(9105, "Podpis otaczający nie zawiera dokumentu.")
        element: etree._Element = inside[0]
        return copy.deepcopy(element)
    if signature.getparent() is not root:
        raise BadRequest(9105, "Podpis musi być otoczony albo otaczający.")
    content = copy.deepcopy(root)
    for child in content.findall(f"{{{DS}}}Signature"):
        content.remove(child)
    return content


def _certificate(signature: etree._Element) -> x509.Certificate:
    texts = _find(signature, "ds:KeyInfo/ds:X509Data/ds:X509Certificate/text()")
    if not texts:
        raise BadRequest(21115, "Podpis nie zawiera certyfikatu.")
    try:
        return x509.load_der_x509_certificate(base64.b64decode(str(texts[0])))
    except ValueError as fault:
        raise BadRequest(21115, "Certyfikat jest nieczytelny.") from fault


def _check_structure(root: etree._Element, signature: etree._Element) -> None:
    """Algorithms allowed; every Id unique; one reference covers the document, one the SignedProperties."""
    ids = [str(value) for value in _find(root, "//@Id | //@ID | //@id")]
    if len(ids) != len(set(ids)):
        raise BadRequest(9105, "Powtórzony identyfikator elementu.")
    references = signature.findall(f"{{{DS}}}SignedInfo/{{{DS}}}Reference")
    for element in signature.iter(f"{{{DS}}}Transform", f"{{{DS}}}CanonicalizationMethod"):
        _check_transform(element)
    for element in signature.iter(f"{{{DS}}}DigestMethod"):
        if element.get("Algorithm") not in DIGESTS:
            raise BadRequest(9105, f"Niedozwolony algorytm skrótu {element.get('Algorithm')}.")
    properties = _find(signature, "ds:Object/xades:QualifyingProperties/xades:SignedProperties/@Id")
    typed = [ref for ref in references if ref.get("Type") == SIGNED_PROPERTIES]
    if len(properties) != 1 or [ref.get("URI") for ref in typed] != [f"#{properties[0]}"]:
        raise BadRequest(9105, "Podpis nie obejmuje SignedProperties.")
    covering = [ref for ref in references if ref not in typed and _covers(root, signature, ref.get("URI"))]
    if len(covering) != 1 or len(references) != len(typed) + 1:
        raise BadRequest(9105, "Podpis nie obejmuje dokumentu.")


def _covers(root: etree._Element, signature: etree._Element, uri: str | None) -> bool:
    if signature is not root:
        return uri == "" or (uri is not None and uri == f"#{root.get('Id') or root.get('ID')}")
    targets = _find(root, "ds:Object/*[local-name()='AuthTokenRequest']/..")
    targets += _find(root, "ds:Object/*[local-name()='AuthTokenRequest']")
    return any(uri == f"#{target.get('Id') or target.get('ID')}" for target in targets)


def _check_transform(element: etree._Element) -> None:
    method = element.get("Algorithm") or ""
    if method not in TRANSFORMS:
        raise BadRequest(9105, f"Niedozwolona transformacja {method}.")
    expression = "".join("".join(str(text) for text in element.itertext()).split())
    if method.endswith("REC-xpath-19991116") and expression != "not(ancestor-or-self::ds:Signature)":
        raise BadRequest(9105, "Niedozwolone wyrażenie XPath.")
    if method.endswith("xmldsig-filter2") and expression not in (
        "/descendant::ds:Signature",
        "here()/ancestor::ds:Signature[1]",
    ):
        raise BadRequest(9105, "Niedozwolone wyrażenie XPath.")


def _check_signing_certificate(signature: etree._Element, certificate: x509.Certificate) -> None:
    """SigningCertificate (or V2) names the certificate in KeyInfo by digest (A4)."""
    digests = _find(
        signature,
        "ds:Object/xades:QualifyingProperties/xades:SignedProperties/xades:SignedSignatureProperties"
        "/*[self::xades:SigningCertificate or self::xades:SigningCertificateV2]/xades:Cert/xades:CertDigest",
    )
    der = certificate.public_bytes(Encoding.DER)
    for digest in digests:
        method = digest.find(f"{{{DS}}}DigestMethod")
        value = digest.findtext(f"{{{DS}}}DigestValue") or ""
        name = DIGESTS.get(method.get("Algorithm") or "") if method is not None else None
        if name and hashlib.new(name, der).digest() == _decode(value):
            return
    raise BadRequest(9105, "SigningCertificate nie wskazuje certyfikatu z podpisu.")


def _check_value(root: etree._Element, signature: etree._Element, certificate: x509.Certificate) -> None:
    """Key strong enough and of the method's family, every digest and the value right (A4)."""
    method = signature.find(f"{{{DS}}}SignedInfo/{{{DS}}}SignatureMethod")
    algorithm = "" if method is None else method.get("Algorithm") or ""
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        allowed, strong = RSA_METHODS | PSS_METHODS, key.key_size >= 2048
    elif isinstance(key, ec.EllipticCurvePublicKey):
        allowed, strong = ECDSA_METHODS, key.curve.key_size >= 256
    else:
        raise BadRequest(21115, "Nieobsługiwany rodzaj klucza.")
    if not strong:
        raise BadRequest(21115, "Klucz certyfikatu jest za krótki.")
    if algorithm not in allowed:
        raise BadRequest(9105, f"Niedozwolony algorytm podpisu {algorithm}.")
    xmlsec.tree.add_ids(root, ["Id", "ID", "id"])
    context = xmlsec.SignatureContext()
    pem = certificate.public_bytes(Encoding.PEM)
    context.key = xmlsec.Key.from_memory(pem, xmlsec.constants.KeyDataFormatCertPem)
    try:
        context.verify(signature)
    except xmlsec.Error as fault:
        raise BadRequest(9105, f"Weryfikacja podpisu nie powiodła się ({local(signature)}).") from fault


def _find(element: etree._Element, path: str) -> list[Any]:
    """What an XPath with the prefixes ds and xades selects."""
    found = element.xpath(path, namespaces=NS)
    assert isinstance(found, list)
    return found


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text)
    except ValueError:
        return b""
