"""A corpus of hostile archives (faults X07): whole ones, lying ones, and ones with strange names.

Each case is the archive and what must be said of it: a code for the whole, or per entry `OK` or a code. Archives that
no library writes are written here by hand, record by record (PKWARE APPNOTE 4.3).
"""

import binascii
import bz2
import io
import itertools
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from gateway.archive import MAX_ENTRIES, MAX_TOTAL, MAX_XML
from tests.hostile_xml import OK, good


@dataclass(frozen=True)
class Archive:
    """An archive; `whole` are codes of which one refuses all of it, else `entries` are the codes in order."""

    name: str
    raw: bytes
    whole: frozenset[str] = frozenset()
    entries: tuple[str, ...] = ()


@dataclass
class Member:
    """One entry as it is written; what is None is as it should be."""

    name: bytes
    raw: bytes = b""
    method: int = zipfile.ZIP_DEFLATED
    packed: bytes | None = None
    crc: int | None = None
    size: int | None = None
    local_size: int | None = None
    packed_size: int | None = None
    local_name: bytes | None = None
    offset: int | None = None
    flags: int = 0x800
    attributes: int = 0
    extra: bytes = b""
    made_by: int = 3 << 8
    _at: int = field(default=0, repr=False)

    def body(self) -> bytes:
        """The bytes in the archive."""
        if self.packed is not None:
            return self.packed
        if self.method != zipfile.ZIP_DEFLATED:
            return self.raw
        packer = zlib.compressobj(6, zlib.DEFLATED, -15)
        return packer.compress(self.raw) + packer.flush()


def written(members: Sequence[Member], *, count: int | None = None, comment: bytes = b"", start: int = 0) -> bytes:
    """The archive: local headers with bodies, the directory, the end record."""
    out = io.BytesIO()
    for member in members:
        member._at = out.tell() + start
        if member.offset is None:
            out.write(_header(member, local=True) + member.body())
    directory = out.tell() + start
    for member in members:
        out.write(_header(member, local=False))
    size = out.tell() + start - directory
    number = len(members) if count is None else count
    out.write(struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, number, number, size, directory, len(comment)) + comment)
    return out.getvalue()


def _header(member: Member, *, local: bool) -> bytes:
    crc = binascii.crc32(member.raw) if member.crc is None else member.crc
    packed = len(member.body()) if member.packed_size is None else member.packed_size
    size = len(member.raw) if member.size is None else member.size
    if local and member.local_size is not None:
        size = member.local_size
    name = member.local_name if local and member.local_name is not None else member.name
    common = struct.pack("<2H", member.flags, member.method) + struct.pack("<2H3L", 0, 0x21, crc, packed, size)
    lengths = struct.pack("<2H", len(name), len(member.extra))
    if local:
        return b"PK\3\4" + struct.pack("<H", 20) + common + lengths + name + member.extra
    at = member._at if member.offset is None else member.offset
    rest = struct.pack("<3H2L", 0, 0, 0, member.attributes, at)
    return b"PK\1\2" + struct.pack("<2H", member.made_by | 20, 20) + common + lengths + rest + name + member.extra


