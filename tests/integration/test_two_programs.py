"""Two gateways on one spool, as processes: the second stops, one that was frozen writes nothing more (faults F13)."""

import contextlib
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sluza.samples import unit_invoice
from spool.access import FILE
from spool.domain.calendar import warsaw_date
from spool.domain.errors import AlreadyRunning
from spool.lock import LEASE_S, RoleLock, lease
from spool.looking import Looking
from tests.integration.test_http_process import Gateway, configuration, give_token

XML = {"Content-Type": "application/xml"}


def test_fault_F13_a_frozen_gateway_that_wakes_writes_nothing(tmp_path: Path) -> None:
    """Stopped past its lease, replaced, woken up: it answers no 202, adds nothing, and ends with one sentence and 3."""
    config = configuration(tmp_path)
    (tmp_path / "state").mkdir(mode=0o700)
    give_token(tmp_path)
    raw = unit_invoice(number="F13/1", issue_date=warsaw_date(datetime.now(UTC)))
    frozen = Gateway(config)
    frozen.process.send_signal(signal.SIGSTOP)
    with pytest.raises(AlreadyRunning, match=f"gateway, proces {frozen.process.pid}"):
        RoleLock(tmp_path / "state", "gateway")  # its lease is not over yet
    lock = tmp_path / "state" / "gateway.lock"
    pid, boot, _ = lock.read_text(encoding="ascii").split()
    lock.write_text(lease(int(pid), boot, time.monotonic() - LEASE_S - 5), encoding="ascii")
    second = Gateway(config)
    try:
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(frozen.call, "/v1/invoices", raw, **XML)  # waits in the frozen one's queue
            frozen.process.send_signal(signal.SIGCONT)
            with contextlib.suppress(OSError):  # it had ended before it could answer: no promise either
                assert asked.result(30)[0] == 503
        assert frozen.process.wait(30) == 3
        assert [line for line in frozen.log.read_text().splitlines() if line.startswith("Śluza już działa")] != []
        assert "Traceback" not in frozen.log.read_text()
        assert _documents(tmp_path) == 0
        assert second.call("/v1/invoices", raw, **XML)[0] == 202
        assert _documents(tmp_path) == 1
    finally:
        frozen.process.kill()
        assert second.stop() == 0


def _documents(directory: Path) -> int:
    looking = Looking(directory / "state" / FILE)
    try:
        return looking.read_now(lambda store: store.rows_in("document"))
    finally:
        looking.close()
