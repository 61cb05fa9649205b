"""`sluza shares`: what it prints, what Samba makes of it, and what the installer does with it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway import shares
from gateway.settings import Shares
from gateway.settings import read as read_gateway
from sluza.__main__ import cli
from spool import settings
from spool.domain.errors import ConfigError
from spool.domain.municipality import Municipality, Unit
from tests.folders_bench import MUNICIPALITY
from tests.integration.test_http_process import configuration
from tests.smb_bench import needed, run

needed()
ROOT = Path(__file__).resolve().parents[2]
STRICT = Shares("SMB3_00", "required", "smb-", "sluza", ("informatyk", "@skarbnik"))
FOLDERS = Path("/srv/sluza")


def sluza(config: Path, *words: str) -> Result:
    """The command without a process of its own."""
    return CliRunner().invoke(cli, ["--config", str(config), *words])


def as_samba_reads(tmp_path: Path, text: str) -> dict[str, dict[str, str]]:
    """What `testparm` makes of a fragment: section → parameter → value, with every default spelled out."""
    path = tmp_path / "fragment.conf"
    path.write_text(text)
    done = run("testparm", "-s", "-v", str(path))
    assert "Unknown parameter" not in done.stderr
    assert "Ignoring" not in done.stderr
    found: dict[str, dict[str, str]] = {}
    for line in done.stdout.splitlines():
        if line.startswith("["):
            section = found.setdefault(line.strip("[]"), {})
        elif " = " in line:
            name, _, value = line.strip().partition(" = ")
            section[name] = value
    return found


def test_samba_reads_the_fragment_as_it_is_meant(tmp_path: Path) -> None:
    """Two shares for each unit, one for the admins, each closed to all others, and nothing cached on a drop share."""
    found = as_samba_reads(tmp_path, shares.fragment(STRICT, MUNICIPALITY, FOLDERS))
    assert found["global"]["server min protocol"] == "SMB3_00"
    assert set(found) == {"global", "sp1", "sp1_do-wyslania", "gops", "gops_do-wyslania", "_centrala"}
    for name, share in found.items():
        if name == "global":
            continue
        writable = name.endswith("_do-wyslania")
        unit = name.partition("_")[0]
        assert share["valid users"] == (f"smb-{unit}" if unit else "informatyk @skarbnik")
        assert share["path"] == str(FOLDERS / (name.replace("_", "/", 1) if unit else name))
        assert (share.get("read only", "Yes"), share.get("guest ok", "No")) == ("No" if writable else "Yes", "No")
        assert (share["force user"], share["server smb encrypt"]) == ("sluza", "required")
        assert (share.get("follow symlinks"), share.get("wide links", "No")) == ("No", "No")
        if writable:
            assert (share["oplocks"], share["level2 oplocks"], share["create mask"]) == ("No", "No", "0660")


def test_without_admins_there_is_no_central_share() -> None:
    """An empty list of users would mean everybody to Samba."""
    strict = Shares("SMB3_00", "required", "smb-", "sluza", ())
    text = shares.fragment(strict, MUNICIPALITY, FOLDERS)
    assert "_centrala" not in text
    assert "valid users = \n" not in text


def test_a_remote_unit_has_no_share_here() -> None:
    """Its folders are on its own computer; a share would lead nowhere, and its account would be one too many."""
    units = {"sp1": Unit("sp1", "Szkoła", "gmina"), "dps": Unit("dps", "Dom", "gmina", remote=True)}
    town = Municipality("Gmina", "5080014460", {}, units)
    assert shares.users(STRICT, town) == ("smb-sp1", "informatyk")
    assert "dps" not in shares.fragment(STRICT, town, FOLDERS)


def test_names_of_units_add_no_lines(tmp_path: Path) -> None:
    """A unit's name is only a comment, whatever it contains."""
    name = 'Szkoła "X"\n[zly]\npath = /etc\\'
    town = Municipality("Gmina", "5080014460", {}, {"sp1": Unit("sp1", name, "gmina")})
    text = shares.fragment(STRICT, town, FOLDERS)
    assert set(as_samba_reads(tmp_path, text)) == {"global", "sp1", "sp1_do-wyslania", "_centrala"}
    assert "Szkoła" in text


