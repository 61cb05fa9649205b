"""Sealing, packages and receipts: bytes in, bytes out, and hostile ones refused."""

import io
import json
import zipfile
from base64 import b64decode, b64encode
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from hypothesis import given
from hypothesis import strategies as st

from agent import package, upo
from agent.ksef.api import NoAnswer, PublicKey
from agent.ksef.sealing import SymmetricKey, choose, hex_of, sha256_base64, wrap
from agent.package import BadPackage
from sluza.samples import ksef_number_for
from spool.bodies import sha256_hex
from tests import credentials

NOW = datetime(2026, 11, 20, tzinfo=UTC)


def _public(name: str, since: int = -10, until: int = 10, usage: str = "U", algorithm: str = "rsa") -> PublicKey:
    made = credentials.seal("5080014460", algorithm=algorithm)
    der = made.certificate.public_bytes(serialization.Encoding.DER)
    days = timedelta(days=1)
    return PublicKey(b64encode(der).decode(), name, (usage,), NOW + since * days, NOW + until * days)


@given(st.binary(max_size=5000))
def test_sealed_document_opens_again(raw: bytes) -> None:
    """PKCS#7 growth only, no IV in front; sizes and hashes are those of the bytes."""
    key = SymmetricKey()
    sealed = key.seal(raw)
    text = b64decode(sealed.content)
    assert len(text) == sealed.encrypted_size == (len(raw) // 16 + 1) * 16
    assert sealed.encrypted_hash == sha256_base64(text)
    assert (sealed.invoice_size, hex_of(sealed.invoice_hash)) == (len(raw), sha256_hex(raw))
    assert key.seal(raw) == sealed
    assert SymmetricKey().seal(raw) != sealed


def test_parts_are_unsealed_one_after_another(tmp_path: Path) -> None:
    """Each part has a padding of its own; together they are the archive (protocol §9.3)."""
    key, raw = SymmetricKey(), bytes(range(256)) * 9000
    out = tmp_path / "plain"
    for piece in (raw[:1_048_577], raw[1_048_577:]):
        (tmp_path / "part").write_bytes(b64decode(key.seal(piece).content))
        size, digest = key.unseal_file(tmp_path / "part", out)
        assert (size, digest.hex()) == (len(piece), sha256_hex(piece))
    assert out.read_bytes() == raw
    with pytest.raises(ValueError, match="padding"):
        SymmetricKey(b"0" * 32, key.iv).unseal_file(tmp_path / "part", tmp_path / "other")


def test_key_is_wrapped_with_oaep_sha256() -> None:
    """The RSA form of the API text; a key that is not RSA is no key of KSeF."""
    made = credentials.seal("5080014460", algorithm="rsa")
    der = b64encode(made.certificate.public_bytes(serialization.Encoding.DER)).decode()
    wrapped = SymmetricKey(b"k" * 32, b"i" * 16).wrapped_for(PublicKey(der, "id", ("U",), NOW, NOW))
    assert isinstance(made.key, rsa.RSAPrivateKey)
    oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
    assert made.key.decrypt(b64decode(wrapped.encrypted_key), oaep) == b"k" * 32
    assert (b64decode(wrapped.iv), wrapped.key_id) == (b"i" * 16, "id")
    with pytest.raises(NoAnswer):
        wrap(_public("x", algorithm="ec"), b"k")


def test_fault_K11_newest_valid_key_of_the_right_use_is_chosen() -> None:
    """By usage, valid now, latest validFrom (protocol §3)."""
    keys = [_public("old", -10), _public("new", -2), _public("later", 1), _public("gone", -1, 0)]
    keys.append(_public("other", -1, 5, "T"))
    chosen = choose(keys, "U", NOW + timedelta(hours=1))
    assert chosen is not None
    assert chosen.key_id == "new"
    assert choose(keys, "X", NOW) is None


def _zip(path: Path, entries: dict[str, bytes], **more: int) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, raw in entries.items():
            archive.writestr(name, raw)
    return path


def test_package_is_read_in_groups(tmp_path: Path) -> None:
    """Numbers, sizes and metadata; then the invoices group by group, in order."""
    numbers = [ksef_number_for(serial=n) for n in range(1, 8)]
    metadata = {"invoices": [{"ksefNumber": n, "invoiceHash": "h"} for n in numbers]}
    entries = {f"{n}.xml": n.encode() * 10 for n in numbers} | {"_metadata.json": json.dumps(metadata).encode()}
    path = _zip(tmp_path / "p.zip", entries)
    inside = package.contents(path)
    assert list(inside.numbers) == numbers
    assert inside.metadata[numbers[0]]["invoiceHash"] == "h"
    groups = list(package.groups(inside, 3, 10**9))
    assert [len(g) for g in groups] == [3, 3, 1]
    assert [len(g) for g in package.groups(inside, 100, 700)] == [2, 2, 2, 1]
    assert package.invoices(path, groups[1]) == [n.encode() * 10 for n in groups[1]]


@pytest.mark.parametrize(
    "entries",
    [
        {"_metadata.json": b"{"},
        {"_metadata.json": b"[]"},
        {"_metadata.json": b'{"invoices": 1}'},
    ],
)
def test_fault_X26_strange_packages_are_refused(tmp_path: Path, entries: dict[str, bytes]) -> None:
    """Any name or metadata that KSeF does not promise."""
    with pytest.raises(BadPackage):
        package.contents(_zip(tmp_path / "p.zip", entries))


def test_strange_entries_are_left_out_of_the_package(tmp_path: Path) -> None:
    """A name that no invoice has, and a broken neighbour, do not keep the good invoices away."""
    good, large = ksef_number_for(serial=1), ksef_number_for(serial=2)
    entries = {
        "../../etc/passwd": b"x",
        f"{large}.xml": b" " * (package.LARGEST_INVOICE + 1),
        f"{good}.xml": b"<a/>",
        "_metadata.json": b'{"invoices": [1]}',
    }
    path = _zip(tmp_path / "p.zip", entries)
    inside = package.contents(path)
    assert inside.strange == ("'../../etc/passwd'",)
    assert package.invoices(path, inside.numbers) == [None, b"<a/>"]


def test_fault_X07_bombs_and_broken_archives_are_refused(tmp_path: Path) -> None:
    """Our own limit while inflating; a cut or damaged archive is no archive."""
    number = ksef_number_for()
    bomb = _zip(tmp_path / "bomb.zip", {f"{number}.xml": b" " * (package.LARGEST_INVOICE + 1)})
    assert package.invoices(bomb, (number,)) == [None]
    whole = _zip(tmp_path / "p.zip", {f"{number}.xml": bytes(range(256)) * 50}).read_bytes()
    for cut in range(0, len(whole) - 1, 7):
        (tmp_path / "cut.zip").write_bytes(whole[:cut])
        with pytest.raises(BadPackage):
            package.contents(tmp_path / "cut.zip")
    damaged = bytearray(whole)
    damaged[80] ^= 0xFF
    (tmp_path / "bad.zip").write_bytes(damaged)
    assert package.invoices(tmp_path / "bad.zip", (number,)) == [None]
    assert io.BytesIO(whole).read(2) == b"PK"


def _upo(number: str, digest: str, root: str = "Potwierdzenie") -> bytes:
    return (
        f'<{root} xmlns="http://upo.schematy.mf.gov.pl/KSeF/v4-3"><Dokument><NumerKSeFDokumentu>{number}'
        f"</NumerKSeFDokumentu><SkrotDokumentu>{digest}</SkrotDokumentu></Dokument></{root}>"
    ).encode()


def test_fault_K14_receipt_names_number_and_hash() -> None:
    """What a UPO says about each document."""
    raw = b"faktura"
    assert upo.receipts(_upo("N-1", sha256_base64(raw))) == {"N-1": sha256_hex(raw)}


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"<html>",
        _upo("N", "x", root="Inne"),
        _upo("N", "to nie base64 \xc4\x85"),
        b'<!DOCTYPE a [<!ENTITY e "x">]>' + _upo("&e;", "AAAA"),
    ],
)
def test_fault_X26_no_receipt(raw: bytes) -> None:
    """A page, another document or one with a DTD is no receipt."""
    with pytest.raises(ValueError):
        upo.receipts(raw)
