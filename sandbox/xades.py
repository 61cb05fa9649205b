"""Verifying the XAdES signature of a login document (A4); rules of protocol §2.4."""

from __future__ import annotations

import base64
import copy
import hashlib
import re
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
ENVELOPED = DS + "enveloped-signature"
BASE64 = DS + "base64"
BARE_NAME = re.compile(r"#([A-Za-z_][A-Za-z0-9_.\-]*)")
XPATH = "http://www.w3.org/TR/1999/REC-xpath-19991116"
FILTER2 = "http://www.w3.org/2002/06/xmldsig-filter2"
MAX_REFERENCES = 20
TRANSFORMS = {
    ENVELOPED,
    BASE64,
    XPATH,
    FILTER2,
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
    """Algorithms allowed; every Id unique; the document and the SignedProperties covered, nothing foreign (A4)."""
    names = _by_id(root)
    references = signature.findall(f"{{{DS}}}SignedInfo/{{{DS}}}Reference")
    if len(references) > MAX_REFERENCES:
        raise BadRequest(9105, "Podpis ma za dużo referencji.")
    for element in signature.iter(f"{{{DS}}}Transform", f"{{{DS}}}CanonicalizationMethod"):
        _check_transform(element)
    for element in signature.iter(f"{{{DS}}}DigestMethod"):
        if element.get("Algorithm") not in DIGESTS:
            raise BadRequest(9105, f"Niedozwolony algorytm skrótu {element.get('Algorithm')}.")
    properties = _find(signature, "ds:Object/xades:QualifyingProperties/xades:SignedProperties")
    typed = [ref for ref in references if ref.get("Type") == SIGNED_PROPERTIES]
    if len(properties) != 1 or len(typed) != 1 or _target(names, typed[0]) is not properties[0]:
        raise BadRequest(9105, "Podpis nie obejmuje SignedProperties.")
    documents = _documents(root, signature)
    covering = [ref for ref in references if _target(names, ref, root) in documents]
    if not covering or typed[0] in covering:
        raise BadRequest(9105, "Podpis nie obejmuje dokumentu.")
    for reference in covering + typed:
        _check_whole(reference, leaves=signature is not root and reference in covering)
    for reference in references:
        if reference not in covering and not _of_signature(signature, _target(names, reference)):
            raise BadRequest(9105, f"Niedozwolona referencja {reference.get('URI')}.")


def _check_whole(reference: etree._Element, *, leaves: bool) -> None:
    """Transforms that keep the whole element; `leaves` allows those that leave the signature itself out."""
    for step in reference.iter(f"{{{DS}}}Transform"):
        method = step.get("Algorithm")
        if method == BASE64 or (not leaves and method in (ENVELOPED, XPATH, FILTER2)):
            raise BadRequest(9105, f"Transformacja {method} nie obejmuje całego elementu.")


def _by_id(root: etree._Element) -> dict[str, etree._Element]:
    """Elements by Id, ID, id or xml:id, as the verifier will resolve them; 9105 if a name occurs twice."""
    found: dict[str, etree._Element] = {}
    for element in root.iter(etree.Element):
        names = {value for name, value in element.attrib.items() if etree.QName(name).localname.lower() == "id"}
        if names & set(found) or len(names) > 1:
            raise BadRequest(9105, "Powtórzony identyfikator elementu.")
        found |= dict.fromkeys(map(str, names), element)
    return found


def _target(
    names: dict[str, etree._Element], reference: etree._Element, whole: etree._Element | None = None
) -> etree._Element | None:
    """The element a Reference points to; `whole` for URI="", None for anything but a bare name that exists."""
    uri = reference.get("URI")
    if uri == "":
        return whole
    name = BARE_NAME.fullmatch(uri or "")
    return names.get(name.group(1)) if name else None


def _documents(root: etree._Element, signature: etree._Element) -> list[etree._Element]:
    """What a reference must point to for the document to be covered."""
    if signature is not root:
        return [root]
    inside = _find(root, "ds:Object/*[local-name()='AuthTokenRequest']")
    return [*inside, *(element.getparent() for element in inside)]


def _of_signature(signature: etree._Element, target: etree._Element | None) -> bool:
    """Whether an element is the signature's KeyInfo or Object, or lies in one."""
    while target is not None and target.getparent() is not signature:
        target = target.getparent()
    return target is not None and target.tag in (f"{{{DS}}}KeyInfo", f"{{{DS}}}Object")


def _check_transform(element: etree._Element) -> None:
    method = element.get("Algorithm") or ""
    if method not in TRANSFORMS:
        raise BadRequest(9105, f"Niedozwolona transformacja {method}.")
    steps = [step for step in element if isinstance(step.tag, str)]
    if method == XPATH:
        _check_expression(steps, "XPath", ("not(ancestor-or-self::ds:Signature)",))
    elif method == FILTER2:
        _check_expression(steps, "XPath", ("/descendant::ds:Signature", "here()/ancestor::ds:Signature[1]"))
        if steps[0].get("Filter") != "subtract":
            raise BadRequest(9105, "Niedozwolony filtr XPath.")


def _check_expression(steps: list[etree._Element], name: str, allowed: tuple[str, ...]) -> None:
    """Exactly one expression, out of the allowed, with the prefix it uses bound to XML Signature."""
    expressions = ["".join((step.text or "").split()) for step in steps if local(step) == name]
    if len(steps) != 1 or len(expressions) != 1 or len(steps[0]) or expressions[0] not in allowed:
        raise BadRequest(9105, "Niedozwolone wyrażenie XPath.")
    if steps[0].nsmap.get("ds") != DS:
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
