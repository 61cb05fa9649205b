"""Drop folders: what is taken, when, and what never is. Real directories, a real spool."""

import asyncio
import io
import os
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.folders import dropbox, layout
from spool.domain.states import State
from tests.folders_bench import FAST, PATIENT, SCHOOL, WELFARE, Bench, bench_at, sale, until


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with bench_at(tmp_path) as found:
        yield found


async def test_a_dropped_file_is_stored_and_then_removed(bench: Bench) -> None:
    """The bytes are in the spool, exactly, before the file is gone."""
    async with bench.running():
        path = bench.drop("FV 1.xml", sale())
        await until(lambda: not path.exists())
    document = bench.only()
    assert (document.state, document.unit, document.source_name) == (State.QUEUED, SCHOOL, "FV 1.xml")
    assert bench.spool.read_now(lambda store: store.body(document.sha256)) == sale()


async def test_zip_becomes_one_document_per_entry(bench: Bench) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.xml", sale("Z/1"))
        archive.writestr("b.xml", sale("Z/2"))
    async with bench.running():
        path = bench.drop("Paczka.ZIP", packed.getvalue())
        await until(lambda: not path.exists())
    assert [d.source_name for d in bench.documents()] == ["a.xml", "b.xml"]


async def test_offline24_folder_sets_the_mode(bench: Bench) -> None:
    async with bench.running():
        path = bench.drop("offline24/o.xml", sale())
        await until(lambda: not path.exists())
    assert bench.only().mode.value == "offline24"


async def test_existing_files_are_taken_at_start(bench: Bench) -> None:
    await bench.set_up()
    path = bench.drop("stara.xml", sale())
    async with bench.running():
        await until(lambda: not path.exists())
    assert len(bench.documents()) == 1
