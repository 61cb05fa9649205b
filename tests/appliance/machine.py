"""A machine for one test: an overlay over a debootstrapped root, booted by systemd-nspawn."""

import codecs
import contextlib
import os
import pty
import select
import shutil
import signal
import subprocess
import time
from pathlib import Path

PACKAGES = "ca-certificates,python3,python3-venv,systemd,systemd-sysv,dbus,samba,smbclient"
SOURCE, WHEELS = "/root/src", "/root/wheels"
_PATIENCE_S = 60.0
_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/root"}
_CERTIFICATES = Path("/etc/ssl/certs")


def clone() -> Path:
    """The project under test."""
    return Path(__file__).resolve().parents[2]


def root_of(release: str, cache: Path) -> Path:
    """A root of this release of Debian, made once. A customer's server has Python; Samba is there for one story."""
    root = cache / release
    if not (root / ".whole").exists():
        shutil.rmtree(root, ignore_errors=True)
        command = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", release, str(root)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        for unit in ("nmbd", "smbd", "samba-ad-dc"):  # nmbd waits for an interface that a test machine has not got
            (root / "etc/systemd/system" / f"{unit}.service").unlink(missing_ok=True)
            for link in (root / "etc/systemd/system").rglob(f"{unit}.service"):
                link.unlink()
        (root / ".whole").touch()
    return root


def wheels_of(release: str, cache: Path) -> Path:
    """Every locked package, downloaded by the Python of that release: what an installation without network is given."""
    wheels = cache / f"wheels-{release}"
    lock = (clone() / "requirements.lock").read_bytes()
    if wheels.is_dir() and (wheels / "lock").exists() and (wheels / "lock").read_bytes() == lock:
        return wheels
    shutil.rmtree(wheels, ignore_errors=True)
    with Machine(root_of(release, cache), cache / f"download-{release}", network=True) as machine:
        machine.run("python3 -m venv /root/v")
        fetch = "/root/v/bin/pip download --quiet --only-binary=:all: --require-hashes"
        machine.run(f"{fetch} -r {SOURCE}/requirements.lock -d /root/wheels", seconds=600)
        shutil.copytree(machine.root / "root/wheels", wheels)
    (wheels / "lock").write_bytes(lock)
    return wheels


