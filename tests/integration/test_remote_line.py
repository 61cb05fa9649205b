"""A remote unit over a bad line (faults D12): every wait ends, what came stays, nothing is removed without its hash."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.folders.settling import Patience
from gateway.remote import delivery
from gateway.remote.errors import LineDownError
from gateway.remote.line import Line
from gateway.remote.parts import Parts
from sluza.samples import sized
from spool.bodies import sha256_hex
from spool.domain.states import State
from tests.http_bench import NOW, SCHOOL, school_invoice, welfare_invoice
from tests.remote_bench import QUICK, World, until, world


async def _through(w: World, raw: bytes) -> None:
    """The invoice is in the spool once, byte for byte, and its file is gone."""
    await until(lambda: w.documents() and not w.school.lying("do-wyslania"), 20)
    sha256 = w.only().sha256
    assert await w.gateway.spool.read(lambda store: store.body(sha256)) == raw


@pytest.mark.parametrize("at", [1, 300, 700, 1500, 2300])
async def test_fault_D12_cut_anywhere_on_the_way_up(tmp_path: Path, at: int) -> None:
    """The connection breaks after so many bytes of the delivery: the file stays until the gateway names its hash."""
    raw = school_invoice()
    async with world(tmp_path) as w, w.school.on() as school:
        await school.ready()
        w.line.drop_all()
        w.line.cut_up = at
        school.drop("a.xml", raw)
        await until(lambda: w.line.cuts == 1)
        assert school.lying("do-wyslania") == ["a.xml"] or len(w.documents()) == 1
        await _through(w, raw)


@pytest.mark.parametrize("at", [1, 400, 2000, 8000, 20000])
async def test_fault_D12_cut_anywhere_on_the_way_down(tmp_path: Path, at: int) -> None:
    """The connection breaks while results come: whole files or none, and DELIVERED only after them."""
    async with world(tmp_path) as w:
        document = (await w.gateway.post(school_invoice(), X_File_Name="a.xml")).json["id"]
        await w.number(await w.gateway.document(document))
        w.line.cut_down = at
        async with w.school.on() as school:
            await w.state_is(State.DELIVERED, 20)
            assert w.line.cuts == 1
            assert school.lying("wyslane") == ["a.json", "a.pdf", "a.upo.xml", "a.xml"]
            assert (next(school.folder.glob("wyslane/*/a.xml"))).read_bytes() == school_invoice()


async def test_fault_D12_half_open(tmp_path: Path) -> None:
    """Bytes go nowhere and no end is ever told: the wait ends by itself, and the next connection carries the file."""
    async with world(tmp_path) as w, w.school.on() as school:
        await school.ready()
        w.line.silent = True
        school.drop("a.xml", school_invoice())
        await until(lambda: "Bramka nie odpowiada w wyznaczonym czasie" in school.text("STAN.txt"), 15)
        assert school.lying("do-wyslania") == ["a.xml"]
        w.line.silent = False
        await _through(w, school_invoice())
        await until(lambda: "Jest. Pliki wychodzą same" in school.text("STAN.txt"))


async def test_fault_D12_large_body_goes_on_where_it_broke(tmp_path: Path) -> None:
    """300 kB that break in the middle three times: what the gateway has is not sent again."""
    raw, uploads = sized(school_invoice(), 300_000), tmp_path / "gmina" / "state" / "uploads" / SCHOOL
    async with world(tmp_path) as w, w.school.on() as school:
        await school.ready()

        async def put_away() -> None:
            """What passed before this cut is on the gateway's disk; what is still in memory a cut may take."""
            much = (w.line.cuts + 1) * 50_000  # of 60,000; the rest is heads and questions
            await until(lambda: sum(path.stat().st_size for path in uploads.glob("*")) >= much, 20)

        w.line.before_cut = put_away
        for n in range(3):
            w.line.cut_up = 60_000
            if not n:
                school.drop("wielka.xml", raw)
            await until(lambda n=n: w.line.cuts == n + 1, 30)  # type: ignore[misc]
        await until(lambda: not school.lying("do-wyslania"), 30)
        assert w.only().sha256 == sha256_hex(raw)
        assert w.line.up < 300_000 + 60_000


