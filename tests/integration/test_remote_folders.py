"""A remote unit's folders over a good line: the same files and names, and DELIVERED only when they are there."""

from pathlib import Path

from gateway.folders import layout
from spool.domain.states import State
from tests.http_bench import SCHOOL, school_invoice
from tests.remote_bench import until, world


async def test_one_invoice_there_and_back(tmp_path: Path) -> None:
    """Dropped far away, in the spool, gone from its folder; shown in w-toku; with UPO in wyslane, then DELIVERED."""
    raw = school_invoice()
    async with world(tmp_path) as w, w.school.on() as school:
        await school.ready()
        path = school.drop("faktura żółta.xml", raw)
        await until(lambda: w.documents() and not path.exists())
        document = w.only()
        assert (document.source, document.source_name) == ("http", "faktura żółta.xml")
        await until(lambda: school.json("w-toku/faktura żółta.json")["state"] == "QUEUED")
        await w.number(document, upo=False)
        await until(lambda: school.json("w-toku/faktura żółta.json")["ksef_number"])
        assert w.only().state is State.ACCEPTED
        await w.gateway.spool.write(
            lambda store: store.touch(document.id, document.updated_at, upo_sha256=store.put_body(b"<UPO/>"))
        )
        await w.state_is(State.DELIVERED)
        assert school.lying("wyslane") == [f"faktura żółta.{e}" for e in ("json", "pdf", "upo.xml", "xml")]
        assert next(school.folder.glob("wyslane/*/*a.xml")).read_bytes() == raw
        assert school.json("wyslane/2026-11/faktura żółta.json")["state"] == "DELIVERED"
        assert school.lying("w-toku") == []
        assert not (tmp_path / "gmina" / "folders" / SCHOOL / layout.OUTBOX).exists()
