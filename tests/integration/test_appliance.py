"""What the installer puts on a server: the unit, the supervisor's programs, the script itself."""

import configparser
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from spool.domain.exits import Exit

ROOT = Path(__file__).resolve().parents[2]
UNIT = ROOT / "systemd" / "sluza.service"


def supervisor() -> configparser.RawConfigParser:
    """The supervisor's configuration."""
    parsed = configparser.RawConfigParser(inline_comment_prefixes=None)
    parsed.read(ROOT / "systemd" / "supervisord.conf", encoding="utf-8")
    return parsed


def test_the_unit_is_hardened() -> None:
    """`systemd-analyze security` gives the unit an exposure of at most 1.5."""
    if shutil.which("systemd-analyze") is None:
        assert not os.environ.get("CI"), "systemd-analyze is missing"
        pytest.skip("systemd-analyze is not installed")
    command = ["systemd-analyze", "security", "--offline=true", "--threshold=15", "--no-pager", str(UNIT)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-500:] + done.stderr


def test_supervisor_runs_exactly_the_products_programs() -> None:
    """Gateway and agent, what watches over them, and a training's sandbox where there is one; a configuration error
    (fault of a person) is not repeated, nor a sandbox that nobody asked for."""
    programs = {name: supervisor()[name] for name in supervisor().sections() if name.startswith("program:")}
    assert set(programs) == {"program:gateway", "program:agent", "program:sandbox"}
    for name, settings in programs.items():
        assert settings["autorestart"] == "unexpected"
        assert settings["exitcodes"] == ("0,2" if name == "program:sandbox" else str(Exit.USAGE.value))
        assert settings["startsecs"] == "0", "supervisord forgets the exit code of what ends before"
    listeners = [name for name in supervisor().sections() if name.startswith("eventlistener:")]
    assert listeners == ["eventlistener:overseer"]


def test_a_wrong_configuration_does_not_restart_the_unit() -> None:
    """The check belongs to the main process, and its exit code forbids the restart."""
    lines = UNIT.read_text(encoding="utf-8").splitlines()
    assert any(line.startswith("ExecStart=") and "check-config &&" in line for line in lines)
    assert "RestartPreventExitStatus=2" in lines


def test_only_an_administrator_stops_the_unit() -> None:
    """Whatever supervisord ended with, systemd starts it again, soon; what it left is killed and not waited for."""
    lines = UNIT.read_text(encoding="utf-8").splitlines()
    assert {"Restart=always", "RestartSec=2", "KillMode=mixed", "StartLimitIntervalSec=0"} <= set(lines)


def test_the_overseer_hears_which_processes_start() -> None:
    """Otherwise one that hangs before it is ready is nobody's."""
    events = supervisor()["eventlistener:overseer"]["events"].split(",")
    assert {"TICK_5", "PROCESS_STATE_RUNNING", "PROCESS_STATE_EXITED", "PROCESS_STATE_FATAL"} == set(events)


@pytest.mark.parametrize(("words", "code"), [(("--help",), 0), (("--nonsense",), 1)])
def test_the_installer_explains_itself(words: tuple[str, ...], code: int) -> None:
    """`--help` names the two commands; an unknown option shows the same and fails."""
    done = subprocess.run([str(ROOT / "install.sh"), *words], capture_output=True, text=True)
    assert done.returncode == code
    assert "./install.sh --demo" in done.stdout
    assert "./install.sh --test" in done.stdout


def test_the_installer_is_for_root() -> None:
    """Without root the appliance is not installed, and the sentence points to the demo."""
    as_nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
    script = (ROOT / "install.sh").read_text(encoding="utf-8")
    done = subprocess.run([*as_nobody, "bash", "-s"], input=script, capture_output=True, text=True, cwd="/")
    assert done.returncode == 1
    assert "sudo ./install.sh" in done.stderr
