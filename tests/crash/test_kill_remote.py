"""The client of a remote unit killed at every point it passes (faults D12: reboot): nothing lost, nothing twice."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from spool import crashpoint
from spool.domain.states import State
from tests.folders_bench import until
from tests.http_bench import SCHOOL, school_invoice
from tests.remote_bench import UPO, Computer, World, world

ROOT = Path(__file__).resolve().parents[2]
POINTS = [*crashpoint.REMOTE, "intake.held", "intake.removed", "files.written", "files.synced", "files.renamed"]
USUAL = ("remote.piece", "remote.acknowledged", "intake.held", "remote.written")
"""Between the steps of which one must come before the other; the rest with `--crash-all`."""


async def start(computer: Computer, crash: str = "") -> asyncio.subprocess.Process:
    """`sluza folders` as a process of its own."""
    settings = computer.settings()
    environment = {**os.environ, "PYTHONPATH": str(ROOT)} | ({crashpoint.VARIABLE: crash} if crash else {})
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "sluza", "folders", "--server", str(settings.server), "--token-file",
        str(settings.token_file), "--root", str(settings.root), "--state", str(settings.state),
        env=environment, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip


async def _settle(w: World) -> None:
    """As the agent: a number and a UPO for whatever has come."""
    for document in w.documents():
        if document.state is State.QUEUED:
            await w.number(document)


@pytest.mark.parametrize("point", POINTS)
async def test_fault_D12_killed_anywhere(tmp_path: Path, point: str, pytestconfig: pytest.Config) -> None:
    """SIGKILL at the point, then started again: one document, DELIVERED, its files whole, nothing left behind."""
    if point not in USUAL and not pytestconfig.getoption("--crash-all"):
        return  # not skipped: with CI=true nothing may be
    raw = school_invoice()
    async with world(tmp_path) as w:
        w.school.home.mkdir()
        inbox = w.school.folder / "do-wyslania"
        inbox.mkdir(parents=True)
        (w.school.folder / ".sluza-folder").write_text(f"{SCHOOL}\n")
        (inbox / "a.xml").write_bytes(raw)
        times = 3 if point.startswith("files.") else 1
        if point == "remote.piece":
            raw = raw.replace(b"</Faktura>", b" " * 40_000 + b"</Faktura>")
            (inbox / "a.xml").write_bytes(raw)
        process = await start(w.school, f"{point}:{times}")
        ended = asyncio.ensure_future(process.wait())
        while not ended.done():
            await _settle(w)
            await asyncio.wait([ended], timeout=0.1)
        assert ended.result() == -9
        second = await start(w.school)
        try:
            await until(lambda: w.documents() and not w.school.lying("do-wyslania"), 30)
            await _settle(w)
            await w.state_is(State.DELIVERED, 30)
        finally:
            second.terminate()
            assert await asyncio.wait_for(second.wait(), 20) == 0
        document = w.only()
        assert await w.gateway.spool.read(lambda store: store.body(document.sha256)) == raw
        assert w.school.lying("wyslane") == ["a.json", "a.pdf", "a.upo.xml", "a.xml"]
        (upo,) = w.school.folder.glob("wyslane/*/a.upo.xml")
        assert upo.read_bytes() == UPO + document.id.encode()
        assert w.school.lying("do-wyslania") == w.school.lying("w-toku") == []
