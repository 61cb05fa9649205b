"""`sluza status`: is everything all right, what is late next, is KSeF up — on one screen."""

from dataclasses import replace
from typing import Any

import click

from gateway.results import local
from gateway.web.finding import Level
from gateway.web.health import Snapshot, findings, in_order, overdue
from gateway.web.snapshot import Drawer, remote_units, take, with_credentials
from sluza import options
from sluza.console import COLOURS, emit, moment, out, plain, state, table
from sluza.workbench import begun, looking, read_settings
from spool import room
from spool.domain.states import LABELS, State

_ROWS = 15
_COLOUR = {Level.FINE: "green", Level.LOOK: "yellow", Level.ALARM: "red"}


@click.command()
@options.as_json
@options.config
@click.pass_obj
def status(config: str | None, own_config: str | None, as_json: bool) -> None:
    """Stan Śluzy na jednym ekranie."""
    chosen = options.chosen(config, own_config)
    begun(read_settings(chosen).shared)
    with looking(chosen) as (settings, spool, clock):  # works on a full disk, too
        municipality, paths, now = settings.shared.municipality, settings.shared.paths, clock()
        far, days = remote_units(municipality), settings.alerts.refused_days
        seen = spool.read_now(lambda store: take(store, municipality.contexts, now, municipality.units, far, days))
    seen = with_credentials(seen, Drawer(municipality).known())
    seen = replace(seen, shortage=room.said(room.Reserve(paths.state, paths.reserve)))
    emit(_as_dict(seen)) if as_json else _show(seen)


def _as_dict(seen: Snapshot) -> dict[str, Any]:
    return {
        "ok": not findings(seen),
        "findings": [{"level": f.level.name.lower(), "message": f.sentence} for f in findings(seen)],
        "counts": dict(seen.counts),
        "waiting": seen.waiting,
        "received": {"total": seen.received_total, "unassigned": seen.unassigned},
        "late": sum(overdue(d, seen.at) for d in seen.queue),
        "next": [
            {"id": d.id, "unit": d.unit, "number": d.facts.number, "state": d.state, "due": local(d.due_safe)}
            for d in seen.queue
        ],
        "contexts": {
            name: {c.name: c.value | {"at": local(c.at)} for c in seen.conditions if c.context == name}
            for name in seen.contexts
        },
    }


def _show(seen: Snapshot) -> None:
    found = findings(seen)
    if not found:
        out.print(f"[bold green]Wszystko w porządku.[/] {in_order(seen)}")
    for finding in found:
        out.print(f"[bold {_COLOUR[finding.level]}]•[/] {plain(finding.sentence)}")
    for name in seen.contexts:
        reachable = seen.condition(name, "reachable")
        answer = "odpowiada" if reachable and reachable.value.get("ok") else "nie odpowiada albo jeszcze nie pytano"
        out.print(f"KSeF „{plain(name)}”: {answer}")
    counts = [f"[{COLOURS.get(State(s), 'cyan')}]{LABELS[State(s)]}[/] {n}" for s, n in seen.counts.items()]
    out.print("Dokumenty: " + (" · ".join(counts) or "brak"))
    out.print(f"Otrzymane: {seen.received_total}, w tacce centralnej {seen.unassigned}")
    if seen.queue:
        lines = [
            (
                f"[red]{moment(d.due_safe)}[/]" if overdue(d, seen.at) else moment(d.due_safe),
                plain(d.unit),
                plain(d.facts.number or d.source_name),
                state(d.state),
                plain(d.reason),
            )
            for d in seen.queue[:_ROWS]
        ]
        table("Najbliższe terminy", ("Termin", "Jednostka", "Numer", "Stan", "Powód"), lines)
