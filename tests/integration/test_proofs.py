"""The package of proofs: somebody who has nothing but the ZIP follows its instructions."""

import io
import json
import re
import subprocess
import zipfile
from base64 import b64encode
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path

import pytest

from gateway import evidence
from gateway.trail import as_csv, as_json_lines
from spool import outages
from spool.domain.accounts import Role
from spool.store import Store
from tests.http_bench import NOW, SCHOOL, WELFARE, Bench, InlineWorkers, running, school_invoice, welfare_invoice

UPO = """<Potwierdzenie><Dokument><SkrotDokumentu>{}</SkrotDokumentu></Dokument></Potwierdzenie>"""


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """A drop-point and pages over a fresh spool."""
    async with running(tmp_path) as started:
        yield started


async def numbered(bench: Bench) -> str:
    """An invoice of the school with number, UPO and an announcement behind its date; returns its id."""
    raw = school_invoice()
    document = str((await bench.post(raw)).json["id"])
    digest = b64encode(sha256(raw).digest()).decode()
    await bench.number(document, upo=UPO.format(digest).encode())
    message = {
        "eventId": 7, "id": "m1", "category": "FAILURE", "type": "FAILURE_START", "title": "Awaria",
        "start": NOW.isoformat(), "version": 1, "published": NOW.isoformat(),
    }  # fmt: skip

    def work(store: Store) -> None:
        (announced,) = outages.hear(store, "sandbox", [message], NOW)
        store.touch(document, NOW, announcements=f'["{announced} (wersja 1)"]')

    await bench.spool.write(work)
    return document


def commands(text: str) -> list[str]:
    """What the instructions tell to type: a line after "$", or as many as stand between its quotes."""
    found = []
    for part in re.split(r"^    \$ ", text, flags=re.MULTILINE)[1:]:
        line, _, rest = part.partition("\n")
        found.append(line if line.count('"') % 2 == 0 else line + "\n" + rest[: rest.index('\n"') + 2])
    return found


def follow(directory: Path, raw: bytes, most: int = 9) -> list[tuple[int, str]]:
    """Unpack, and do what the text says first; returns the exit code and the output of every command."""
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        archive.extractall(directory)
    text = (directory / "JAK-SPRAWDZIC.txt").read_text(encoding="utf-8")
    found = [
        subprocess.run(["bash", "-c", c], cwd=directory, capture_output=True, text=True) for c in commands(text)[:most]
    ]
    return [(done.returncode, done.stdout.strip()) for done in found]


async def test_a_stranger_checks_a_package_by_its_own_text(bench: Bench, tmp_path: Path) -> None:
    """Every command succeeds; after one bit was changed anywhere, one of them fails."""
    document = await numbered(bench)
    await bench.enter("anna", Role.COORDINATOR)
    answer = await bench.admin(f"/faktury/{document}/dowody.zip", who="anna")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/zip")
    (tmp_path / "a").mkdir()
    done = follow(tmp_path / "a", answer.body)
    assert [code for code, _ in done] == [0] * 6, done
    texts = "\n".join(text for _, text in done)
    assert {"ZGODNE", "HISTORIA ZGODNA", "KOMUNIKATY ZGODNE"} <= set(texts.splitlines())
    link = json.loads((tmp_path / "a" / "dane.json").read_text())["kod1_url"]
    assert link.endswith("/" + done[3][1])
    for name in ("faktura.xml", "historia.json", "komunikaty/001.json", "upo.xml"):
        with zipfile.ZipFile(io.BytesIO(answer.body)) as archive:
            changed = io.BytesIO()
            with zipfile.ZipFile(changed, "w") as other:
                for entry in archive.namelist():
                    raw = archive.read(entry)
                    other.writestr(entry, raw[:-1] + bytes([raw[-1] ^ 1]) if entry == name else raw)
        (tmp_path / name.replace("/", "-")).mkdir()
        assert follow(tmp_path / name.replace("/", "-"), changed.getvalue(), most=1)[0][0] == 1


async def test_the_same_state_gives_the_same_bytes_and_nothing_of_others(bench: Bench) -> None:
    """Also after other documents came and the process began again."""
    document = await numbered(bench)
    await bench.enter("anna", Role.COORDINATOR)
    before = (await bench.admin(f"/faktury/{document}/dowody.zip", who="anna")).body
    await bench.post(welfare_invoice(), unit=WELFARE)
    after = (await bench.admin(f"/faktury/{document}/dowody.zip", who="anna")).body
    assert before == after
    with zipfile.ZipFile(io.BytesIO(before)) as archive:
        events = json.loads(archive.read("historia.json"))["events"]
    assert {e["subject"] for e in events} == {document}


async def test_a_package_of_another_unit_is_absent(bench: Bench) -> None:
    """An accountant of the welfare centre gets the 404 of an invoice that there is not (I7)."""
    document = await numbered(bench)
    await bench.enter("ewa", Role.ACCOUNTANT, WELFARE)
    foreign = await bench.admin(f"/faktury/{document}/dowody.zip", who="ewa")
    absent = await bench.admin("/faktury/nie-ma/dowody.zip", who="ewa")
    assert (foreign.status, absent.status) == (404, 404)


async def test_a_purchase_has_a_package_too(bench: Bench, tmp_path: Path) -> None:
    """Without UPO, which its seller has; the instructions say so."""
    number = await bench.receive(SCHOOL)
    found = await bench.spool.read(lambda s: evidence.of_received(s, s.received(number), bench.municipality))
    made = await evidence.packed(found, InlineWorkers())
    done = follow(tmp_path, made)
    assert [code for code, _ in done] == [0] * len(done)
    assert "UPO dostaje wystawca" in (tmp_path / "JAK-SPRAWDZIC.txt").read_text(encoding="utf-8")


async def test_fault_X11_the_exported_history_reckons_nothing(bench: Bench) -> None:
    """A note that is a formula is text in CSV; a JSON line has it as it is sealed, and its seal can be recomputed."""
    await bench.spool.write(lambda s: s.log("x", "y", NOW, "=cmd", "\t=1+1\r\n+2", {"a": "@x"}))
    links = await bench.spool.read(lambda s: s.all_links(0, None, 100))
    (*_, line) = as_csv(links)
    cells = line.rstrip("\r\n").split(";")
    assert not [cell for cell in cells if cell.strip('"').lstrip().startswith(("=", "+", "@"))]
    assert line.count("\n") == 1
    (*_, sealed) = as_json_lines(links)
    assert json.loads(sealed)["note"] == "\t=1+1\r\n+2"
