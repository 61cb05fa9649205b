"""The questions of the first installation: whatever is answered, the sample with it is a configuration."""

import tomllib
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway import settings as gateway_settings
from sluza import wizard
from spool import settings

SAMPLE = (Path(__file__).resolve().parents[2] / "systemd" / "sluza.toml").read_text(encoding="utf-8")
TODAY = date(2026, 11, 26)
ANSWERS = {
    "name": 'Gmina "Śluzowo" \\ miasto', "nip": "5080014460", "town_hall": "Urząd Miejski", "environment": "demo",
    "auth_cert": "/etc/sluza/a.pem", "auth_key": "/etc/sluza/a.key", "since": "2026-12-01",
    "recipient": "it@gmina.pl", "smtp": "poczta.gmina.pl:587",
}  # fmt: skip


def configuration(text: str, tmp_path: Path) -> gateway_settings.GatewaySettings:
    """As the programs read it."""
    path = tmp_path / "sluza.toml"
    path.write_text(text, encoding="utf-8")
    return gateway_settings.read(*settings.read(path))


@pytest.mark.parametrize("mail", [True, False])
def test_the_answers_are_in_the_configuration(tmp_path: Path, mail: bool) -> None:
    """Each in its field, quotes and backslashes as they are; the example of a school is no unit; comments stay."""
    answers = ANSWERS if mail else {**ANSWERS, "recipient": "", "smtp": ""}
    text = wizard.filled(SAMPLE, answers)
    found = configuration(text, tmp_path)
    town, said = found.shared.municipality, tomllib.loads(text)
    assert (town.name, town.nip) == (ANSWERS["name"], "5080014460")
    assert [(u.id, u.name) for u in town.units.values()] == [("ug", "Urząd Miejski")]
    assert [(c.value, c.environment) for c in town.contexts.values()] == [("5080014460", "demo")]
    assert said["context"][0]["auth_key"] == "/etc/sluza/a.key"
    assert said["receive"]["since"] == date(2026, 12, 1)
    assert (found.alerts.recipients == ("it@gmina.pl",)) is mail
    assert (found.alerts.smtp is not None) is mail
    assert text.count("#") > SAMPLE.count("#")
    assert '# id = "sp1"' in text


def test_a_sample_that_changed_is_noticed() -> None:
    """An answer that has no place any more is an error of ours, not a configuration without it."""
    with pytest.raises(LookupError):
        wizard.filled(SAMPLE.replace('environment = "prod"', 'environment = "inne"'), ANSWERS)


def asked(monkeypatch: pytest.MonkeyPatch, lines: list[str], out: Path, sample: Path) -> tuple[int, str]:
    """Type these lines; the exit code and everything that was shown."""
    monkeypatch.setattr(wizard.sys, "argv", ["wizard", str(sample), str(out)])
    with CliRunner().isolation(input="\n".join(lines) + "\n") as streams:
        code = wizard.main()
        shown = streams[1].getvalue().decode()
    return code, shown


def test_wrong_answers_are_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a sentence that says what is expected; defaults by Enter; the file is for root alone."""
    sample, out = tmp_path / "sample", tmp_path / "out.toml"
    sample.write_text(SAMPLE, encoding="utf-8")
    lines = [
        "Gmina Śluzowo",
        "123",
        "PL 508-001-44-60",
        "",
        "sandbox",
        "test",
        "",
        "",
        "jutro",
        "2026-12-01",
        "kot",
        "",
    ]
    code, shown = asked(monkeypatch, lines, out, sample)
    assert code == 0
    for sentence in ("To nie jest NIP", "prod, demo albo test", "Proszę wpisać datę", "jeden adres e-mail"):
        assert sentence in shown
    assert "Error" not in shown
    assert "Śluza ruszy, gdy tam będzie" in shown
    assert out.stat().st_mode & 0o777 == 0o600
    assert configuration(out.read_text(encoding="utf-8"), tmp_path).shared.municipality.nip == "5080014460"


def test_who_leaves_gets_no_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-D in the middle: no file, and the installer goes on with the sample."""
    out = tmp_path / "out.toml"
    code, _ = asked(monkeypatch, ["Gmina Śluzowo"], out, tmp_path / "absent")
    assert (code, out.exists()) == (1, False)
