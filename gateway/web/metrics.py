"""Prometheus' text format: counts by state, deadlines, received invoices, conditions. Pure; names and values only."""

from collections.abc import Iterable

from gateway.web.health import Snapshot, overdue, unreachable
from spool.domain.municipality import Municipality
from spool.domain.states import State

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def text(snapshot: Snapshot, municipality: Municipality) -> str:
    """The whole page."""
    due = [d.due_safe.timestamp() for d in snapshot.queue if d.due_safe]
    late = sum(overdue(d, snapshot.at) for d in snapshot.queue)
    contexts = list(municipality.contexts)
    lines = [
        *_gauge("sluza_documents", "Documents by state.", [(f'state="{s}"', snapshot.counts.get(s, 0)) for s in State]),
        *_gauge("sluza_waiting", "Live documents without a KSeF number.", [("", snapshot.waiting)]),
        *_gauge("sluza_overdue", "Of the nearest ones, past their safe date.", [("", late)]),
        *_gauge("sluza_nearest_due_seconds", "Unix time of the nearest safe date.", [("", d) for d in due[:1]]),
        *_gauge("sluza_received_total", "Received invoices in the spool.", [("", snapshot.received_total)]),
        *_gauge("sluza_received_unassigned", "Received invoices in the central tray.", [("", snapshot.unassigned)]),
        *_gauge(
            "sluza_context_paused",
            "1 while a person has to act before anything is sent.",
            [(f'context="{c}"', int(snapshot.condition(c, "paused") is not None)) for c in contexts],
        ),
        *_gauge(
            "sluza_context_reachable",
            "0 while KSeF does not answer.",
            [(f'context="{c}"', int(not unreachable(snapshot.condition(c, "reachable")))) for c in contexts],
        ),
    ]
    return "\n".join(lines) + "\n"


def _gauge(name: str, about: str, samples: Iterable[tuple[str, float]]) -> list[str]:
    """One metric; labels come ready (our own ids and states need no escaping)."""
    rows = [f"{name}{{{labels}}} {value:.0f}" if labels else f"{name} {value:.0f}" for labels, value in samples]
    return [f"# HELP {name} {about}", f"# TYPE {name} gauge", *rows]