class Machine:
    """Booted while the context lasts; `root` is its file system as seen from here."""

    def __init__(self, base: Path, work: Path, *, network: bool, wheels: Path | None = None) -> None:
        self.work, self.root, self._network = work, work / "root", network
        self._wheels = wheels
        self._base, self._leader = base, 0
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Machine":
        shutil.rmtree(self.work, ignore_errors=True)
        for name in ("root", "upper", "inner"):
            (self.work / name).mkdir(parents=True)
        layers = f"lowerdir={self._base},upperdir={self.work}/upper,workdir={self.work}/inner"
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o", layers, str(self.root)], check=True)
        self.bring_source()
        if self._wheels:
            shutil.copytree(self._wheels, self.root / WHEELS.lstrip("/"))
        shared = ["--bind-ro=/etc/resolv.conf", f"--bind-ro={_CERTIFICATES}"]
        options = shared if self._network else ["--private-network"]
        boot = ["systemd-nspawn", "-q", "-D", str(self.root), "-b", "--register=no", "--keep-unit", "--console=pipe"]
        inside = 'mount -t cgroup2 cgroup2 /sys/fs/cgroup && exec "$@"'
        log = (self.work / "boot.log").open("wb")
        self._process = subprocess.Popen(
            ["unshare", "-m", "sh", "-c", inside, "sh", *boot, *options],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
        self._wait_for_systemd()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        if self._leader:
            self.run("systemctl poweroff", check=False)
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        subprocess.run(["umount", "-l", str(self.root)], check=False)

    def bring_source(self) -> None:
        """The clone as it is now, with what is not committed yet."""
        target = self.root / SOURCE.lstrip("/")
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        names = subprocess.run(
            ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=clone(), check=True, capture_output=True
        ).stdout
        packed = subprocess.run(
            ["tar", "-cf", "-", "--null", "-T", "-"], input=names, cwd=clone(), check=True, capture_output=True
        )
        subprocess.run(["tar", "-xf", "-", "-C", str(target)], input=packed.stdout, check=True)

    def start(
        self, command: str, stdin: int = subprocess.DEVNULL, said: int = subprocess.PIPE
    ) -> subprocess.Popen[str]:
        """A shell command inside, not waited for; all it says goes to `said`."""
        entering = ["nsenter", "-t", str(self._leader), "-m", "-u", "-i", "-n", "-p", "-C", "-r", "-w"]
        environment = _ENVIRONMENT | ({"PIP_CERT": f"{_CERTIFICATES}/ca-certificates.crt"} if self._network else {})
        named = [f"{key}={value}" for key, value in environment.items()]
        return subprocess.Popen(
            [*entering, "env", "-i", *named, "bash", "-c", command],
            stdin=stdin, stdout=said, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )  # fmt: skip

    def talk(self, command: str, answers: list[tuple[str, str]], seconds: float = 300) -> str:
        """What is shown in a terminal, where each answer is typed once its question is there. Raises AssertionError."""
        ours, theirs = pty.openpty()
        process = self.start(command, stdin=theirs, said=theirs)
        os.close(theirs)
        shown, left, begun = "", list(answers), time.monotonic()
        decoder, place = codecs.getincrementaldecoder("utf-8")("replace"), 0
        # OSError: the last of them has closed the terminal.
        with os.fdopen(ours, "rb+", buffering=0) as terminal, contextlib.suppress(OSError):
            while time.monotonic() - begun < seconds:
                if not select.select([terminal], [], [], 1)[0]:
                    continue
                shown += decoder.decode(terminal.read(4096))
                while left and (found := shown.find(left[0][0], place)) >= 0:
                    place = found + len(left[0][0])
                    terminal.write(left.pop(0)[1].encode() + b"\n")
        assert process.wait(10) == 0, f"{command}: {process.returncode}\n{shown[-3000:]}"
        assert not left, f"not asked: {left}\n{shown[-3000:]}"
        return shown.replace("\r\n", "\n")

    def run(self, command: str, *, check: bool = True, seconds: float = 300) -> str:
        """What a shell command inside says. Raises AssertionError when it fails and `check`."""
        process = self.start(command)
        said, _ = process.communicate(timeout=seconds)
        assert not check or process.returncode == 0, f"{command}: {process.returncode}\n{said[-3000:]}"
        return said.strip()

    def wait(self, condition: str, seconds: float) -> float:
        """Until a shell command inside succeeds; returns the seconds that took. Raises AssertionError."""
        begun = time.monotonic()
        while time.monotonic() - begun < seconds:
            process = self.start(condition)
            process.communicate()
            if process.returncode == 0:
                return time.monotonic() - begun
            time.sleep(0.1)
        raise AssertionError(f"not within {seconds} s: {condition}")

    def _wait_for_systemd(self) -> None:
        begun = time.monotonic()
        while time.monotonic() - begun < _PATIENCE_S:
            self._leader = self._leader or self._first_process()
            if self._leader and "running" in self.run("systemctl is-system-running", check=False):
                return
            time.sleep(0.2)
        raise AssertionError(f"the machine does not boot: {self.work}/boot.log")

    def _first_process(self) -> int:
        """Process 1 of the machine, as it is numbered here: the one whose root is the machine's."""
        ours = self.root.stat()
        for path in Path("/proc").glob("[0-9]*"):
            try:
                seen = (path / "root").stat()
                status = (path / "status").read_text()
            except OSError:
                continue
            inner = next(line for line in status.splitlines() if line.startswith("NSpid:")).split()[-1]
            if inner == "1" and (seen.st_dev, seen.st_ino) == (ours.st_dev, ours.st_ino):
                return int(path.name)
        return 0
