"""Names of files we write (X08, D10)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.names import distinct, number_part, safe_stem


@pytest.mark.parametrize(
    ("given_name", "expected"),
    [
        ("faktura.xml", "faktura"),
        ("FAKTURA.XML", "FAKTURA"),
        ("../../etc/passwd", "passwd"),
        (r"C:\export\f1.xml", "f1"),
        ("con.xml", "_con"),
        ("lpt1.2026.xml", "_lpt1.2026"),
        ("a<b>:c?.xml", "a-b--c-"),
        ("faktura . .xml", "faktura"),
        ("Zażółć.xml", "Zażółć"),
        ("\u202egnp.xml", "gnp"),
        ("", "fallback"),
        ("...", "fallback"),
        ("x" * 300 + ".xml", "x" * 80),
    ],
)
def test_a_stem_is_safe_on_windows(given_name: str, expected: str) -> None:
    """Paths, reserved names and odd characters become a plain stem."""
    assert safe_stem(given_name, "fallback") == expected


@given(st.text())
def test_no_stem_is_a_path(name: str) -> None:
    """Whatever the unit calls its file, the stem stays inside one directory and within 80 characters."""
    stem = safe_stem(name, "f")
    assert stem
    assert len(stem) <= 80
    assert not set(stem) & set('/\\<>:"|?*\0\n')
    assert stem not in {".", ".."}


def test_other_bytes_get_another_name() -> None:
    """`<stem>~<first 8 hex of sha256>`."""
    assert distinct("f1", "ab" * 32) == "f1~abababab"


def test_a_number_in_a_name_keeps_only_safe_characters() -> None:
    """Slashes and Polish letters of a number become hyphens."""
    assert number_part("FV/Ż 1_2.26-A") == "FV---1-2.26-A"
