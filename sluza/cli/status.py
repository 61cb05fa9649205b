"""`sluza status`: is everything all right, what is late next, is KSeF up — on one screen."""

from dataclasses import replace
from typing import Any

import click
from rich.text import Text

from gateway.results import local
from gateway.web import saved
from gateway.web.finding import Level
from gateway.web.health import Snapshot, findings, in_order, overdue
from gateway.web.people import in_training
from gateway.web.snapshot import Drawer, remote_units, take, with_credentials
from sluza import options
from sluza.console import COLOURS, emit, moment, out, plain, state
from sluza.workbench import begun, looking, read_settings
from spool import room
from spool.domain.backups import BACKUP
from spool.domain.ledger import Document
from spool.domain.states import LABELS, State

_ROWS = 15
_LEAST_DUE = 6
_CONTEXTS = 5
_COLOUR = {Level.FINE: "green", Level.LOOK: "yellow", Level.ALARM: "red"}


@click.command()
@options.verb
def status(config: str | None, own_config: str | None, as_json: bool) -> None:
    """Stan Śluzy na jednym ekranie."""
    chosen = options.chosen(config, own_config)
    begun(read_settings(chosen).shared)
    with looking(chosen) as (settings, spool, clock):  # works on a full disk, too
        municipality, paths, now = settings.shared.municipality, settings.shared.paths, clock()
        far, days = remote_units(municipality), settings.alerts.refused_days
        contexts, units, rules = municipality.contexts, municipality.units, settings.shared.rules
        seen = spool.read_now(lambda store: take(store, contexts, now, units, far, days, rules))
    seen = with_credentials(seen, Drawer(municipality, paths.state, settings.http.cert).known())
    seen = replace(seen, shortage=room.said(room.Reserve(paths.state, paths.reserve)))
    emit(_as_dict(seen)) if as_json else _show(seen)


def _as_dict(seen: Snapshot) -> dict[str, Any]:
    return {
        "ok": not findings(seen),
        "findings": [{"level": f.level.name.lower(), "code": f.code, "message": f.sentence} for f in findings(seen)],
        "counts": dict(seen.counts),
        "waiting": seen.waiting,
        "received": {"total": seen.received_total, "unassigned": seen.unassigned},
        "training": {"counts": dict(seen.trained.counts), "received": seen.trained.received},
        "late": sum(overdue(d, seen.at) for d in seen.queue),
        "next": [
            {"id": d.id, "unit": d.unit, "number": d.facts.number, "state": d.state, "due": local(d.due_safe)}
            for d in seen.queue
        ],
        "backup": backup.value if (backup := seen.condition("", BACKUP)) else None,
        "contexts": {
            name: {c.name: c.value | {"at": local(c.at)} for c in seen.conditions if c.context == name}
            for name in seen.contexts
        },
    }


def _show(seen: Snapshot) -> None:
    """Everything, or in a terminal as much as fits on one screen, the gravest first."""
    height = out.size.height - 1 if out.is_terminal else 0  # the prompt needs a line
    for line in screen(seen, out.size.width, height):
        out.print(line)


def screen(seen: Snapshot, width: int, height: int) -> list[Text]:
    """The lines; with a `height` above 0 at most so many, none wider than `width`."""
    found, foot = _findings(seen), _foot(seen)
    due = [_due(document, seen) for document in seen.queue[:_ROWS]]
    due = [Text("Najbliższe terminy:", "bold"), *due] if due else []
    if not height:
        return [*found, *foot, *due]
    room = height - len(foot)
    rows = [line for one in found for line in _folded(one, width)]
    if len(rows) > (most := max(1, room - min(len(due), _LEAST_DUE))):
        rows = [*rows[: most - 1], Text("… więcej: sluza status | less", "dim")]
    lines = [*rows, *foot, *due[: max(0, room - len(rows))]]
    for line in lines:
        line.truncate(width, overflow="ellipsis")
    return lines[:height]


def _folded(line: Text, width: int) -> list[Text]:
    """A sentence on at most two rows."""
    first, *more = line.wrap(out, width, overflow="fold")
    if not more:
        return [first]
    rest = Text("  ") + Text(" ").join(more)
    return [first, rest]


def _findings(seen: Snapshot) -> list[Text]:
    found = findings(seen)
    if not found:
        return [Text.from_markup(f"[bold green]Wszystko w porządku.[/] {plain(in_order(seen))}")]
    return [Text.from_markup(f"[bold {_COLOUR[f.level]}]•[/] {plain(f.sentence)}") for f in found]


def _foot(seen: Snapshot) -> list[Text]:
    lines = []
    for name in seen.contexts[:_CONTEXTS]:
        reachable = seen.condition(name, "reachable")
        answer = "odpowiada" if reachable and reachable.value.get("ok") else "nie odpowiada albo jeszcze nie pytano"
        lines.append(f"KSeF „{plain(name)}”: {answer}")
    counts = [f"[{COLOURS.get(State(s), 'cyan')}]{LABELS[State(s)]}[/] {n}" for s, n in seen.counts.items()]
    lines.append("Dokumenty: " + (" · ".join(counts) or "brak"))
    lines.append(f"Otrzymane: {seen.received_total}, w tacce centralnej {seen.unassigned}")
    if trained := in_training(seen.trained):
        lines.append(f"[yellow]{plain(trained)}[/]")
    lines.append(plain(saved.line(seen.condition("", BACKUP), seen.at)))
    return [Text.from_markup(line) for line in lines]


def _due(document: Document, seen: Snapshot) -> Text:
    until = moment(document.due_safe)
    colour = "red" if overdue(document, seen.at) else "default"
    name, unit = plain(document.facts.number or document.source_name), plain(document.unit)
    why = f" · {plain(document.reason)}" if document.reason else ""
    return Text.from_markup(f"  [{colour}]{until}[/]  {name} ({unit}) {state(document.state)}{why}")
