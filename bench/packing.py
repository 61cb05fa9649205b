"""Packing a batch of 10,000 invoices, beside a bare pipeline of tar, gzip and AES over the same bytes in memory.

    .venv/bin/python -m bench.packing [--rounds N] [--no-write]

Ours reads every document from the spool, checks its hash, and hashes archive and parts as KSeF wants it. Memory is the
growth of the process's peak while one package is made, in a process of its own.
"""

import asyncio
import gzip
import json
import os
import subprocess
import sys
import tarfile
import time
from io import BytesIO
from pathlib import Path

from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from agent.batch import pack_into
from agent.ksef.sealing import SymmetricKey
from agent.packing import Packing
from bench import report
from bench.documents import invoices
from spool.access import FILE, Spool
from spool.bodies import sha256_hex
from spool.domain.ledger import Entry
from spool.store import Store

COUNT = 10_000
GOAL, GOAL_MB = 1.3, 32
_CHUNK = 500


def fill(spool: Spool) -> list[Entry]:
    """The invoices as bodies in the spool."""
    entries: list[Entry] = []
    chunk: list[bytes] = []

    def job(store: Store) -> None:
        for raw in chunk:
            store.put_body(raw)

    for raw in invoices(COUNT):
        entries.append(Entry(f"{len(entries):023x}", sha256_hex(raw), len(raw)))
        chunk.append(raw)
        if len(chunk) == _CHUNK:
            spool.write_now(job)
            chunk.clear()
    spool.write_now(job)
    return entries


def ours(spool: Spool, entries: list[Entry], directory: Path) -> float:
    """Seconds for a package of all of them, as the agent makes it."""
    started = time.perf_counter()
    packing = Packing(directory, SymmetricKey())
    asyncio.run(pack_into(packing, spool, entries))
    packing.finish()
    return time.perf_counter() - started


def bare(raws: list[bytes], target: Path) -> float:
    """Seconds for the least that any package costs: tar.gz of the same level, AES-256-CBC, written."""
    started = time.perf_counter()
    encryptor = Cipher(algorithms.AES(os.urandom(32)), modes.CBC(os.urandom(16))).encryptor()
    padder = padding.PKCS7(128).padder()
    with target.open("wb") as file:

        class Sink:
            def write(self, data: bytes) -> int:
                file.write(encryptor.update(padder.update(data)))
                return len(data)

            def flush(self) -> None:
                """Nothing to do: the file is closed at the end."""

        with (
            gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=Sink(), mtime=0) as packed,  # type: ignore[arg-type]
            tarfile.open(fileobj=packed, mode="w|", format=tarfile.USTAR_FORMAT) as archive,
        ):
            for number, raw in enumerate(raws):
                entry = tarfile.TarInfo(f"{number:023x}.xml")
                entry.size = len(raw)
                archive.addfile(entry, BytesIO(raw))
        file.write(encryptor.update(padder.finalize()) + encryptor.finalize())
    return time.perf_counter() - started


def peak_growth(spool: Path, entries: Path, directory: Path) -> float:
    """Megabytes by which the peak of a fresh process grows while it makes the package."""
    command = [sys.executable, "-m", "bench.packing", "--alone", str(spool), str(entries), str(directory)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])


def alone(spool_path: Path, entries_path: Path, directory: Path) -> None:
    """The process of `peak_growth`."""
    listed = json.loads(entries_path.read_text(encoding="utf-8"))
    spool = Spool(spool_path)
    entries = [Entry(*values) for values in listed]
    ours(spool, entries[:50], directory)  # everything is imported and warm
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak begins anew
    before = _memory("VmRSS")
    ours(spool, entries, directory)
    spool.close()
    print(_memory("VmHWM") - before)


def _memory(what: str) -> float:
    """Megabytes of this process, as the kernel counts them."""
    line = next(line for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines() if what in line)
    return int(line.split()[1]) / 1024


def measure(rounds: int) -> str:
    """The table."""
    with report.directory() as path:
        spool = Spool(path / "state" / FILE)
        entries = fill(spool)
        raws = list(invoices(COUNT))
        mine, least = [], []
        for _ in range(rounds):
            least.append(bare(raws, path / "bare.aes"))
            mine.append(ours(spool, entries, path / "package"))
        spool.close()
        listed = path / "entries.json"
        listed.write_text(json.dumps([(e.id, e.sha256, e.size) for e in entries]), encoding="utf-8")
        grown = peak_growth(path / "state" / FILE, listed, path / "alone")
    ratio = report.median(mine) / report.median(least)
    memory = f"≤ {GOAL_MB} MB: {'met' if grown <= GOAL_MB else '**missed**'}"
    return report.table(
        ("10,000 invoices of 10 kB into one package", "median", "goal"),
        [
            ("bare tar + gzip + AES, bytes in memory", f"{report.median(least):.2f} s", ""),
            ("ours, from the spool, hashed", f"{report.median(mine):.2f} s", ""),
            ("ours : bare", f"{ratio:.2f} ×", report.verdict(ratio, GOAL, at_least=False)),
            ("peak memory of ours above its start", f"{grown:.0f} MB", memory),
        ],
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--alone"]:
        alone(*(Path(name) for name in sys.argv[2:]))
    else:
        report.run("packing", "Packing a batch", __doc__, measure, rounds=3)