def packed(entries: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """An ordinary archive, written by the library."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as opened:
        for name, raw in entries.items():
            opened.writestr(zipfile.ZipInfo(name), raw, method)
    return out.getvalue()


_numbers = itertools.count(1)


def fine() -> bytes:
    """Another good invoice."""
    return good(f"ZIP/{next(_numbers)}/2026")


def corpus() -> list[Archive]:
    """All cases, in the same order and with the same bytes every time."""
    global _numbers
    _numbers = itertools.count(1)
    return [found for part in (_whole, _bombs, _lying, _named, _kinds, _per_entry) for found in part()]


def refused(name: str, raw: bytes, *codes: str) -> Archive:
    """Refused as a whole, with one of these codes."""
    return Archive(f"zip-{name}", raw, frozenset(codes))


def taken(name: str, raw: bytes, *entries: str) -> Archive:
    """Opened; a verdict for each entry."""
    return Archive(f"zip-{name}", raw, entries=entries)


def _whole() -> Iterator[Archive]:
    plain = packed({"a.xml": fine(), "b.xml": fine()})
    yield refused("empty", packed({}), "zip_empty")
    yield refused("only-folders", packed({"a/": b"", "b/c/": b""}), "zip_empty")
    yield refused("only-litter", packed({"__MACOSX/._a.xml": b"x", "Thumbs.db": b"x", ".DS_Store": b"x"}), "zip_empty")
    for cut in (1, 10, 22, 60, 150, len(plain) // 2):
        yield refused(f"cut-{cut}", plain[:-cut], "zip_broken")
    yield refused("begin-only", b"PK\3\4", "zip_broken")
    yield refused("end-only", b"PK\5\6" + b"\0" * 17, "zip_broken")
    yield refused("nul-tail", plain + b"\0" * 70_000, "zip_broken")
    yield refused("hole", plain[:100] + b"\0" * 200 + plain[300:], "zip_broken")
    yield refused("two-in-one", written([Member(b"a.xml", fine())]) * 2, "zip_broken", "zip_same_names")
    yield refused("many", packed({f"{i}.xml": b"" for i in range(MAX_ENTRIES + 1)}), "zip_too_many")
    yield refused("65536", packed({f"{i}": b"" for i in range(65_536)}, zipfile.ZIP_STORED), "zip_too_many")
    yield refused("counts-less", written([Member(b"a.xml", fine()), Member(b"b.xml", fine())], count=1), "zip_broken")
    yield refused("counts-more", written([Member(b"a.xml", fine())], count=60_000), "zip_broken")
    yield refused("encrypted", written([Member(b"a.xml", fine(), flags=0x801)]), "zip_encrypted")
    yield refused("strongly-encrypted", written([Member(b"a.xml", fine(), flags=0x841)]), "zip_encrypted")
    yield refused(
        "one-encrypted", written([Member(b"a.xml", fine()), Member(b"b.xml", fine(), flags=1)]), "zip_encrypted"
    )
    for method in (1, 6, 9, 93, 95, 98, 99, 65_535):
        yield refused(
            f"method-{method}", written([Member(b"a.xml", fine(), method=method)]), "zip_method", "zip_encrypted"
        )
    yield refused("random", b"PK\3\4" + bytes(range(256)) * 20, "zip_broken")


def _bombs() -> Iterator[Archive]:
    blanks = zlib.compressobj(1, zlib.DEFLATED, -15)
    chunk = b"\0" * (1 << 20)
    big = b"".join(blanks.compress(chunk) for _ in range(60)) + blanks.flush()
    whole = 60 << 20
    yield refused("bomb", written([Member(b"a.xml", packed=big, size=whole, crc=0)]), "zip_too_big", "zip_broken")
    yield refused("bomb-lying", written([Member(b"a.xml", packed=big, size=100, crc=0)]), "zip_too_big", "zip_broken")
    yield refused(
        "bomb-4g", written([Member(b"a.xml", packed=big, size=0xFFFFFFF0, crc=0)]), "zip_too_big", "zip_broken"
    )
    yield refused("bomb-bzip2", packed({"a.xml": b"\0" * 4_000_000}, zipfile.ZIP_BZIP2), "zip_too_big")
    yield refused("bomb-lzma", packed({"a.xml": b"\0" * 4_000_000}, zipfile.ZIP_LZMA), "zip_too_big")
    yield refused(
        "many-large", packed({f"{i}.xml": b" " * MAX_XML for i in range(MAX_TOTAL // MAX_XML + 1)}), "zip_too_big"
    )
    yield refused("one-byte-more", packed({"a.xml": b" " * (MAX_XML + 1)}), "zip_too_big")
    kernel, members = Member(b"a.xml", fine()), []
    for index in range(500):  # all directory entries point to the same bytes
        members.append(Member(b"%d.xml" % index, kernel.raw, offset=0))
    yield refused("overlap-all", written([kernel, *members]), "zip_broken")
    nested = written([Member(b"in.xml", fine(), method=0)])
    first = Member(b"a.xml", nested, method=0)
    inner = Member(b"in.xml", b"", offset=35, packed=b"x" * 50, size=50)
    yield refused("overlap-nested", written([first, inner]), "zip_broken")
    yield taken("of-zips", packed({"a.zip": packed({"a.xml": fine()}), "b.xml": fine()}), "not_xml", OK)
    yield taken(
        "of-zip-of-zip", packed({"a.zip": packed({"b.zip": packed({"c.zip": packed({"d.xml": fine()})})})}), "not_xml"
    )


def _lying() -> Iterator[Archive]:
    raw = fine()
    yield refused("bad-crc", written([Member(b"a.xml", raw, crc=1)]), "zip_broken")
    yield refused("size-less", written([Member(b"a.xml", raw, size=10)]), "zip_broken")
    yield refused("size-zero", written([Member(b"a.xml", raw, size=0)]), "zip_broken")
    yield refused("packed-more", written([Member(b"a.xml", raw, packed_size=1_000_000)]), "zip_broken")
    yield refused("packed-less", written([Member(b"a.xml", raw, packed_size=5)]), "zip_broken")
    yield refused("packed-zero", written([Member(b"a.xml", raw, packed_size=0)]), "zip_broken")
    yield refused("names-differ", written([Member(b"a.xml", raw, local_name=b"b.xml")]), "zip_broken")
    yield refused(
        "offset-beyond", written([Member(b"a.xml", raw), Member(b"b.xml", raw, offset=0x7FFFFFFF)]), "zip_broken"
    )
    yield refused("offset-into", written([Member(b"a.xml", raw), Member(b"b.xml", raw, offset=7)]), "zip_broken")
    yield refused("garbage-deflate", written([Member(b"a.xml", raw, packed=b"\xff" * 300)]), "zip_broken")
    yield refused("stored-as-deflate", written([Member(b"a.xml", raw, packed=raw)]), "zip_broken")
    yield taken("local-size-lies", written([Member(b"a.xml", fine(), local_size=1)]), OK)
    yield refused(
        "zip64-lies", written([Member(b"a.xml", raw, size=0xFFFFFFFF, extra=b"\1\0\4\0\1\1\1\1")]), "zip_broken"
    )
    yield refused("extra-broken", written([Member(b"a.xml", raw, extra=b"\1\0\xff\xff")]), "zip_broken")
    yield taken("tail", packed({"a.xml": fine()}) + b"tail", OK)
    yield taken("comment", written([Member(b"a.xml", fine())], comment=b"Faktury za listopad"), OK)
    yield refused("comment-ends", written([Member(b"a.xml", raw)], comment=b"PK\5\6" * 30), "zip_broken")
    yield refused(
        "end-in-comment",
        written([Member(b"a.xml", raw)], comment=b"PK\5\6" + b"\xff" * 18),
        "zip_broken",
        "zip_too_many",
    )
    cut = bz2.compress(raw)[:-90]
    yield refused("bzip2-broken", written([Member(b"a.xml", raw, method=12, packed=cut)]), "zip_broken")
    lzma = b"\x09\x04\x05\x00\x5d\xff\xff\xff\xff" + bytes(50)  # wants a dictionary of 4 GB
    yield refused("lzma-memory", written([Member(b"a.xml", raw, method=14, packed=lzma)]), "zip_too_big", "zip_broken")


def _named() -> Iterator[Archive]:
    bad = (
        b"../a.xml", b"/a.xml", b"x/../../a.xml", b"C:a.xml", b"C:/a.xml", b"..", b"a/..", b"..\\a.xml",
        b"\\\\s\\u\\a.xml",
        b"a\\b.xml", b"//s/u/a.xml", b"a.xml:stream", b"file:///etc/passwd", b"/", b"./../a.xml", b"a/../b.xml",
    )  # fmt: skip
    for index, name in enumerate(bad):
        yield refused(f"name-{index}", written([Member(name, fine())]), "zip_bad_name", "zip_empty", "zip_broken")
    odd = (
        "zażółć.xml", "a b.xml", "a/b/c.xml", "con.xml", "nul", "-rf.xml", "$(id).xml", "' OR 1.xml", "a\nb.xml",
        "\u202egpj.xml",
        "a\u200bb.xml", "x" * 240 + ".xml", "faktura", "a.pdf", "A.XML", "a..xml", "a.", "\x1b[31m.xml", "<b>.xml",
        "%2e%2e%2fa.xml",
        "x" * 60_000, "a/" * 200 + "a.xml", "😀.xml", "=cmd.xml", "a\tb.xml",
    )  # fmt: skip
    for index, text in enumerate(odd):
        yield taken(f"label-{index}", written([Member(text.encode(), fine())]), OK)
    yield taken("label-cp852", written([Member("zażółć.xml".encode("cp852"), fine(), flags=0)]), OK)
    yield taken("label-not-utf8", written([Member(b"\xff\xfe.xml", fine(), flags=0)]), OK)
    yield refused("label-false-utf8", written([Member(b"\xff\xfe.xml", fine())]), "zip_broken", "zip_bad_name")
    yield taken("label-nul", written([Member(b"a.xml\0.exe", fine())]), OK)
    yield refused("name-empty", written([Member(b"", fine())]), "zip_bad_name", "zip_empty", "zip_broken")
    same = (("a.xml", "a.xml"), ("a.xml", "A.XML"), ("ż.xml", "Ż.XML"), ("ż.xml", "z\u0307.xml"), ("ß.xml", "SS.xml"))
    for index, names in enumerate(same):
        yield refused(f"same-{index}", written([Member(n.encode(), fine()) for n in names]), "zip_same_names")


def _kinds() -> Iterator[Archive]:
    link = 0o120777 << 16
    for name, mode in (
        ("symlink", link),
        ("device", 0o020666 << 16),
        ("fifo", 0o010666 << 16),
        ("socket", 0o140777 << 16),
    ):
        member = Member(b"a.xml", b"../../etc/passwd", attributes=mode)
        yield refused(f"kind-{name}", written([member, Member(b"b.xml", fine())]), "zip_special")
        yield refused(f"kind-{name}-invoice", written([Member(b"a.xml", fine(), attributes=mode)]), "zip_special")
    yield taken("kind-suid", written([Member(b"a.xml", fine(), attributes=0o104777 << 16)]), OK)
    yield taken("kind-windows", written([Member(b"a.xml", fine(), attributes=0x20, made_by=0)]), OK)
    yield taken("office", packed({"[Content_Types].xml": b"<Types xmlns='urn:x'/>",
        "word/document.xml": b"<document/>"}),
                "wrong_document", "wrong_document")  # fmt: skip
    yield refused("prefix-junk", b"PK\3\4junk" + packed({"a.xml": fine()}), "zip_broken")


def _per_entry() -> Iterator[Archive]:
    yield taken("mixed", packed({"a.xml": fine(), "b.xml": b"", "c.txt": b"opis", "d.xml": b"\xef\xbb\xbf" + fine(),
        "e.xml": fine()}),
                OK, "empty_file", "not_xml", "xml_bom", OK)  # fmt: skip
    yield taken(
        "doctype", packed({"a.xml": b"<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><a>&x;</a>"}), "xml_doctype"
    )
    yield taken("stored", packed({"a.xml": fine()}, zipfile.ZIP_STORED), OK)
    yield taken("bzip2", packed({"a.xml": fine()}, zipfile.ZIP_BZIP2), OK)
    yield taken("lzma", packed({"a.xml": fine()}, zipfile.ZIP_LZMA), OK)
    twice = fine()
    yield taken("same-bytes", packed({"a.xml": twice, "b.xml": twice}), OK, OK)
    yield taken("too-big-for-ksef", packed({"a.xml": b"<a/>" + b" " * 1_000_000, "b.xml": fine()}), "too_big", OK)
    yield taken("half", packed({"a.xml": fine()[:900], "b.xml": fine()}), "incomplete_file", OK)
