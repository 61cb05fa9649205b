"""The links of KOD I and KOD II, against the worked example of protocol §13, and the codes on the paper."""

import io
from base64 import urlsafe_b64decode
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pypdf import PdfReader

from gateway.render import Marks, render_invoice
from sluza.samples import invoice
from spool.domain.codes import kod1_url, kod2_unsigned
from spool.domain.municipality import ContextType
from tests.pictures import codes_on, require_tools, text_of

QR = "https://qr-test.ksef.mf.gov.pl"
HASH = "UtQp9Gpc51y-u3xApZjIjgkpZ01js-J8KflSPW8WzIE"
SHA256 = urlsafe_b64decode(HASH + "=").hex()
NIP = "1111111111"
KOD1 = f"{QR}/invoice/{NIP}/01-02-2026/{HASH}"
ECDSA, RSA = "aB3-" * 21 + "aQ", "aB3-" * 85 + "aQ"  # Base64URL signatures of 64 and 256 bytes
KOD2 = f"{QR}/certificate/Nip/{NIP}/{NIP}/01F20A5D352AE590/{HASH}/"


def test_kod1_is_the_worked_example() -> None:
    """Day-month-year of P_1, Base64URL without padding."""
    assert kod1_url(QR, NIP, date(2026, 2, 1), SHA256) == f"{QR}/invoice/{NIP}/01-02-2026/{HASH}"


def test_a_slash_at_the_end_of_the_host_changes_nothing() -> None:
    """Administrators write addresses with and without it."""
    assert kod1_url(QR + "/", NIP, date(2026, 2, 1), SHA256) == kod1_url(QR, NIP, date(2026, 2, 1), SHA256)


def test_upper_case_hash_gives_the_same_link() -> None:
    """Hexadecimal digits are numbers, not letters."""
    day = date(2026, 12, 31)
    assert kod1_url(QR, NIP, day, SHA256.upper()) == kod1_url(QR, NIP, day, SHA256)


@pytest.mark.parametrize(
    ("given_type", "word"),
    [
        (ContextType.NIP, "Nip"),
        ("nip", "Nip"),
        ("Nip", "Nip"),
        ("internal-id", "InternalId"),
        ("PeppolId", "PeppolId"),
    ],
)
def test_kod2_text_has_no_scheme_and_no_slash_at_its_end(given_type: str, word: str) -> None:
    """What the Offline certificate signs begins at the host and ends with the hash."""
    text = kod2_unsigned(QR + "/", given_type, "1111111111-00011", NIP, "01F20A5D352AE590", SHA256)
    assert text == (f"qr-test.ksef.mf.gov.pl/certificate/{word}/1111111111-00011/{NIP}/01F20A5D352AE590/{HASH}")


def test_unknown_context_type_is_refused() -> None:
    """The list of KSeF is closed and case-sensitive."""
    with pytest.raises(ValueError, match="NIP"):
        kod2_unsigned(QR, "NIP", NIP, NIP, "01F20A5D352AE590", SHA256)


@pytest.mark.parametrize("bad", ["", "ab", "z" * 64, "ab" * 33, "ab" * 32 + "\n"])
def test_only_a_sha256_is_a_sha256(bad: str) -> None:
    """A wrong hash would print a code that nobody can verify."""
    with pytest.raises(ValueError, match="SHA-256"):
        kod1_url(QR, NIP, date(2026, 2, 1), bad)


@pytest.mark.parametrize("bad", ["", ".", ".."])
def test_an_empty_part_is_refused(bad: str) -> None:
    """A link with a hole leads elsewhere."""
    with pytest.raises(ValueError, match="empty"):
        kod2_unsigned(QR, "nip", NIP, NIP, bad, SHA256)


@given(st.text(min_size=1).filter(lambda t: t not in {".", ".."}), st.binary(min_size=32, max_size=32))
def test_no_value_leaves_its_place_in_the_path(nip: str, digest: bytes) -> None:
    """Five parts after the host, whatever the invoice says; the hash always has 43 characters."""
    url = kod1_url(QR, nip, date(2026, 2, 1), digest.hex())
    parts = url.removeprefix(QR).split("/")
    assert len(parts) == 5
    assert len(parts[4]) == 43
    assert url.isascii()
    assert not set("?#\\ \r\n") & set(url)


def test_without_codes_none_are_drawn(tmp_path: Path) -> None:
    """Total failure: no QR codes (deadlines §1)."""
    require_tools("pdftoppm", "zbarimg")
    pdf = render_invoice(invoice())
    (tmp_path / "f.pdf").write_bytes(pdf)
    assert codes_on(tmp_path / "f.pdf") == []
    assert not any("/Annots" in page for page in PdfReader(io.BytesIO(pdf)).pages)


@pytest.mark.parametrize("urls", [(KOD1, ""), (KOD1, KOD2 + ECDSA), (KOD1, KOD2 + RSA)])
def test_codes_can_be_read_back(urls: tuple[str, str], tmp_path: Path) -> None:
    """A scanner reads exactly our links off the page, at an ordinary printer's resolution."""
    require_tools("pdftoppm", "zbarimg")
    pdf = render_invoice(invoice(), marks=Marks(kod1_url=urls[0], kod2_url=urls[1]))
    (tmp_path / "f.pdf").write_bytes(pdf)
    assert set(codes_on(tmp_path / "f.pdf")) == set(urls) - {""}


def test_the_words_around_the_codes_can_be_searched(tmp_path: Path) -> None:
    """Another program finds the title, the captions below the codes, the links and the Polish letters."""
    require_tools("pdftotext")
    number = "5080014460-20261120-000000000001-DB"
    before = Marks(
        kod1_url=KOD1, kod2_url=KOD2 + ECDSA, title="Potwierdzenie transakcji", status=("Zażółć gęślą jaźń",)
    )
    after = Marks(kod1_url=KOD1, ksef_number=number)
    for marks, expected in (
        (before, ("Potwierdzenie transakcji", "OFFLINE", "CERTYFIKAT", "Zażółć gęślą jaźń", "„Źródło”")),
        (after, ("Faktura", f"\n{number}\n")),
    ):
        (tmp_path / "f.pdf").write_bytes(render_invoice(invoice(), marks=marks))
        words = text_of(tmp_path / "f.pdf")
        assert [word for word in expected if word not in words] == []
        assert KOD1 in words.replace("\n", "")
