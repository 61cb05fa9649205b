"""ZIP drops: limits of our own, names as labels (X07)."""

import io
import zipfile

import pytest

from gateway import archive, sizes


def packed(entries: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A ZIP of these files."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as opened:
        for name, raw in entries.items():
            opened.writestr(name, raw)
    return out.getvalue()


def codes(raw: bytes) -> list[str]:
    """Why the archive as a whole is refused."""
    return [p.code for p in archive.unpack(raw)[1]]


def test_every_file_gets_its_own_verdict() -> None:
    """A text beside an invoice does not refuse the archive; what systems add by themselves is left out."""
    raw = packed(
        {"a.xml": b"<a/>", "opis.txt": b"opis", "__MACOSX/._a.xml": b"x", "sub/Thumbs.db": b"x", ".b.xml": b"<b/>"}
    )
    assert archive.unpack(raw) == ([("a.xml", b"<a/>"), ("opis.txt", b"opis"), (".b.xml", b"<b/>")], [])


@pytest.mark.parametrize("name", ["../a.xml", "/etc/a.xml", "x/../../a.xml", "C:a.xml"])
def test_fault_X07_a_name_that_climbs_refuses_the_archive(name: str) -> None:
    """Absolute and climbing names are an attack, not a label."""
    assert codes(packed({name: b"<a/>"})) == ["zip_bad_name"]


def test_fault_X07_limits_count_what_really_comes_out() -> None:
    """A small archive that inflates beyond the limit of one document is refused."""
    assert codes(packed({"a.xml": b"\0" * (sizes.MAX_XML + 1)})) == ["zip_too_big"]
    assert codes(packed({"a.xml": b" " * sizes.MAX_XML})) == []


def test_fault_X07_too_many_files() -> None:
    """More files than a person can be told about."""
    assert codes(packed({f"{i}.xml": b"" for i in range(archive.MAX_ENTRIES + 1)})) == ["zip_too_many"]


@pytest.mark.parametrize("cut", [10, 40, 80])
def test_fault_X07_a_truncated_archive_is_refused(cut: int) -> None:
    """Never an exception, always a reason."""
    raw = packed({"a.xml": b"<a/>", "b.xml": b"<b/>"})
    assert codes(raw[:-cut]) == ["zip_broken"]


def test_fault_X07_an_empty_archive_is_refused() -> None:
    """Nothing inside is told as such."""
    assert codes(packed({})) == ["zip_empty"]


def test_fault_X07_the_same_name_twice_is_refused() -> None:
    """Two files whose names differ only by case would be one on Windows."""
    assert codes(packed({"a.xml": b"<a/>", "A.XML": b"<b/>"})) == ["zip_same_names"]