@pytest.mark.parametrize(
    ("more", "field", "value"),
    [
        ('min_protocol = "NT1"', "shares.min_protocol", "NT1"),
        ('min_protocol = "SMB3"', "shares.min_protocol", "SMB3"),
        ('encryption = "tak"', "shares.encryption", "tak"),
        ('user_prefix = ""', "shares.user_prefix", "''"),
        ('user_prefix = "SMB "', "shares.user_prefix", "SMB "),
        ('service_user = "nobody"', "shares.service_user", "nobody"),
        ('service_user = "root"', "shares.service_user", "root"),
        ('admins = ["root"]', "shares.admins", "root"),
        ('admins = ["a b"]', "shares.admins", "a b"),
        ('admins = ["sluza"]', "shares.admins", "sluza"),
        ('admins = ["smb-sp1"]', "shares.user_prefix", "smb-sp1"),
        ('service_user = "smb-sp1"', "shares.user_prefix", "smb-sp1"),
        ('admin = ["a"]', "shares.admin", "admins"),
    ],
)
def test_a_bad_setting_is_named_by_its_field(tmp_path: Path, more: str, field: str, value: str) -> None:
    """`check-config` and `shares` name the field and show the value; nothing is written."""
    config = configuration(tmp_path, more=f"[shares]\n{more}\n")
    done = sluza(config, "shares", "--write", str(tmp_path / "sluza.conf"))
    assert isinstance(done.exception, ConfigError)
    assert done.output == ""
    assert field in str(done.exception)
    assert value in str(done.exception) + done.exception.hint
    assert not (tmp_path / "sluza.conf").exists()


def test_an_account_longer_than_the_system_takes_is_told() -> None:
    """`useradd` takes 32 characters; a share without its account would lock the unit out."""
    unit = "a" * 30
    town = Municipality("Gmina", "5080014460", {}, {unit: Unit(unit, "X", "gmina")})
    with pytest.raises(ConfigError, match=r"shares\.user_prefix"):
        shares.fragment(STRICT, town, FOLDERS)


@pytest.mark.parametrize("path", ["/srv/%U", "/srv/$HOME", "/srv/a\nb", "/srv/a\\"])
def test_a_path_that_samba_would_read_otherwise_is_told(path: str) -> None:
    """Variables and line breaks in the path of the folders."""
    with pytest.raises(ConfigError, match=r"paths\.folders"):
        shares.fragment(STRICT, MUNICIPALITY, Path(path))


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("", []),
        ('min_protocol = "SMB3_11"', []),
        ('min_protocol = "SMB2_02"', ["min_protocol = SMB2_02", "szyfrują"]),
        ('min_protocol = "SMB2_02"\nencryption = "desired"', ["Windows 7", "encryption = desired"]),
        ('encryption = "off"', ["encryption = off", "jawnie"]),
    ],
)
def test_a_looser_setting_is_a_warning(tmp_path: Path, more: str, words: list[str]) -> None:
    """Allowed, and said at every check."""
    config = configuration(tmp_path, more=f"[shares]\n{more}\n")
    shared, root = settings.read(config)
    said = " ".join(shares.warnings(read_gateway(shared, root).shares))
    assert all(word in said for word in words)
    assert bool(said) == bool(words)


def test_the_command_prints_writes_and_lists(tmp_path: Path) -> None:
    """The same text on the screen and in the file; the accounts one a line, the list as JSON."""
    config = configuration(tmp_path, more='[shares]\nencryption = "desired"\nadmins = ["anna"]\n')
    target = tmp_path / "sluza.conf"
    printed, written = sluza(config, "shares"), sluza(config, "shares", "--write", str(target))
    assert (printed.exit_code, written.exit_code) == (0, 0)
    assert target.read_text() == printed.stdout
    assert target.stat().st_mode & 0o777 == 0o644
    assert sluza(config, "shares", "--users").stdout.split() == ["smb-sp1", "anna"]
    said = json.loads(sluza(config, "shares", "--json").stdout)
    assert [s["name"] for s in said["shares"]] == ["sp1", "sp1_do-wyslania", "_centrala"]
    failed = sluza(config, "shares", "--write", str(config / "x"))
    assert "Nie można zapisać" in str(failed.exception)


# ---- install.sh --shares, on a copy of the system's files that nobody else sees

