"""The QR portal (contract §1, priority C): KOD I links of protocol §13."""

from __future__ import annotations

import base64
import hashlib
from datetime import date

import pytest
from sandbox_invoices import invoice, today
from sandbox_kit import NIP, OTHER_NIP, Box


def link(xml: bytes, nip: str = NIP, day: str | None = None) -> str:
    """The path of KOD I."""
    code = base64.urlsafe_b64encode(hashlib.sha256(xml).digest()).decode().rstrip("=")
    return f"/invoice/{nip}/{date.fromisoformat(day or today()):%d-%m-%Y}/{code}"


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
