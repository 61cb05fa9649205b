"""The files for Prometheus and Grafana can be read, and every metric they name is one that we give."""

import json
import re
from datetime import timedelta
from pathlib import Path

import yaml

from certs.credentials import Known
from certs.expiry import Expiry
from gateway.web.finding import Finding, Level
from gateway.web.health import Snapshot, findings
from gateway.web.measured import Counted, Measured
from gateway.web.metrics import text
from gateway.web.upkeep import Upkeep
from tests.http_bench import NOW, municipality

FILES = Path(__file__).resolve().parents[2] / "systemd"
METRIC = re.compile(r"\bsluza_\w+")


def given() -> set[str]:
    """The names of all metrics."""
    measured = Measured(Counted({"accepted": 2}, {("gmina", "invoiceSend"): 3}, 1), {202: 1}, 10, {"spool": 5})
    snapshot = Snapshot(NOW, ["gmina"], (), {}, (), 0, 0, ())
    page = text(snapshot, municipality(), measured)
    assert 'sluza_ksef_calls_last_hour{context="gmina",group="invoiceSend"} 3' in page
    return set(re.findall(r"^# TYPE (\w+) ", page, re.MULTILINE))


def test_the_rules_of_prometheus_name_only_our_metrics() -> None:
    """Each rule has an expression, a severity and a Polish summary."""
    (group,) = yaml.safe_load((FILES / "prometheus-alerts.yml").read_text(encoding="utf-8"))["groups"]
    named = set()
    for rule in group["rules"]:
        named |= set(METRIC.findall(rule["expr"]))
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert rule["annotations"]["summary"]
    assert named
    assert named <= given()


def test_the_dashboard_of_grafana_names_only_our_metrics() -> None:
    """Panels do not overlap, and every one asks for something that there is."""
    board = json.loads((FILES / "grafana-dashboard.json").read_text(encoding="utf-8"))
    cells: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        own = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not own & cells
        assert place["x"] + place["w"] <= 24
        cells |= own
        for target in panel["targets"]:
            assert set(METRIC.findall(target["expr"])) & given() == set(METRIC.findall(target["expr"])) != set()


def test_every_finding_has_a_code() -> None:
    """No two different things share one, and none is empty: people are told by it."""
    upkeep = Upkeep(unmended=2, guessed=["a", "b"])
    seen = Snapshot(NOW, ["gmina"], (), {"CONFLICT": 1, "HELD": 2}, (), 0, 0, (), upkeep=upkeep)
    found: list[Finding] = findings(seen)
    codes = [f.code for f in found]
    assert len(set(codes)) == len(codes) >= 5
    assert all(codes)
    assert {f.level for f in found} == {Level.LOOK, Level.ALARM}


def expiries(days: int) -> list[tuple[str, int]]:
    """Findings about a certificate with so many days left."""
    end = NOW + timedelta(days=days, minutes=1)
    known = Known("gmina", "auth", "logowanie do KSeF", Expiry("logowanie do KSeF", "CN=x", "1", NOW, end))
    seen = Snapshot(NOW, [], (), {}, (), 0, 0, (), upkeep=Upkeep(known=[known]))
    return [(f.level.name, f.grade) for f in findings(seen) if f.kind == "certificate"]


def test_rule_U10_certificates_are_told_60_30_and_7_days_ahead() -> None:
    """Each step is another grade; before them there is nothing to say."""
    steps = {days: expiries(days) for days in (60, 59, 30, 29, 7, 6, -1)}
    assert steps == {
        60: [], 59: [("LOOK", 1)], 30: [("LOOK", 1)], 29: [("LOOK", 2)], 7: [("LOOK", 2)], 6: [("ALARM", 3)],
        -1: [("ALARM", 4)],
    }  # fmt: skip
