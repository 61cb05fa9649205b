"""Prometheus' text format: counts by state, deadlines, alarms, sizes, requests, sends. Pure; names and values only.

No label names a unit: who reads metrics need not know the units. Everything but the requests is made of rows, so that
two programs and a restart count as one. A training has names of its own.
"""

from collections.abc import Iterable

from gateway.web.finding import Level
from gateway.web.health import Snapshot, findings, overdue, unreachable
from gateway.web.measured import Measured
from spool.domain.ladder import ON_CALL
from spool.domain.ledger import ALIVE
from spool.domain.municipality import Municipality
from spool.domain.states import State

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
OUTCOMES = ("submitted", "accepted", "refused", "later", "held", "unknown", "absent", "open")
Samples = Iterable[tuple[str, float]]


def text(snapshot: Snapshot, municipality: Municipality, measured: Measured) -> str:
    """The whole page."""
    metrics = [*_documents(snapshot), *_deadlines(snapshot), *_alarms(snapshot, measured)]
    metrics += [*_contexts(snapshot, municipality, measured), *_machine(snapshot, measured)]
    metrics += _training(snapshot, municipality)
    return (
        "\n".join(line for name, kind, about, samples in metrics for line in _metric(name, kind, about, samples)) + "\n"
    )


_Metric = tuple[str, str, str, Samples]


def _documents(snapshot: Snapshot) -> list[_Metric]:
    states = [(f'state="{s}"', snapshot.counts.get(s, 0)) for s in State]
    return [
        ("sluza_documents", "gauge", "Documents by state.", states),
        ("sluza_waiting", "gauge", "Live documents without a KSeF number.", [("", snapshot.waiting)]),
        ("sluza_received_total", "gauge", "Received invoices in the spool.", [("", snapshot.received_total)]),
        ("sluza_received_unassigned", "gauge", "Received invoices in the central tray.", [("", snapshot.unassigned)]),
    ]


def _training(snapshot: Snapshot, municipality: Municipality) -> list[_Metric]:
    """Under names of their own, so that no rule about what is real ever adds them up."""
    trained, contexts = snapshot.trained, [c for c in municipality.contexts if municipality.training(c)]
    states = [(f'state="{s}"', trained.counts.get(s, 0)) for s in State]
    return [
        ("sluza_training_documents", "gauge", "Documents of a training by state.", states),
        ("sluza_training_received_total", "gauge", "Received invoices of a training.", [("", trained.received)]),
        *_standing("sluza_training_context", snapshot, contexts),
    ]


def _standing(name: str, snapshot: Snapshot, contexts: Iterable[str]) -> list[_Metric]:
    paused = [(f'context="{c}"', int(snapshot.condition(c, "paused") is not None)) for c in contexts]
    reachable = [(f'context="{c}"', int(not unreachable(snapshot.condition(c, "reachable")))) for c in contexts]
    return [
        (f"{name}_paused", "gauge", "1 while a person has to act before anything is sent.", paused),
        (f"{name}_reachable", "gauge", "0 while KSeF does not answer.", reachable),
    ]


def _deadlines(snapshot: Snapshot) -> list[_Metric]:
    due = [d.due_safe.timestamp() for d in snapshot.queue if d.due_safe][:1]
    late = sum(overdue(d, snapshot.at) for d in snapshot.queue)
    left = [("", at - snapshot.at.timestamp()) for at in due]
    return [
        ("sluza_overdue", "gauge", "Of the nearest ones, past their safe date.", [("", late)]),
        ("sluza_nearest_due_seconds", "gauge", "Unix time of the nearest safe date.", [("", at) for at in due]),
        ("sluza_nearest_due_in_seconds", "gauge", "Seconds to the nearest safe date, negative after it.", left),
    ]


def _alarms(snapshot: Snapshot, measured: Measured) -> list[_Metric]:
    grave = sum(alarm.step in ON_CALL for alarm in snapshot.alarms)
    alarms = [('level="alarm"', grave), ('level="look"', len(snapshot.alarms) - grave)]
    found = findings(snapshot)
    levels = [(f'level="{level.name.lower()}"', sum(f.level is level for f in found)) for level in Level if level]
    return [
        ("sluza_alarms_open", "gauge", "Warnings of dates whose documents are still open.", alarms),
        ("sluza_findings", "gauge", "What the overview says is not as it should be.", levels),
        ("sluza_troubles_told", "gauge", "Told to people and not over.", [("", measured.counted.troubles)]),
        ("sluza_messages_failing", "gauge", "Messages of alarms that did not go.", [("", len(snapshot.unsent))]),
    ]


def _contexts(snapshot: Snapshot, municipality: Municipality, measured: Measured) -> list[_Metric]:
    names = [c for c in municipality.contexts if not municipality.training(c)]
    known = {(one.context, one.role): one.expiry.until for one in snapshot.upkeep.known if one.expiry and one.used}
    ends = [
        (f'context="{context}",role="{role}"', until.timestamp())
        for (context, role), until in known.items()
        if until is not None and not municipality.training(context)
    ]
    sends = measured.counted.sends
    calls = [(f'context="{c}",group="{g}"', n) for (c, g), n in sorted(measured.counted.calls.items())]
    return [
        *_standing("sluza_context", snapshot, names),
        ("sluza_credential_ends_seconds", "gauge", "Unix time at which a credential ends.", ends),
        (
            "sluza_sends_last_day", "gauge", "Sends of the last 24 hours by outcome.",
            [(f'outcome="{o}"', sends.get(o, 0)) for o in OUTCOMES],
        ),
        ("sluza_ksef_calls_last_hour", "gauge", "Calls of the last hour that count against KSeF's limits.", calls),
    ]  # fmt: skip


def _machine(snapshot: Snapshot, measured: Measured) -> list[_Metric]:
    requests = [(f'status="{status}"', n) for status, n in sorted(measured.requests.items())]
    alive = snapshot.condition("", ALIVE)
    age = [("", (snapshot.at - alive.at).total_seconds())] if alive else []
    free = [(f'disk="{disk}"', free) for disk, free in measured.free_bytes.items()]
    return [
        ("sluza_agent_silent_seconds", "gauge", "Since the agent's last sign of life.", age),
        ("sluza_http_requests_total", "counter", "Requests to the drop-point by status.", requests),
        ("sluza_spool_bytes", "gauge", "Size of the spool with its write-ahead log.", [("", measured.spool_bytes)]),
        ("sluza_disk_free_bytes", "gauge", "Free bytes by disk.", free),
    ]


def _metric(name: str, kind: str, about: str, samples: Samples) -> list[str]:
    """One metric; labels come ready (our own ids and states need no escaping)."""
    rows = [f"{name}{{{labels}}} {value:.0f}" if labels else f"{name} {value:.0f}" for labels, value in samples]
    return [f"# HELP {name} {about}", f"# TYPE {name} {kind}", *rows]
