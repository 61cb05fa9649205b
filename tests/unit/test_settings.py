"""The configuration file: every error names its field and shows the value."""

from datetime import time
from pathlib import Path

import pytest

from agent import settings as agent_settings
from gateway import settings as gateway_settings
from gateway.alarms.settings import Alerts
from spool import settings
from spool.domain.errors import ConfigError

GOOD = """
[municipality]
name = "Gmina Śluzowo"
nip = "5080014460"

[paths]
state = "state"
folders = "/srv/sluza"

[[context]]
id = "gmina"
type = "nip"
value = "5080014460"
environment = "test"
auth_cert = "seal.pem"
auth_key = "seal.key"

[[unit]]
id = "sp1"
name = "Szkoła Podstawowa nr 1"
nip = "5250000015"
context = "gmina"

[receive]
since = 2026-11-01
"""


def read(tmp_path: Path, text: str) -> tuple[gateway_settings.GatewaySettings, agent_settings.AgentSettings]:
    """Read all three parts of a configuration."""
    path = tmp_path / "sluza.toml"
    path.write_text(text, encoding="utf-8")
    shared, root = settings.read(path)
    return gateway_settings.read(shared, root), agent_settings.read(shared, root)


def test_a_small_file_is_enough(tmp_path: Path) -> None:
    """Everything but the town, a context, a unit and the first day of receiving has a default."""
    gateway, agent = read(tmp_path, GOOD)
    town = gateway.shared.municipality
    assert town.context_of("sp1").url == "https://api-test.ksef.mf.gov.pl/v2"
    assert gateway.shared.paths.state == tmp_path / "state"
    assert gateway.http.listen.port == 8443
    assert gateway.folders.settle_seconds == 2
    assert agent.receive.every_seconds == 900


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ('nip = "5080014460"\n\n[paths]', 'nip = "5080014461"\n\n[paths]', "municipality.nip"),
        ('name = "Gmina Śluzowo"\n', "", "municipality.name"),
        ('environment = "test"', 'environment = "production"', "context[1].environment"),
        ('id = "sp1"', 'id = "SP 1"', "unit[1].id"),
        ('id = "sp1"', 'id = "con"', "unit[1].id"),
        ('context = "gmina"', 'context = "gops"', "unit[1].context"),
        ("since = 2026-11-01", 'since = "wczoraj"', "receive.since"),
        ("since = 2026-11-01", "since = 2026-11-01T00:00:00", "receive.since"),
        ("since = 2026-11-01", "since = 2026-11-01\nevery_seconds = 5", "receive.every_seconds"),
        ("since = 2026-11-01", "since = 2026-11-01\n[folders]\nsetle_seconds = 2", "folders.setle_seconds"),
        ("since = 2026-11-01", 'since = 2026-11-01\n[http]\nlisten = "8443"', "http.listen"),
        ("since = 2026-11-01", 'since = 2026-11-01\n[http]\nlisten = "0.0.0.0:1"\ntls = false', "http.tls"),
        ("since = 2026-11-01", 'since = 2026-11-01\n[admin]\nlisten = "0.0.0.0:1"', "admin.listen"),
        ("[receive]", '[admin.proxy]\nheader = "X-User"\n[receive]', "admin.proxy.addresses"),
        ("[receive]", '[admin.proxy]\naddresses = ["127.0.0.1"]\n[receive]', "admin.proxy.header"),
        ("[receive]", '[admin.proxy]\nheader = "Cookie"\naddresses = ["::1"]\n[receive]', "admin.proxy.header"),
        ("[receive]", '[admin.proxy]\nheader = "X-U"\naddresses = ["sso.pl"]\n[receive]', "admin.proxy.addresses"),
        ("[receive]\nsince = 2026-11-01", "", "receive.since"),
        ('context = "gmina"', 'context = "gmina"\nalerts = ["szkola"]', "unit[1].alerts"),
        ('context = "gmina"', 'context = "gmina"\nseries = "SP1/("', "unit[1].series"),
        ('context = "gmina"', 'context = "gmina"\nseries = "SP1/([0-9]+)"', "unit[1].series"),
        ("[receive]", '[alerts]\nsmtp = "poczta"\n[receive]', "alerts.smtp"),
        ("[receive]", '[alerts]\nsmtp = "p:25"\n[receive]', "alerts.sender"),
        ("[receive]", '[alerts]\nsmtp = "p:25"\nsender = "a@b.pl"\n[receive]', "alerts.recipients"),
        ("[receive]", '[alerts]\nsmtp = "p:25"\ntls = "none"\n[receive]', "alerts.tls"),
        ("[receive]", '[alerts]\nsmtp = "p:25"\nsender = "a@b.pl"\nuser = "u"\n[receive]', "alerts.user"),
        ("[receive]", '[alerts]\ntls = "ssl"\n[receive]', "alerts.tls"),
        ("[receive]", '[alerts]\nsender = "a@b\\r\\nBcc: c@d.pl"\n[receive]', "alerts.sender"),
        ("[receive]", '[alerts]\non_call = ["a b@c.pl"]\n[receive]', "alerts.on_call"),
        ("[receive]", '[alerts]\noffice_hours = "8-16"\n[receive]', "alerts.office_hours"),
        ("[receive]", '[alerts]\noffice_hours = "16:00-08:00"\n[receive]', "alerts.office_hours"),
        ("[receive]", '[alerts]\noffice_hours = "08:00-08:59"\n[receive]', "alerts.office_hours"),
    ],
)
def test_an_error_names_its_field(tmp_path: Path, old: str, new: str, named: str) -> None:
    """A wrong or missing value is reported by the name of its field."""
    assert old in GOOD
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, GOOD.replace(old, new))
    assert named in str(caught.value)