async def test_fault_D12_download_goes_on_where_it_broke(tmp_path: Path) -> None:
    """A file of 300 kB over a line that breaks: the rest is asked for, and the hash is that of the whole."""
    raw = sized(school_invoice(), 300_000)
    async with world(tmp_path) as w:
        document = (await w.gateway.post(raw, X_File_Name="a.xml")).json["id"]
        w.school.home.mkdir()
        settings = w.school.settings()
        parts = Parts(tmp_path / "czesci")
        async with Line(settings.server, settings.token_file, None, "c" * 32, parts, QUICK) as line:
            await line.call("PUT", "/v1/seat")
            w.line.cut_down = 200_000
            with pytest.raises(LineDownError):
                await line.fetch(f"/v1/invoices/{document}/xml")
            before = w.line.down_bytes
            assert await line.fetch(f"/v1/invoices/{document}/xml") == raw
            assert w.line.down_bytes - before < 150_000
            assert not list((tmp_path / "czesci").iterdir())


async def test_fault_D12_one_kilobyte_a_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the thinnest line pieces become small enough for every patience, and the most urgent invoice goes first."""
    monkeypatch.setattr(delivery, "_PIECE_TAKES_S", 1.0)
    monkeypatch.setattr(delivery, "_SMALLEST", 512)
    raw = sized(school_invoice(), 20_000)
    async with world(tmp_path) as w, w.school.on() as school:
        await school.ready()
        assert school.client is not None
        w.line.rate = 8_000
        school.drop("a.xml", raw)
        await _through(w, raw)


async def test_fault_D12_vpn_drops_while_everything_is_under_way(tmp_path: Path) -> None:
    """Every connection gone at once, then refused for a while: all files arrive once, none is left or sent twice."""
    raws = {f"f{n}.xml": school_invoice(f"SP1/{n}/2026") for n in range(8)}
    async with world(tmp_path) as w, w.school.on() as school:
        await school.ready()
        for name, raw in raws.items():
            school.drop(name, raw)
        await until(lambda: w.documents())
        w.line.down = True
        w.line.drop_all()
        await until(lambda: "Nie ma połączenia z bramką" in school.text("STAN.txt"))
        w.line.down = False
        await until(lambda: not school.lying("do-wyslania"), 20)
        assert sorted(d.sha256 for d in w.documents()) == sorted(map(sha256_hex, raws.values()))


async def test_fault_D12_no_removal_without_the_same_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gateway that confirms other bytes confirms nothing: the file stays where it is."""
    real = Line.call

    async def lying(self: Line, method: str, path: str, *args: object, **more: object) -> object:
        reply = await real(self, method, path, *args, **more)  # type: ignore[arg-type]
        return replace(reply, sha256="0" * 64) if "uploads" in path and reply.sha256 else reply

    monkeypatch.setattr(Line, "call", lying)
    async with world(tmp_path) as w, w.school.on() as school:
        await school.ready()
        school.drop("a.xml", school_invoice())
        await until(lambda: w.documents())
        await asyncio.sleep(0.5)
        assert school.lying("do-wyslania") == ["a.xml"]


