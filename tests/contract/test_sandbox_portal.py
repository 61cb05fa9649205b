"""The QR portal (contract §1, priority C): links of KOD I and KOD II (protocol §13)."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from sandbox_invoices import invoice, today
from sandbox_kit import NIP, OTHER_NIP, Box
from sandbox_signing import Signer
from test_sandbox_certificates import enrolled

DAY = 86_400


def url64(data: bytes) -> str:
    """Base64URL without padding."""
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def link(xml: bytes, nip: str = NIP, day: str | None = None) -> str:
    """The path of KOD I."""
    code = url64(hashlib.sha256(xml).digest())
    return f"/invoice/{nip}/{date.fromisoformat(day or today()):%d-%m-%Y}/{code}"


def p1363(key: Any, text: bytes) -> bytes:
    """ECDSA as R‖S."""
    r, s = decode_dss_signature(key.sign(text, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def der(key: Any, text: bytes) -> bytes:
    """ECDSA as ASN.1."""
    signature: bytes = key.sign(text, ec.ECDSA(hashes.SHA256()))
    return signature


def pss(key: Any, text: bytes) -> bytes:
    """RSASSA-PSS with the salt of protocol §13."""
    signature: bytes = key.sign(text, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())
    return signature


def pkcs1(key: Any, text: bytes) -> bytes:
    """The RSA padding KOD II does not use."""
    signature: bytes = key.sign(text, padding.PKCS1v15(), hashes.SHA256())
    return signature


@dataclass(frozen=True)
class Kod2:
    """A KOD II link in the making."""

    key: Any
    serial: str
    host: str
    kind: str = "Nip"
    value: str = NIP
    seller: str = NIP
    code: str = "A" * 43

    def path(self, sign: Any = p1363, **later: str) -> str:
        """The path; `later` changes what it says after signing."""
        text = f"{self.host}{self._stem()}"
        return f"{replace(self, **later)._stem()}/{url64(sign(self.key, text.encode()))}"

    def _stem(self) -> str:
        return f"/certificate/{self.kind}/{self.value}/{self.seller}/{self.serial}/{self.code}"


def kod2(box: Box, kind: str = "Offline", key: Any = None, **more: Any) -> Kod2:
    """A link signed with a fresh certificate of NIP."""
    signer, serial = enrolled(box, box.login(), kind, key, **more)
    return Kod2(signer.key, serial, box.url.removeprefix("http://"))


def reason(box: Box, path: str) -> str:
    """`valid`, or why not."""
    body = box.get(path).json()
    assert (body["verdict"] == "valid") is ("reason" not in body)
    return str(body.get("reason", body["verdict"]))


def test_sandbox_portal_finds_an_accepted_invoice(box: Box) -> None:
    """Seller, day and hash lead to the KSeF number; another seller, day or hash to nothing."""
    token, xml = box.login(), invoice()
    assert box.get(link(xml)).status_code == 404
    number = box.accept(token, xml)["ksefNumber"]
    found = box.get(link(xml)).json()
    assert (found["verdict"], found["ksefNumber"]) == ("found", number)
    for wrong in (link(xml, OTHER_NIP), link(xml, day="2020-01-01"), link(invoice())):
        assert box.get(wrong).json() == {"verdict": "not_found"}


@pytest.mark.parametrize("path", [f"/invoice/{NIP}/2026-11-20/{'A' * 43}", f"/invoice/{NIP}/20-11-2026/{'A' * 44}"])
def test_sandbox_portal_refuses_broken_links(box: Box, path: str) -> None:
    """An ISO date or a padded hash is no link of the portal."""
    assert box.get(path).json()["verdict"] == "bad_link"


@pytest.mark.parametrize(("family", "sign"), [("ec", p1363), ("ec", der), ("rsa", pss)])
def test_sandbox_portal_kod2_signatures(box: Box, family: str, sign: Any) -> None:
    """ECDSA in both encodings and RSASSA-PSS are valid, and the verdict names the certificate's subject."""
    kod = kod2(box, key=rsa.generate_private_key(65537, 2048) if family == "rsa" else None)
    body = box.get(kod.path(sign)).json()
    assert (body["verdict"], body["serial"], body["certificate"]["type"]) == ("valid", kod.serial, "Offline")
    assert body["certificate"]["subject"] == {"type": "Nip", "value": NIP}


def test_sandbox_portal_kod2_another_padding_is_invalid(box: Box) -> None:
    """PKCS#1 v1.5 is not the algorithm of KOD II, nor is another salt."""
    kod = kod2(box, key=rsa.generate_private_key(65537, 2048))
    assert reason(box, kod.path(pkcs1)) == "signature_invalid"
    salted = lambda key, text: key.sign(text, padding.PSS(padding.MGF1(hashes.SHA256()), 20), hashes.SHA256())  # noqa: E731
    assert reason(box, kod.path(salted)) == "signature_invalid"


