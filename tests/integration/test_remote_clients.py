"""A remote unit's computer is lost, replaced, doubled, or its token stolen (faults D13)."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.remote import line
from gateway.remote.memory import Memory
from spool.bodies import sha256_hex
from spool.domain.errors import AlreadyRunning
from spool.domain.seat import LEASE, Seat, may_sit
from spool.domain.states import State
from tests.http_bench import NOW, SCHOOL, TOKENS, WELFARE, remote_town, running, school_invoice
from tests.remote_bench import Computer, until, world


async def test_fault_D13_reinstalled_with_lost_state(tmp_path: Path) -> None:
    """A new installation drops the same files again: the same documents, nothing is sent twice, results come."""
    raw = school_invoice()
    async with world(tmp_path) as w:
        async with w.school.on() as school:
            await school.ready()
            school.drop("a.xml", raw)
            await until(lambda: w.documents() and not school.lying("do-wyslania"))
        new = Computer(tmp_path / "nowy", w.line.port, options={"take_over": True})
        async with new.on():
            await new.ready()
            new.drop("a.xml", raw)
            await until(lambda: not new.lying("do-wyslania"))
            assert len(w.documents()) == 1
            await w.number(w.only())
            await w.state_is(State.DELIVERED)
            assert new.lying("wyslane") == ["a.json", "a.pdf", "a.upo.xml", "a.xml"]


async def test_fault_D13_the_second_computer_is_refused(tmp_path: Path) -> None:
    """While the first lives, the second takes nothing, writes nothing and says in Polish why."""
    async with world(tmp_path) as w, w.school.on() as school:
        await school.ready()
        second = Computer(tmp_path / "drugi", w.line.port)
        async with second.on():
            assert second.client is not None
            trouble = second.client.gate
            await until(lambda: trouble.trouble is not None)
            assert "Foldery tej jednostki prowadzi już inny komputer" in str(trouble.trouble)
            assert not second.folder.exists()
        school.drop("a.xml", school_invoice())
        await until(lambda: w.documents() and not school.lying("do-wyslania"))


async def test_fault_D13_the_first_is_fenced_when_another_took_over(tmp_path: Path) -> None:
    """The one that was replaced confirms nothing and sends nothing any more, and says whose turn it is."""
    async with world(tmp_path) as w, w.school.on() as school:
        await school.ready()
        second = Computer(tmp_path / "drugi", w.line.port, options={"take_over": True})
        async with second.on():
            await second.ready()
            await until(lambda: "inny komputer" in school.text("STAN.txt"))
            path = school.drop("a.xml", school_invoice())
            second.drop("b.xml", school_invoice("SP1/2/2026"))
            await until(lambda: w.documents() and not second.lying("do-wyslania"))
            assert path.exists()
            assert [d.source_name for d in w.documents()] == ["b.xml"]
        history = await w.gateway.spool.read(lambda store: store.history(f"unit:{SCHOOL}"))
        assert [e.move for e in history].count("seat_taken") == 2


async def test_fault_D13_revoked_token_is_out_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next exchange is refused, the files stay, STAN.txt says so; a new token in the file needs no restart."""
    monkeypatch.setattr(line, "TOKEN_AGAIN_S", 0.3)
    async with world(tmp_path) as w, w.school.on() as school:
        await school.ready()
        await w.gateway.spool.write(lambda store: store.revoke_tokens(SCHOOL, NOW, "test"))
        path = school.drop("a.xml", school_invoice())
        await until(lambda: "Bramka nie wpuszcza tego komputera" in school.text("STAN.txt"))
        assert path.exists()
        assert w.documents() == []
        new = "nowy-token-" + "n" * 30
        await w.gateway.spool.write(lambda store: store.add_token(SCHOOL, sha256_hex(new.encode()), NOW, "test"))
        (school.home / "token").write_text(new)
        await until(lambda: w.documents())


async def test_fault_D13_another_units_token_never_mixes_folders(tmp_path: Path) -> None:
    """The token file is exchanged for another unit's: nothing of these folders goes there, nothing of it comes here."""
    async with world(tmp_path, beat_s=60, poll_s=60) as w, w.school.on() as school:
        await school.ready()
        (school.home / "token").write_text(TOKENS[WELFARE])
        path = school.drop("a.xml", school_invoice())
        await until(lambda: school.client and school.client.gate.trouble)
        assert path.exists()
        assert w.documents(WELFARE) == []
        assert w.documents() == []


async def test_fault_D13_the_gateway_itself_fences_the_one_that_lost_its_seat(tmp_path: Path) -> None:
    """A frozen client that wakes and has not asked for its seat again: it gets nothing and confirms nothing."""
    other = {"X-Sluza-Client": "d" * 32}
    async with running(tmp_path, town=remote_town()) as bench:
        document = (await bench.post(school_invoice())).json["id"]
        number = await bench.receive(SCHOOL)
        assert (await bench.call("PUT", "/v1/seat?computer=stary")).status == 200
        assert (await bench.call("PUT", "/v1/seat?computer=nowy", headers=other)).json["code"] == "seat_taken"
        assert (await bench.call("PUT", "/v1/seat?computer=nowy&take=true", headers=other)).status == 200
        for method, path in (
            ("GET", "/v1/changes"),
            ("POST", f"/v1/invoices/{document}/ack?version=1"),
            ("POST", f"/v1/received/{number}/ack"),
        ):
            answer = await bench.call(method, path)
            assert (answer.status, answer.json["code"]) == (409, "seat_lost")
            assert "nowy" in answer.json["title"]
        assert (await bench.document(document)).shown == 0
        assert len((await bench.call("GET", "/v1/changes", headers=other)).json["changes"]) == 2


async def test_a_unit_that_is_not_remote_is_told_so(tmp_path: Path) -> None:
    """Its folders lie on the gateway: no second program may write for it."""
    async with running(tmp_path) as bench:
        answers = [
            await bench.call("PUT", "/v1/seat"),
            await bench.call("GET", "/v1/changes"),
            await bench.call("POST", "/v1/received/x/ack"),
        ]
        assert {(a.status, a.json["code"]) for a in answers} == {(403, "not_remote")}


def test_two_programs_on_one_state_directory(tmp_path: Path) -> None:
    """The second one ends with a sentence."""
    memory = Memory(tmp_path)
    with pytest.raises(AlreadyRunning, match="już działa"):
        Memory(tmp_path)
    memory.close()
    Memory(tmp_path).close()


def test_fault_D13_a_seat_that_is_given_up_is_free() -> None:
    """Its own holder always; another after five minutes of silence, or by a person's word; never for ever on a wrong
    clock."""
    seat = Seat(SCHOOL, "a", "komputer", NOW, NOW)
    assert may_sit(None, "b", NOW, force=False)
    assert may_sit(seat, "a", NOW, force=False)
    assert not may_sit(seat, "b", NOW + LEASE, force=False)
    assert may_sit(seat, "b", NOW + LEASE + timedelta(seconds=1), force=False)
    assert may_sit(seat, "b", NOW, force=True)
    assert may_sit(replace(seat, seen_at=NOW + timedelta(days=1)), "b", NOW, force=False)
