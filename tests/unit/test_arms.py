"""The municipality's coat of arms: any of three kinds of file, refused by field when it cannot be used."""

import io
import shutil
import subprocess
from pathlib import Path

import pytest
from pypdf import PdfReader

from gateway import settings as gateway_settings
from gateway.render import Marks, render_invoice
from gateway.render.arms import arms_from
from sluza.samples import invoice
from spool import settings
from spool.domain.errors import ConfigError
from tests.pictures import require_tools
from tests.unit.test_settings import GOOD

RED = {
    "png": bytes.fromhex(
        "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de"
        "0000000c49444154789c63f8cfc0000003010100c9fe92ef0000000049454e44ae426082"
    ),
    "jpg": bytes.fromhex(
        "ffd8ffe000104a46494600010100000100010000ffdb004300100b0c0e0c0a100e0d0e1211101318281a181616183123251d283a333d"
        "3c3933383740485c4e404457453738506d51575f626768673e4d71797064785c656763ffdb0043011112121815182f1a1a2f63423842"
        "6363636363636363636363636363636363636363636363636363636363636363636363636363636363636363636363636363ffc00011"
        "080002000203012200021101031101ffc4001f0000010501010101010100000000000000000102030405060708090a0bffc400b51000"
        "02010303020403050504040000017d01020300041105122131410613516107227114328191a1082342b1c11552d1f02433627282090a"
        "161718191a25262728292a3435363738393a434445464748494a535455565758595a636465666768696a737475767778797a83848586"
        "8788898a92939495969798999aa2a3a4a5a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3c4c5c6c7c8c9cad2d3d4d5d6d7d8d9dae1e2e3e4e5"
        "e6e7e8e9eaf1f2f3f4f5f6f7f8f9faffc4001f0100030101010101010101010000000000000102030405060708090a0bffc400b51100"
        "020102040403040705040400010277000102031104052131061241510761711322328108144291a1b1c109233352f0156272d10a1624"
        "34e125f11718191a262728292a35363738393a434445464748494a535455565758595a636465666768696a737475767778797a828384"
        "85868788898a92939495969798999aa2a3a4a5a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3c4c5c6c7c8c9cad2d3d4d5d6d7d8d9dae2e3e4"
        "e5e6e7e8e9eaf2f3f4f5f6f7f8f9faffda000c03010002110311003f00c5a28a2bcb3ef0ffd9"
    ),
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 10"><path d="M0 0h9v10h-9z" fill="#f00"/></svg>',
}


def configured(folder: Path, picture: bytes | None) -> settings.Settings:
    """A configuration with this file as its coat of arms; None leaves the file out."""
    if picture is not None:
        (folder / "herb").write_bytes(picture)
    path = folder / "sluza.toml"
    path.write_text(GOOD.replace("[paths]", 'coat_of_arms = "herb"\n\n[paths]', 1), encoding="utf-8")
    shared, root = settings.read(path)
    gateway_settings.read(shared, root)
    return shared


def test_the_setting_is_a_path_beside_the_configuration(tmp_path: Path) -> None:
    """Relative paths count from the file, as everywhere."""
    assert configured(tmp_path, RED["svg"]).municipality.coat_of_arms == tmp_path / "herb"


@pytest.mark.parametrize(
    ("picture", "why"),
    [
        (None, "nie można odczytać"),
        (b"GIF89a", "to nie jest obraz PNG, JPEG, SVG"),
        (b"", "to nie jest obraz"),
        (RED["png"] + bytes(600_000), "większy niż 500 kB"),
        (RED["png"][:50], "nie da się narysować"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'><path", "nie da się narysować"),
        (RED["svg"].decode().replace("<path", "<!-- ż --><path").encode("windows-1250"), "nie da się narysować"),
    ],
    ids=["absent", "GIF", "empty", "too large", "cut PNG", "cut SVG", "SVG not in UTF-8"],
)
def test_a_picture_that_cannot_be_used_is_refused_by_field(tmp_path: Path, picture: bytes | None, why: str) -> None:
    """At the start, not at the first invoice."""
    with pytest.raises(ConfigError, match=why) as caught:
        configured(tmp_path, picture)
    assert "municipality.coat_of_arms" in str(caught.value)


@pytest.mark.parametrize("kind", sorted(RED))
def test_the_picture_is_on_the_page(tmp_path: Path, kind: str) -> None:
    """Red stands at the top left of the first page, and only with the picture."""
    require_tools("pdftoppm")
    (tmp_path / "herb").write_bytes(RED[kind])
    assert red_pixels(render_invoice(invoice(), marks=Marks(arms=arms_from(tmp_path / "herb"))), tmp_path) > 1000
    assert red_pixels(render_invoice(invoice()), tmp_path) == 0


def red_pixels(pdf: bytes, folder: Path) -> int:
    """How many red pixels the first page has at 72 dpi."""
    (folder / "f.pdf").write_bytes(pdf)
    assert shutil.which("pdftoppm")
    done = subprocess.run(["pdftoppm", "-r", "72", "-singlefile", "f.pdf"], cwd=folder, capture_output=True, check=True)
    assert len(PdfReader(io.BytesIO(pdf)).pages) == 1
    body = done.stdout.split(b"\n255\n", 1)[1]
    return sum(body[at] > 240 and body[at + 1] < 15 for at in range(0, len(body), 3))