_SCRIPT = """
set -e
mount --make-rprivate /
mkdir -p "{copy}/tools" "{copy}/usr/local/bin" "{copy}/etc"
mount --bind /usr/local/bin "{copy}/tools"
cp -as "{copy}/tools/." "{copy}/usr/local/bin/"
cp -a /etc/. "{copy}/etc/"
for dir in etc usr/local/bin var/lib/samba var/log/samba var/cache/samba run/samba opt; do
  mkdir -p "/$dir" "{copy}/$dir"
  mount --bind "{copy}/$dir" "/$dir"
done
mkdir -p /opt/sluza/current/bin /etc/sluza /var/lib/samba/private
printf '#!/bin/sh\\nexec "{python}" -m sluza "$@"\\n' > /opt/sluza/current/bin/sluza
chmod 755 /opt/sluza/current/bin/sluza
cp "{config}" /etc/sluza/sluza.toml
id sluza >/dev/null 2>&1 || useradd --system --user-group --no-create-home sluza
printf '[global]\\nmap to guest = bad user\\n[stary]\\npath = /srv/stary\\n' > /etc/samba/smb.conf
chmod 640 /etc/samba/smb.conf
"{install}" --shares > "{out}/first.out" 2> "{out}/first.err"
cp /etc/samba/smb.conf "{out}/first.conf"; cp /etc/samba/sluza.conf "{out}/first.sluza"
cat "{more}" >> /etc/sluza/sluza.toml
"{install}" --shares > "{out}/second.out" 2> "{out}/second.err"
cp /etc/samba/sluza.conf "{out}/second.sluza"; cp /etc/samba/smb.conf "{out}/second.conf"
testparm -s > "{out}/testparm" 2> /dev/null
pdbedit -L > "{out}/accounts"
printf 'bzdura = 1\\n' >> /etc/sluza/sluza.toml
"{install}" --shares > "{out}/broken.out" 2> "{out}/broken.err"
cp /etc/samba/sluza.conf "{out}/broken.sluza"
ls /etc/samba > "{out}/names"
"{install}" --uninstall > "{out}/gone.out" 2> "{out}/gone.err"
cp /etc/samba/smb.conf "{out}/gone.conf"
stat -c %a /etc/samba/smb.conf > "{out}/mode"
ls /etc/samba > "{out}/names.after"
"{install}" --uninstall > /dev/null 2> "{out}/twice.err"
"""


def test_the_installer_puts_one_line_into_smb_conf_and_takes_it_out(tmp_path: Path) -> None:
    """Accounts, fragment, line; again without change; a new unit gets its own; a bad setting changes nothing; gone."""
    if os.geteuid() != 0:
        pytest.skip("installing needs root")
    config, more = configuration(tmp_path), tmp_path / "more"
    more.write_text('[[unit]]\nid = "zlobek"\nname = "Żłobek"\ncontext = "gmina"\n')
    out, copy = tmp_path / "out", tmp_path / "copy"
    out.mkdir()
    script = _SCRIPT.format(
        copy=copy, out=out, config=config, more=more, python=sys.executable, install=ROOT / "install.sh"
    )
    try:
        done = subprocess.run(
            ["unshare", "-m", "bash", "-c", script], capture_output=True, text=True, cwd="/",
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        said = {p.name: p.read_text() for p in out.iterdir()}
    finally:
        shutil.rmtree(copy, ignore_errors=True)
    assert done.returncode == 0, (done.stderr, said)
    line = "include = /etc/samba/sluza.conf\n"
    assert said["first.conf"].count(line) == 1
    assert said["second.conf"] == said["first.conf"]
    assert "Konto smb-sp1, hasło" in said["first.out"]
    assert [word for word in said["second.out"].split() if word.startswith("smb-")] == ["smb-zlobek,"]
    assert {"[sp1]", "[zlobek]", "[stary]"} <= set(said["testparm"].splitlines())
    assert {row.split(":")[0] for row in said["accounts"].splitlines()} == {"smb-sp1", "smb-zlobek"}
    assert said["broken.sluza"] == said["second.sluza"]
    assert "sluza check-config" in said["broken.err"]
    assert sum(name.startswith("smb.conf.przed-sluza-") for name in said["names"].split()) == 1
    assert said["gone.conf"].split() == said["first.conf"].replace(line, "").split()
    assert (said["mode"].strip(), "sluza.conf" in said["names.after"]) == ("640", False)
    assert "Wyłączono udziały" in said["gone.err"]
    assert "Wyłączono udziały" not in said["twice.err"]
