"""`sluza certs rotate-tls`, and the countdown of the drop-point's own authority or of a supplied certificate."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from certs import credentials, tls
from gateway.web.upkeep import Upkeep, upkeep
from tests import credentials as seals
from tests.certs_bench import Desk

NOW = datetime.now(UTC)


@pytest.fixture(name="desk")
def desk_fixture(tmp_path: Path) -> Desk:
    """An installation whose gateway has made its authority."""
    desk = Desk(tmp_path)
    desk.configure()
    tls.own(tmp_path / "state" / "tls", ["sluza.gmina.local"], NOW)
    return desk


def test_rotate_tls_begins_is_hurried_and_called_off(desk: Desk) -> None:
    """Each says what to do next; without a rotation there is nothing to hurry or to call off (exit code 2)."""
    ca = desk.directory / "state" / "tls" / "ca.pem"
    told = desk.json("rotate-tls", "--days", "30")
    assert told["file"] == str(ca)
    assert ca.read_bytes().count(b"BEGIN CERT") == 2
    assert desk.json("rotate-tls", "--cancel")["ok"]
    assert ca.read_bytes().count(b"BEGIN CERT") == 1
    assert "nie trwa" in str(desk.run("rotate-tls", "--now").exception)
    assert desk.json("rotate-tls")["ok"]
    assert desk.json("rotate-tls", "--now")["ok"]
    material = tls.own(desk.directory / "state" / "tls", ["sluza.gmina.local"], datetime.now(UTC))
    assert material.ca is not None
    assert material.ca.read_bytes().count(b"BEGIN CERT") == 1


def test_the_exchange_is_counted_down_and_listed(desk: Desk) -> None:
    """Units without the new file lose their connection on that day, so it is told like any end."""
    assert desk.json("list")[0]["days_left"] > 2000
    desk.json("rotate-tls", "--days", "20")
    (row,) = desk.json("list")
    assert (row["context"], row["use"], row["days_left"]) == ("", "tls", 19)
    found = upkeep(Upkeep(known=credentials.look_at_tls(desk.directory / "state" / "tls", None)), NOW)
    assert [f.code for f in found] == ["certificate::tls"]
    assert "ca.pem" in found[0].sentence
    assert "kontekst" not in found[0].sentence


def test_a_supplied_certificate_that_ends_is_told(desk: Desk) -> None:
    """Nobody renews it but the town hall."""
    cert, key = seals.seal("5080014460", until=NOW + timedelta(days=5)).write_pem(desk.directory, "tls")
    desk.configure(keys=f'[http]\ncert = "{cert}"\nkey = "{key}"')
    told = desk.json("check", "--no-login")
    assert [(c["use"], c["mark"]) for c in told["checks"]][-1] == ("tls", "look")
    assert "http.cert" in told["checks"][-1]["cure"]