def test_the_alerts_are_read(tmp_path: Path) -> None:
    """Server, addresses and hours; `extra_ca` is the one of [network]; without a server nothing is missing."""
    tables = """
[alerts]
smtp = "poczta.gmina.example:465"
tls = "tls"
sender = "sluza@gmina.example"
recipients = ["biuro@gmina.example"]
on_call = ["dyzur@gmina.example"]
office_hours = "08:00-16:00"
[network]
extra_ca = "inspekcja.pem"
"""
    gateway, _ = read(tmp_path, GOOD + tables)
    assert gateway.alerts.smtp is not None
    assert (gateway.alerts.smtp.host, gateway.alerts.smtp.port) == ("poczta.gmina.example", 465)
    assert gateway.alerts.smtp.extra_ca == tmp_path / "inspekcja.pem"
    assert gateway.alerts.office_ends == time(16, 0)
    assert read(tmp_path, GOOD)[0].alerts == Alerts()


def test_a_typing_error_gets_a_suggestion(tmp_path: Path) -> None:
    """An unknown field is refused, with the field that was probably meant."""
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, GOOD.replace("[receive]", "[folders]\nsetle_seconds = 3\n[receive]"))
    assert "settle_seconds" in caught.value.hint


def test_the_sandbox_clock_is_only_for_the_sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With SLUZA_CLOCK_URL set and a real environment nothing starts (DESIGN 4.3)."""
    monkeypatch.setenv("SLUZA_CLOCK_URL", "http://127.0.0.1:1/sandbox/clock")
    with pytest.raises(ConfigError, match="SLUZA_CLOCK_URL"):
        read(tmp_path, GOOD)


def test_two_units_cannot_share_an_id(tmp_path: Path) -> None:
    """Ids are folders and shares, so they are unique."""
    unit = GOOD[GOOD.index("[[unit]]") : GOOD.index("[receive]")]
    with pytest.raises(ConfigError, match="sp1"):
        read(tmp_path, GOOD + unit)


def test_the_sample_configuration_reads_as_a_map(tmp_path: Path) -> None:
    """The shipped sample names only known fields: with real numbers filled in, it is accepted."""
    sample = (Path(__file__).parents[2] / "systemd" / "sluza.toml").read_text(encoding="utf-8")
    filled = sample.replace('nip = "0000000000"', 'nip = "5080014460"').replace('"0000000000"', '"5080014460"')
    gateway, _ = read(tmp_path, filled)
    assert set(gateway.shared.municipality.units) == {"ug", "sp1"}


def test_every_commented_field_of_the_sample_exists(tmp_path: Path) -> None:
    """The commented lines of the sample show real fields, too."""
    sample = (Path(__file__).parents[2] / "systemd" / "sluza.toml").read_text(encoding="utf-8")
    filled = sample.replace("0000000000-00000", "5080014460-00011").replace("0000000000", "5080014460")
    (tmp_path / "herb").write_text('<svg xmlns="http://www.w3.org/2000/svg"/>', encoding="utf-8")
    filled = filled.replace("/etc/sluza/herb.svg", str(tmp_path / "herb"))  # the one file that is looked at here
    shown = "\n".join(line[2:] if line.startswith("# ") and " = " in line else line for line in filled.splitlines())
    read(tmp_path, shown)