def test_sandbox_portal_kod2_the_whole_address_is_signed(box: Box) -> None:
    """Another hash, seller, context or host, a foreign key and a spoiled signature are all found out."""
    kod = kod2(box)
    for later in ({"code": "B" * 43}, {"seller": OTHER_NIP}, {"kind": "InternalId", "value": f"{NIP}-00015"}):
        assert reason(box, kod.path(**later)) == "signature_invalid"
    foreign = replace(kod, key=Signer(NIP).key)
    assert reason(box, foreign.path()) == "signature_invalid"
    assert reason(box, replace(kod, host="https://qr.ksef.mf.gov.pl").path()) == "signature_invalid"
    zero = lambda _key, _text: bytes(64)  # noqa: E731
    assert reason(box, kod.path(zero)) == "signature_invalid"


def test_sandbox_portal_kod2_for_the_real_host(box: Box) -> None:
    """A link made for the ministry's address is checked by calling it with that Host."""
    kod = replace(kod2(box), host="qr-test.ksef.mf.gov.pl")
    path = kod.path()
    assert reason(box, path) == "signature_invalid"
    assert box.get(path, headers={"Host": "qr-test.ksef.mf.gov.pl"}).json()["verdict"] == "valid"


def test_sandbox_portal_kod2_certificates(box: Box) -> None:
    """Unknown, of the wrong type, not yet valid, expired and revoked certificates, by the simulated clock."""
    kod = kod2(box)
    assert reason(box, replace(kod, serial="0123456789ABCDEF").path()) == "certificate_unknown"
    assert reason(box, kod2(box, "Authentication").path()) == "certificate_not_offline"
    now = datetime.fromisoformat(box.get("/sandbox/clock").json()["now"])
    coming = kod2(box, validFrom=(now + timedelta(days=30)).isoformat())
    assert reason(box, coming.path()) == "certificate_not_yet_valid"
    box.advance(31 * DAY)
    assert reason(box, coming.path()) == "valid"
    box.advance(700 * DAY)
    assert (reason(box, kod.path()), reason(box, coming.path())) == ("certificate_expired", "valid")


def test_sandbox_portal_kod2_order_of_checks(box: Box) -> None:
    """The certificate comes first, then the signature, then permissions, then the seller."""
    kod = kod2(box)
    zero = lambda _key, _text: bytes(64)  # noqa: E731
    stranger = replace(kod, value=OTHER_NIP, seller="9999999999")
    assert reason(box, stranger.path(zero)) == "signature_invalid"
    assert reason(box, stranger.path()) == "no_permission"
    assert reason(box, replace(kod, seller=OTHER_NIP).path()) == "context_not_entitled"
    assert box.post(f"/v2/certificates/{kod.serial}/revoke", box.login(), {}).status_code == 204
    assert reason(box, stranger.path(zero)) == "certificate_revoked"


def test_sandbox_portal_kod2_needs_invoice_write(box: Box) -> None:
    """A grant of InvoiceWrite in another's context makes the link good, one of InvoiceRead does not."""
    kod = replace(kod2(box), value=OTHER_NIP, seller=OTHER_NIP)
    for permission, seen in (("InvoiceRead", "no_permission"), ("InvoiceWrite", "valid")):
        body = {
            "contextIdentifier": {"type": "Nip", "value": OTHER_NIP},
            "authorizedIdentifier": {"type": "Nip", "value": NIP},
            "permissions": [{"permissionType": permission, "description": "Do testu"}],
        }
        assert box.post("/v2/testdata/permissions", body=body).status_code == 200
        assert reason(box, kod.path()) == seen


def test_sandbox_portal_kod2_units_and_authorisations(box: Box) -> None:
    """An InternalId of the seller, a registered subunit and an authorised context are entitled."""
    kod = kod2(box)
    assert reason(box, replace(kod, kind="InternalId", value=f"{NIP}-00015").path()) == "valid"
    child = replace(kod, seller=OTHER_NIP)
    unit = {"subjectNip": NIP, "description": "Szkoła nr 1"}
    body = {"subjectNip": OTHER_NIP, "subjectType": "JST", "description": "Gmina", "subunits": [unit]}
    assert reason(box, child.path()) == "context_not_entitled"
    assert box.post("/v2/testdata/subject", body=body).status_code == 200
    assert reason(box, child.path()) == "valid"
    other = replace(kod, seller="9999999999")
    assert reason(box, other.path()) == "context_not_entitled"
    given = {"seller": "9999999999", "context": NIP, "scopes": ["SelfInvoicing"]}
    assert box.post("/sandbox/authorizations", body=given).status_code == 204
    assert reason(box, other.path()) == "valid"


@pytest.mark.parametrize(
    "later",
    [{"kind": "nip"}, {"kind": "Pesel"}, {"value": "52658776"}, {"seller": "5265877635x"}, {"code": "A" * 44}],
)
def test_sandbox_portal_kod2_broken_links(box: Box, later: dict[str, str]) -> None:
    """Context types are a closed list, spelled exactly; a padded hash is no link."""
    answer = box.get(kod2(box).path(**later))
    assert (answer.status_code, answer.json()["verdict"]) == (400, "bad_link")
