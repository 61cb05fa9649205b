"""`sluza submit FILE --unit U`: the front door, by hand."""

import getpass
import sys
from pathlib import Path

import click

from gateway.admission import Verdict
from gateway.intake import Origin
from gateway.results import result
from sluza import by_hand, options
from sluza.console import emit, moment, out, plain, state
from sluza.workbench import Bench, bench
from spool.domain.exits import Exit


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="PLIK")
@click.option("--unit", "unit_id", required=True, metavar="JEDNOSTKA", help="Identyfikator jednostki.")
@click.option("--offline24", is_flag=True, help="Wystaw w trybie offline24 (jeśli polityka pozwala).")
@options.verb
def submit(
    config: str | None, own_config: str | None, file: Path, unit_id: str, offline24: bool, as_json: bool
) -> None:
    """Przyjmij plik faktury (albo ZIP) do wysłania."""
    with bench(options.chosen(config, own_config)) as opened:
        origin = Origin(opened.unit(unit_id), "cli", file.name, offline24=offline24, actor=getpass.getuser())
        verdicts = by_hand.accept(opened, file.read_bytes(), origin)
        for verdict in verdicts:
            _print(opened, verdict, as_json)
    sys.exit(Exit.REFUSED if any(v.kind == "refused" for v in verdicts) else Exit.OK)


def _print(opened: Bench, verdict: Verdict, as_json: bool) -> None:
    document = verdict.document
    if as_json:
        if document is None:
            emit({"source_name": verdict.name, "errors": [p.as_dict() for p in verdict.problems]})
            return
        history = opened.spool.read_now(lambda store: store.history(document.id))
        emit(result(document, history, opened.settings.shared.municipality))
        return
    if document is not None and verdict.kind != "refused":
        again = " (ten sam plik był już przyjęty)" if verdict.kind == "same" else ""
        out.print(f"{plain(verdict.name)}: {state(document.state)}{again}")
        out.print(f"  identyfikator {document.id}, termin {moment(document.due_safe)}")
        return
    out.print(f"{plain(verdict.name)}: [red]odrzucona[/]")
    for found in verdict.problems:
        out.print(f"  • {plain(found.message)}\n    → {plain(found.hint)}")
