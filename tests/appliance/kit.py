"""What a town brings along: a configuration, certificates, an invoice, and changed versions of the program."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

from certs import practice
from sluza.samples import unit_invoice
from tests.appliance.machine import SOURCE, Machine
from tests.credentials import seal

Figures = dict[str, str]
KIT, KSEF = "/root/kit", "/root/piaskownica"
SANDBOX, HOOK = 18500, 18600
INSTALL = f"cd {SOURCE} && ./install.sh --wheels /root/wheels"
RUNS = "systemctl is-active --quiet sluza"
READY = " && ".join(f"read -r p _ < /run/sluza/{r}.pulse && test -d /proc/$p" for r in ("gateway", "agent"))
AS = "runuser -u sluza -- /opt/sluza/current/bin/sluza"
"""Shell: install, the service runs, both programs are ready, the command as the service's user."""
CONFIG = f"""[municipality]
name = "Gmina Śluzowo"
nip = "5080014460"

[paths]
folders = "/dane/foldery"

[admin]
token_file = "/etc/sluza/admin.token"

[[context]]
id = "gmina"
type = "nip"
value = "5080014460"
environment = "sandbox"
url = "http://127.0.0.1:{SANDBOX}/v2"
latarnia_url = "http://127.0.0.1:{SANDBOX}/latarnia"
auth_cert = "/etc/sluza/pieczec.pem"
auth_key = "/etc/sluza/pieczec.key"

[[unit]]
id = "ug"
name = "Urząd Gminy"
nip = "5250000038"
town_hall = true
context = "gmina"

[[unit]]
id = "sp1"
name = "Szkoła Podstawowa nr 1"
nip = "5250000015"
context = "gmina"

[receive]
since = 2026-11-01

[folders]
settle_seconds = 0.5
rescan_seconds = 2

[alerts]
webhook = "http://127.0.0.1:{HOOK}/"
webhook_hosts = ["127.0.0.1"]
webhook_secret_file = "/etc/sluza/webhook.sekret"
"""
_HOOK = f"""
import http.server, json
class Hook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        open("/root/told", "ab").write(body + b"\\n")
        self.send_response(204); self.end_headers()
http.server.HTTPServer(("127.0.0.1", {HOOK}), Hook).serve_forever()
"""
STEP = """

@steps()
def m9999_tomorrow(db: Database) -> None:
    \"\"\"A step of a later release.\"\"\"
    db.execute("CREATE TABLE tomorrow (x)")
"""


def lay_out(machine: Machine) -> None:
    """Configuration and keys, as an administrator would bring them; the program that listens for alarms."""
    kit = machine.root / KIT.lstrip("/")
    kit.mkdir(parents=True, exist_ok=True)
    certificate, key = practice.seal("Gmina Śluzowo", "5080014460", offline=False)
    (kit / "pieczec.pem").write_bytes(certificate)
    (kit / "pieczec.key").write_bytes(key)
    seal("5080014460", offline=True).write_pem(kit, "offline")
    seal("5080014460", until=datetime.now(UTC) - timedelta(days=1)).write_pem(kit, "expired")
    (kit / "webhook.sekret").write_text("c2VrcmV0LXNla3JldC1zZWtyZXQtc2VrcmV0LXM=")
    (kit / "sluza.toml").write_text(CONFIG, encoding="utf-8")
    (kit / "hook.py").write_text(_HOOK, encoding="utf-8")


def place_keys(machine: Machine) -> None:
    """Where the configuration says, readable by the service and by nobody else."""
    machine.run("id sluza >/dev/null 2>&1 || useradd --system --user-group --no-create-home sluza")
    machine.run("install -d -m 0750 -o root -g sluza /etc/sluza")
    machine.run(f"cd {KIT} && install -m 0640 -o root -g sluza pieczec.pem pieczec.key webhook.sekret /etc/sluza/")


def start_outside(machine: Machine) -> None:
    """KSeF's simulator and the listener for alarms, as units of their own."""
    start_ksef(machine)
    machine.run(f"systemd-run --quiet --unit=webhook python3 {KIT}/hook.py")


def start_ksef(machine: Machine) -> None:
    """KSeF's simulator, which goes on with what it has in its directory."""
    sandbox = f"/opt/sluza/current/bin/sluza sandbox --port {SANDBOX} --speed fast --data {KSEF}"
    machine.run(f"systemd-run --quiet --unit=piaskownica {sandbox}")


def in_ksef(machine: Machine, number: str) -> int:
    """How often KSeF has an invoice with this number."""
    ask = f"import urllib.request as u; print(u.urlopen('http://127.0.0.1:{SANDBOX}/sandbox/ledger').read().decode())"
    return machine.run(f'python3 -c "{ask}"').count(f'"{number}"')


def write(machine: Machine, number: str) -> str:
    """An invoice of the school as a file of root's; returns the stem of its name."""
    day = machine.run("date +%F")
    stem = number.replace("/", "-")
    raw = unit_invoice(seller_nip="5080014460", number=number, issue_date=day, created=f"{day}T08:00:00Z")
    (machine.root / "root" / f"{stem}.xml").write_bytes(raw)
    return stem


def drop(machine: Machine, number: str) -> str:
    """An invoice into the school's folder; returns the stem of its name."""
    stem = write(machine, number)
    machine.run(f"install -o sluza -g sluza /root/{stem}.xml /dane/foldery/sp1/do-wyslania/.{stem}.tmp")
    machine.run(f"cd /dane/foldery/sp1/do-wyslania && mv .{stem}.tmp {stem}.xml")
    return stem


def change(machine: Machine, name: str, old: str, new: str) -> None:
    """Another version of the program: one file of the source changed."""
    path = machine.root / SOURCE.lstrip("/") / name
    text = path.read_text(encoding="utf-8")
    assert old in text, (name, old)
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def original(machine: Machine) -> None:
    """The program as it is in the clone."""
    machine.bring_source()


def listing(machine: Machine, *places: str) -> str:
    """Every file and link below these places with its time, size, mode, owner and target."""
    return machine.run(f"find {' '.join(places)} -xdev ! -type d -printf '%p %T@ %s %m %u %l\\n' | sort")


def read(machine: Machine, path: str) -> str:
    """A file of the machine, empty where there is none."""
    found = Path(f"{machine.root}{path}")
    return found.read_text(encoding="utf-8") if found.exists() else ""


def password_of(said: str, account: str) -> str:
    """The password of a share's account, which the installer shows once."""
    password = re.search(rf"Konto {account}, hasło .*: (\S+)", said)
    assert password, said
    return password[1]


def put(password: str, stem: str) -> str:
    """A shell command that puts an invoice into a share, whose name is left open, as the school's account."""
    return f"smbclient -U 'smb-sp1%{password}' //127.0.0.1/{{}} -c 'put /root/{stem}.xml {stem}.xml'"


def known(number: str, state: str = "") -> str:
    """A shell condition: the spool has this invoice, in any state or in this one."""
    which = f"--state {state}" if state else "--all"
    return f"cd / && {AS} queue list {which} --json | grep -q {number}"


def numbered(machine: Machine, number: str) -> str:
    """The number that KSeF gave an invoice, as the spool knows it."""
    listed = json.loads(machine.run(f"cd / && {AS} queue list --all --json"))
    found: str = next(one["ksef_number"] for one in listed if one["number"] == number)
    return found
