"""Statement A4, signatures as other libraries write them: more references than two, and the attacks that invites."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest
from lxml import etree
from sandbox_kit import NIP, OTHER_NIP, Box
from sandbox_signing import DS, EXC, SHA256, XADES, Signer, request

SIGNED = "http://uri.etsi.org/01903#SignedProperties"
ENVELOPED = DS + "enveloped-signature"
FILTER2 = "http://www.w3.org/2002/06/xmldsig-filter2"


def build(signer: Signer, xml: bytes, references: list[dict[str, Any]], *, root_id: str = "") -> etree._Element:
    """A document signed with exactly these references: `target` is digested under `uri`."""
    root = etree.fromstring(xml)
    if root_id:
        root.set("Id", root_id)
    plain = etree.fromstring(etree.tostring(root))
    signature = etree.SubElement(root, f"{{{DS}}}Signature", {"Id": "S"}, nsmap={"ds": DS})
    info = etree.SubElement(signature, f"{{{DS}}}SignedInfo")
    etree.SubElement(info, f"{{{DS}}}CanonicalizationMethod", {"Algorithm": EXC})
    method = {"ecdsa": "ecdsa-sha256", "rsa": "rsa-sha256"}[signer.family]
    etree.SubElement(
        info, f"{{{DS}}}SignatureMethod", {"Algorithm": f"http://www.w3.org/2001/04/xmldsig-more#{method}"}
    )
    value = etree.SubElement(signature, f"{{{DS}}}SignatureValue")
    key_info = etree.SubElement(signature, f"{{{DS}}}KeyInfo", {"Id": "K"})
    data = etree.SubElement(key_info, f"{{{DS}}}X509Data")
    etree.SubElement(data, f"{{{DS}}}X509Certificate").text = base64.b64encode(signer.der).decode()
    targets = {"document": plain, "properties": signer._properties(signature, signer.der), "key": key_info}
    targets["object"] = signature.find(f"{{{DS}}}Object")
    targets["object"].set("Id", "O")
    for reference in references:
        _add(info, reference, targets)
    value.text = base64.b64encode(signer._raw(etree.tostring(info, method="c14n", exclusive=True))).decode()
    return root


def _add(info: etree._Element, wanted: dict[str, Any], targets: dict[str, Any]) -> None:
    names = {"URI": wanted["uri"]} | ({"Type": wanted["type"]} if "type" in wanted else {})
    reference = etree.SubElement(info, f"{{{DS}}}Reference", names)
    listed = etree.SubElement(reference, f"{{{DS}}}Transforms")
    for method in wanted.get("transforms", (EXC,)):
        listed.append(method if isinstance(method, etree._Element) else _transform(method))
    etree.SubElement(reference, f"{{{DS}}}DigestMethod", {"Algorithm": SHA256})
    element = targets[wanted["target"]]
    octets = etree.tostring(element, method="c14n", exclusive=True)
    digest = base64.b64encode(hashlib.sha256(octets).digest()).decode()
    etree.SubElement(reference, f"{{{DS}}}DigestValue").text = digest


def _transform(method: str) -> etree._Element:
    return etree.Element(f"{{{DS}}}Transform", {"Algorithm": method}, nsmap={"ds": DS})


def usual(*more: dict[str, Any]) -> list[dict[str, Any]]:
    """The two references every signature has, and more."""
    document = {"uri": "", "target": "document", "transforms": (ENVELOPED, EXC)}
    return [document, *more, {"uri": "#P", "target": "properties", "type": SIGNED}]


KEY = {"uri": "#K", "target": "key"}


def submit(box: Box, root: etree._Element) -> Any:
    return box.submit(etree.tostring(root, xml_declaration=True, encoding="utf-8"))


@pytest.mark.parametrize("family", ["ecdsa", "rsa"])
def test_sandbox_A4_three_references_with_key_info(box: Box, family: str) -> None:
    """The document, KeyInfo by its Id and the SignedProperties: as signxml and thus ksef2 sign (S5)."""
    root = build(Signer(NIP, family), request(box.challenge(), "Nip", NIP), usual(KEY))
    answer = submit(box, root)
    assert answer.status_code == 202, answer.text
    assert box.auth_status(answer.json())["status"]["code"] == 200


def test_sandbox_A4_reference_to_an_object_of_the_signature(box: Box) -> None:
    """A further reference to ds:Object is allowed."""
    more = usual({"uri": "#O", "target": "object"})
    assert submit(box, build(box.signer(), request(box.challenge(), "Nip", NIP), more)).status_code == 202


def test_sandbox_A4_every_reference_is_verified(box: Box) -> None:
    """A KeyInfo that no longer has its digest is 9105 though document and SignedProperties are right."""
    root = build(box.signer(), request(box.challenge(), "Nip", NIP), usual(KEY))
    key_info = root.find(f".//{{{DS}}}KeyInfo")
    assert key_info is not None
    etree.SubElement(key_info, f"{{{DS}}}KeyName").text = "added later"
    assert box.code(submit(box, root)) == 9105


def test_sandbox_A4_root_without_id_is_not_covered_by_none(box: Box) -> None:
    """URI="#None" does not cover a root that has no Id, even where something is called None."""
    references = usual(KEY)
    references[0] = {"uri": "#None", "target": "object"}
    root = build(box.signer(), request(box.challenge(), "Nip", NIP), references)
    assert box.code(submit(box, root)) == 9105


@pytest.mark.parametrize("left_out", ["document", "properties"])
def test_sandbox_A4_document_and_properties_must_be_covered(box: Box, left_out: str) -> None:
    """A signature over KeyInfo and only one of the two is 9105."""
    references = [item for item in usual(KEY) if item["target"] != left_out]
    assert box.code(submit(box, build(box.signer(), request(box.challenge(), "Nip", NIP), references))) == 9105


@pytest.mark.parametrize("attribute", ["Id", "ID", "id", "{http://www.w3.org/XML/1998/namespace}id"])
def test_sandbox_A4_repeated_ids_are_refused(box: Box, attribute: str) -> None:
    """The Id of the SignedProperties on a second element, under any spelling (xml:id too), is 9105."""
    root = build(box.signer(), request(box.challenge(), "Nip", NIP), usual(KEY))
    holder = root.find(f".//{{{DS}}}X509Data")
    assert holder is not None
    holder.set(attribute, "P")
    assert box.code(submit(box, root)) == 9105


@pytest.mark.parametrize("uri", ["#xpointer(/)", "#xpointer(id('K'))", "#missing", "http://127.0.0.1/x", "#S", "#V"])
def test_sandbox_A4_foreign_references_are_refused(box: Box, uri: str) -> None:
    """References to nothing, elsewhere, the signature itself or by XPointer are 9105."""
    root = build(box.signer(), request(box.challenge(), "Nip", NIP), usual({"uri": uri, "target": "key"}))
    value = root.find(f".//{{{DS}}}SignatureValue")
    assert value is not None
    value.set("Id", "V")
    assert box.code(submit(box, root)) == 9105


def test_sandbox_A4_id_that_looks_like_an_xpointer(box: Box) -> None:
    """An Id spelled as an XPointer cannot lead the verifier to another element than the one checked."""
    references = usual(KEY)
    references[-1] = {"uri": "#xpointer(id('K'))", "target": "key", "type": SIGNED}
    root = build(box.signer(), request(box.challenge(), "Nip", NIP), references)
    properties = root.find(f".//{{{XADES}}}SignedProperties")
    assert properties is not None
    properties.set("Id", "xpointer(id('K'))")
    assert box.code(submit(box, root)) == 9105


def test_sandbox_A4_wrapped_document_behind_an_id(box: Box) -> None:
    """The signed document moved into an Object and pointed at by Id does not authenticate another one."""
    references = usual(KEY)
    references[0] = {"uri": "#R", "target": "document", "transforms": (ENVELOPED, EXC)}
    honest = build(box.signer(), request(box.challenge(), "Nip", NIP), references, root_id="R")
    signature = honest.find(f"{{{DS}}}Signature")
    assert signature is not None
    evil = etree.fromstring(request(box.challenge(), "Nip", OTHER_NIP))
    honest.remove(signature)
    holder = etree.SubElement(signature, f"{{{DS}}}Object")
    holder.append(honest)
    evil.append(signature)
    assert box.code(submit(box, evil)) == 9105


def test_sandbox_A4_filters_must_subtract_the_signature(box: Box) -> None:
    """An XPath filter that keeps only the signature covers no document: 9105."""
    step = _transform(FILTER2)
    xpath = etree.SubElement(step, f"{{{FILTER2}}}XPath", {"Filter": "intersect"})
    xpath.text = "/descendant::ds:Signature"
    references = usual(KEY)
    references[0]["transforms"] = (step, EXC)
    assert box.code(submit(box, build(box.signer(), request(box.challenge(), "Nip", NIP), references))) == 9105