async def test_fault_D12_a_portal_page_is_no_answer(tmp_path: Path) -> None:
    """A page of a captive portal with status 200 takes nothing from the folder."""

    async def portal(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 15\r\n\r\n<html>W</html>\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(portal, "127.0.0.1", 0)
    async with world(tmp_path) as w, w.school.on() as school:
        await school.ready()
        w.line.target = server.sockets[0].getsockname()[1]
        w.line.drop_all()
        school.drop("a.xml", school_invoice())
        await until(lambda: "odpowiada coś innego" in school.text("STAN.txt"))
        assert school.lying("do-wyslania") == ["a.xml"]
    server.close()


async def test_fault_D01_a_half_written_file_is_not_refused_far_away(tmp_path: Path) -> None:
    """The same rules as beside the gateway: an unfinished XML waits, is finished, and goes; nothing of it is stored."""
    raw = school_invoice()
    async with world(tmp_path, patience=Patience(0.1, 30, 30)) as w, w.school.on() as school:
        await school.ready()
        path = school.drop("a.xml", raw[:900])
        await asyncio.sleep(0.6)
        assert w.documents() == []
        assert path.exists()
        with path.open("ab") as handle:
            handle.write(raw[900:])
        await _through(w, raw)


async def test_refusal_comes_back_with_its_note(tmp_path: Path) -> None:
    """What the gateway refuses lies in odrzucone with the sentence; what it does not keep is put aside here."""
    async with world(tmp_path) as w, w.school.on() as school:
        await school.ready()
        school.drop("zla.xml", school_invoice().replace(b"<KodWaluty>PLN", b"<KodWaluty>ZZZ"))
        school.drop("notatka.txt", b"dzien dobry")
        await until(lambda: len(school.lying("odrzucone")) == 6, 25)  # xmlschema takes its time
        assert {"zla.blad.txt", "zla.json", "zla.xml", "notatka.blad.txt", "notatka.txt"} <= set(
            school.lying("odrzucone")
        )
        (note,) = school.folder.glob("odrzucone/*/zla.blad.txt")
        assert "FAKTURA NIE ZOSTAŁA PRZYJĘTA" in note.read_bytes().decode("utf-8-sig")
        assert note.read_bytes().startswith(b"\xef\xbb\xbf")
        assert b"\r\n" in note.read_bytes()


async def test_purchases_registers_and_offline_papers_come(tmp_path: Path) -> None:
    """odebrane, rejestry, and for an offline invoice its PDF in w-toku; only this unit's."""
    async with world(tmp_path) as w:
        async with w.school.on() as school:
            await school.ready()
            number = await w.gateway.receive(SCHOOL, 1)
            await w.gateway.receive("gops", 2)
            w.gateway.register(SCHOOL, "2026-11-wystawione.csv", b"\xef\xbb\xbfa;b\r\n")
            w.gateway.register("gops", "2026-11-cudze.csv")
            await w.gateway.post(welfare_invoice(), unit="gops", X_File_Name="cudza.xml")
            school.drop("offline.xml", school_invoice(), offline24=True)
            await until(lambda: school.lying("w-toku") == ["offline.json", "offline.pdf"])
            await until(lambda: len(school.lying("odebrane")) == 3)
            assert all(number in name for name in school.lying("odebrane"))
            await until(lambda: w.gateway.spool.read_now(lambda store: store.received(number)).mirrored_at)
            everything = {p.name for p in school.home.rglob("*")}
            assert not any("cudz" in name for name in everything)
        async with w.school.on():
            await until(lambda: w.school.lying("rejestry") == ["2026-11-wystawione.csv"])


async def test_a_locked_result_holds_up_no_other(tmp_path: Path) -> None:
    """A folder of a month that cannot be written: the others come, STAN.txt says it, and it is not acknowledged."""
    async with world(tmp_path) as w, w.school.on() as school:
        await school.ready()
        month = school.folder / "odrzucone" / "2026-11"
        month.write_text("plik zamiast folderu")
        await w.gateway.post(b"<zla/>", X_File_Name="zla.xml")
        await w.gateway.post(school_invoice(), X_File_Name="dobra.xml")
        await until(lambda: school.lying("w-toku") == ["dobra.json"])
        await until(lambda: "Nie można zapisać wyniku „zla”" in school.text("STAN.txt"))
        month.unlink()
        await until(lambda: "zla.blad.txt" in school.lying("odrzucone"))


async def test_inv_I7_a_purchase_assigned_away_leaves_the_unit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its copies go from the computer of the unit that had it, even when that was just writing them."""
    real = Line.call

    async def assigned_meanwhile(self: Line, method: str, path: str, *args: object, **more: object) -> object:
        if path.endswith("/ack") and not done:
            done.append(path)
            await w.gateway.spool.write(lambda store: store.assign(number, "gops", NOW, "Anna", "pomyłka"))
        return await real(self, method, path, *args, **more)  # type: ignore[arg-type]

    done: list[str] = []
    async with world(tmp_path) as w:
        number = await w.gateway.receive(SCHOOL, 1)
        monkeypatch.setattr(Line, "call", assigned_meanwhile)
        async with w.school.on() as school:
            await until(lambda: done)
            await until(lambda: school.lying("odebrane") == [])
            second = await w.gateway.receive(SCHOOL, 2)
            await until(lambda: len(school.lying("odebrane")) == 3)
            await w.gateway.spool.write(lambda store: store.assign(second, "gops", NOW, "Anna", "pomyłka"))
            await until(lambda: school.lying("odebrane") == [])
            await until(lambda: not w.gateway.spool.read_now(lambda store: store.recalled(9, SCHOOL)))
