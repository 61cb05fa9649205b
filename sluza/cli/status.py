"""`sluza status`: is everything all right, what is late next, is KSeF up — on one screen."""

from datetime import datetime
from typing import Any

import click

from gateway.results import local
from sluza import options
from sluza.console import COLOURS, emit, moment, out, plain, state, table
from sluza.workbench import bench
from spool.domain.ledger import Condition, Document
from spool.domain.municipality import Municipality
from spool.domain.states import LABELS, State
from spool.store import Store


@click.command()
@options.as_json
@options.config
@click.pass_obj
def status(config: str | None, own_config: str | None, as_json: bool) -> None:
    """Stan Śluzy na jednym ekranie."""
    with bench(options.chosen(config, own_config)) as opened:
        now = opened.clock()
        town = opened.settings.shared.municipality
        seen = opened.spool.read_now(lambda store: _look(store, town, now))
    emit(_as_dict(seen)) if as_json else _show(seen, now)


def _look(store: Store, town: Municipality, now: datetime) -> dict[str, Any]:
    queue = store.by_due(limit=15)
    return {
        "counts": store.counts(),
        "received": store.received_counts(),
        "queue": queue,
        "late": [d for d in queue if d.due_safe and d.due_safe < now],
        "contexts": {c: store.conditions(c) for c in town.contexts},
    }


def _as_dict(seen: dict[str, Any]) -> dict[str, Any]:
    def queued(d: Document) -> dict[str, Any]:
        return {"id": d.id, "unit": d.unit, "number": d.facts.number, "state": d.state, "due": local(d.due_safe)}

    def conditions(found: list[Condition]) -> dict[str, Any]:
        return {c.name: c.value | {"at": c.at.isoformat()} for c in found}

    return {
        "ok": not seen["late"] and not any(c.name == "paused" for cs in seen["contexts"].values() for c in cs),
        "counts": seen["counts"],
        "received": seen["received"],
        "late": len(seen["late"]),
        "next": [queued(d) for d in seen["queue"]],
        "contexts": {name: conditions(found) for name, found in seen["contexts"].items()},
    }


def _show(seen: dict[str, Any], now: datetime) -> None:
    summary = _as_dict(seen)
    if summary["ok"]:
        out.print("[bold green]Wszystko w porządku.[/]")
    elif seen["late"]:
        out.print(f"[bold red]Po terminie: {len(seen['late'])}.[/]")
    else:
        out.print("[bold yellow]Wysyłka jest wstrzymana – szczegóły poniżej.[/]")
    for name, found in seen["contexts"].items():
        said = {c.name: c for c in found}
        reachable = said.get("reachable")
        line = (
            "KSeF odpowiada"
            if reachable and reachable.value.get("ok")
            else "KSeF nie odpowiada albo jeszcze nie pytano"
        )
        out.print(f"Kontekst {plain(name)}: {line}")
        if "paused" in said:
            out.print(f"  [yellow]wstrzymany:[/] {plain(said['paused'].value.get('reason'))}")
    counts = [f"[{COLOURS.get(State(s), 'cyan')}]{LABELS[State(s)]}[/] {n}" for s, n in seen["counts"].items()]
    out.print("Dokumenty: " + (", ".join(counts) or "brak"))
    got = seen["received"]
    out.print(f"Otrzymane: {got['total']}, w tacce centralnej {got['unassigned']}")
    if seen["queue"]:
        lines = [
            (
                f"[red]{moment(d.due_safe)}[/]" if d.due_safe and d.due_safe < now else moment(d.due_safe),
                plain(d.unit),
                plain(d.facts.number or d.source_name),
                state(d.state),
                plain(d.reason),
            )
            for d in seen["queue"]
        ]
        table("Najbliższe terminy", ("Termin", "Jednostka", "Numer", "Stan", "Powód"), lines)
