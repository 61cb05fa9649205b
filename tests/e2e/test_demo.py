"""The demo, as a newcomer starts it: real processes, real HTTP, real folders."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from sluza import samples
from sluza.__main__ import cli
from spool.domain.calendar import WARSAW

PATIENCE_S = 60.0


def free_base() -> int:
    """Three neighbouring ports that nobody uses."""
    for base in range(22000, 30000, 10):
        if all(_free(base + i) for i in range(3)):
            return base
    raise AssertionError("no free ports")


def _free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def wait_for(what: Any, patience_s: float = PATIENCE_S) -> Any:
    """The first truthy answer of `what()`, or a failed test."""
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        answer = what()
        if answer:
            return answer
        time.sleep(0.1)
    raise AssertionError("it did not happen in time")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """A demo that stays up; the map that it writes for programs."""
    directory = tmp_path_factory.mktemp("demo")
    command = [sys.executable, "-m", "sluza", "demo", "--data", str(directory), "--port-base", str(free_base())]
    with (directory / "out.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            # The last word of the story: from here on the demo only stays up.
            wait_for(lambda: "Pokaz działa dalej" in (directory / "out.log").read_text(encoding="utf-8"))
            yield {"directory": directory, **json.loads((directory / "demo.json").read_text(encoding="utf-8"))}
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)


def today() -> date:
    """The day in Warsaw, which is what counts."""
    return datetime.now(WARSAW).date()


def unit(demo: dict[str, Any], unit_id: str) -> Path:
    """The folder of a unit."""
    return next(Path(u["folder"]) for u in demo["units"] if u["id"] == unit_id)


def ledger(demo: dict[str, Any]) -> list[dict[str, Any]]:
    """What the sandbox has accepted."""
    with urllib.request.urlopen(f"{demo['sandbox_url']}/sandbox/ledger", timeout=10) as answer:
        invoices: list[dict[str, Any]] = json.load(answer)["invoices"]
    return invoices


def pids(demo: dict[str, Any]) -> dict[str, int]:
    """The process numbers as the demo's map says now."""
    found: dict[str, int] = json.loads((demo["directory"] / "demo.json").read_text(encoding="utf-8"))["pids"]
    return found


def test_the_demo_runs_once_and_sums_up(tmp_path: Path) -> None:
    """`--once --json` exits with 0 and its last line is the summary, everything arrived."""
    command = [sys.executable, "-m", "sluza", "demo", "--once", "--json", "--port-base", str(free_base())]
    done = subprocess.run([*command, "--data", str(tmp_path)], capture_output=True, text=True, timeout=110)
    summary = json.loads(done.stdout.splitlines()[-1])
    assert done.returncode == 0, done.stdout + done.stderr
    assert {k: v for k, v in summary.items() if k != "seconds"} == {
        "sent": 10, "numbered": 10, "upo": 10, "refused": 3, "received": 4, "unassigned": 1, "ok": True,
    }  # fmt: skip
    assert summary["seconds"] > 0


def test_every_registered_invoice_was_posted_once(demo: dict[str, Any]) -> None:
    """KSeF's register holds our bytes once each, and none was posted twice (invariant I2)."""
    ours = [i for i in ledger(demo) if i["session"]]
    assert len({i["sha256"] for i in ours}) == len(ours) == 10
    assert {i["posts"] for i in ours} == {1}


def test_a_sent_invoice_is_the_same_bytes(demo: dict[str, Any]) -> None:
    """What lies in `wyslane/` is what KSeF registered, byte for byte, with the receipt beside it."""
    registered = {i["sha256"] for i in ledger(demo)}
    sent = list(unit(demo, "sp1").glob("wyslane/*/*.json"))
    assert sent
    for path in sent:
        result = json.loads(path.read_text(encoding="utf-8"))
        assert result["sha256"] in registered
        assert result["state"] == "DELIVERED"
        assert path.with_suffix(".upo.xml").exists()
        assert path.with_suffix(".pdf").read_bytes().startswith(b"%PDF")


def test_a_killed_agent_comes_back_and_goes_on(demo: dict[str, Any]) -> None:
    """SIGKILL of the agent with an invoice on its way: the supervisor restarts it, the invoice arrives, once (F01)."""
    content = samples.unit_invoice(number="KILL/1", issue_date=today())
    before = pids(demo)["agent"]
    (unit(demo, "sp1") / "do-wyslania" / "kill.xml").write_bytes(content)
    os.kill(before, signal.SIGKILL)
    path = wait_for(lambda: next(unit(demo, "sp1").glob("wyslane/*/kill.upo.xml"), None))
    assert path.exists()
    assert wait_for(lambda: pids(demo)["agent"] not in {0, before})
    assert [i["posts"] for i in ledger(demo) if i["invoice_number"] == "KILL/1"] == [1]


def test_a_killed_gateway_loses_nothing(demo: dict[str, Any]) -> None:
    """SIGKILL of the gateway right after files were dropped: after its return every one of them is sent, once (F01)."""
    inbox = unit(demo, "gops") / "do-wyslania"
    for i in range(5):
        content = samples.consumer_invoice(number=f"GK/{i}", issue_date=today())
        (inbox / f"gk{i}.xml").write_bytes(content)
    os.kill(pids(demo)["gateway"], signal.SIGKILL)
    wait_for(lambda: len(list(unit(demo, "gops").glob("wyslane/*/gk*.upo.xml"))) == 5)
    posts = [i["posts"] for i in ledger(demo) if i["invoice_number"].startswith("GK/")]
    assert posts == [1] * 5
    assert not list(inbox.glob("gk*.xml"))


def test_the_status_page_answers(demo: dict[str, Any]) -> None:
    """With the account of `demo.json` the overview is Polish HTML, and needs nothing from outside."""
    jar = urllib.request.HTTPCookieProcessor()
    browser = urllib.request.build_opener(jar)
    form = {"login": demo["admin"]["user"], "password": demo["admin"]["password"]}
    sent = urllib.parse.urlencode(form).encode()
    with browser.open(demo["dashboard_url"] + "logowanie", sent, timeout=10) as answer:
        page = answer.read().decode()
    assert "Czekają na numer KSeF" in page
    assert '<html lang="pl"' in page
    assert "https://" not in page.replace("https://qr", "")


def test_the_command_line_shows_the_same(demo: dict[str, Any]) -> None:
    """`queue list`, `received list`, `unit list`, `status` and `check-config` answer as JSON on the demo's spool."""

    def ask(*words: str) -> Any:
        done = CliRunner().invoke(cli, ["--config", demo["config"], *words, "--json"], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    documents = ask("queue", "list", "--all")
    assert {d["state"] for d in documents} >= {"DELIVERED", "REFUSED"}
    shown = ask("queue", "show", documents[0]["id"])
    assert shown["history"]
    assert len(ask("received", "list")) == 4
    assert len(ask("received", "list", "--unassigned")) == 1
    assert [u["id"] for u in ask("unit", "list")] == ["ug", "sp1", "gops"]
    assert ask("status")["ok"] is True
    assert ask("check-config")["ok"] is True


def test_every_invariant_holds_at_the_end(demo: dict[str, Any]) -> None:
    """After everything above, kills included, `sluza check` finds nothing, neither here nor in KSeF's register."""
    done = subprocess.run(
        [sys.executable, "-m", "sluza", "--config", demo["config"], "check", "--against-ksef", "--json"],
        capture_output=True, text=True, timeout=100,
    )  # fmt: skip
    answer = json.loads(done.stdout)
    assert (done.returncode, answer["findings"]) == (0, []), done.stderr
    assert answer["checked"]["I2"]["checked"] >= 16
