"""`sluza deadline`: the term of one document, or of a table of cases; needs no configuration (DESIGN 4.2)."""

import csv
import sys
from pathlib import Path
from typing import Any, TextIO

import click

from sluza import options
from sluza.console import emit, out, plain
from spool.domain import deadline_events
from spool.domain.calendar import WARSAW
from spool.domain.deadlines import Deadline, assess
from spool.domain.document import Mode
from spool.domain.exits import Exit
from spool.domain.terms import DueState

COLUMNS = ("id", "due", "due_local", "state", "basis", "explanation")
_NEEDED = ("id", "issue_date", "mode", "sequence_of_events")


@click.command()
@click.option("--issue-date", metavar="RRRR-MM-DD", help="Data wystawienia, pole P_1.")
@click.option("--mode", type=click.Choice([m.value for m in Mode]), help="Tryb wystawienia.")
@click.option("--events", default="[]", metavar="JSON", help="Zdarzenia: awarie, niedostępność, przesłanie…")
@click.option("--now", default="", metavar="ISO", help="Chwila, z której patrzymy, z przesunięciem strefy.")
@click.option("--cases", type=click.Path(dir_okay=False, path_type=Path), metavar="PLIK.csv", help="Tabela przypadków.")
@click.option("--out", "target", type=click.Path(dir_okay=False, path_type=Path), metavar="PLIK.csv", help="Wyniki.")
@options.as_json
def deadline(
    issue_date: str | None,
    mode: str | None,
    events: str,
    now: str,
    cases: Path | None,
    target: Path | None,
    as_json: bool,
) -> None:
    """Termin przesłania faktury do KSeF, z podstawą prawną: dla jednego dokumentu albo tabeli przypadków."""
    if cases is not None:
        sys.exit(_table(cases, target))
    if issue_date is None or mode is None:
        raise click.UsageError("Proszę podać --issue-date i --mode, albo --cases.")
    try:
        found = _judge(issue_date, mode, events, now)
    except ValueError as error:
        raise click.UsageError(f"Nie można policzyć terminu: {error}.") from error
    emit(as_dict(found)) if as_json else _show(found)


def as_dict(found: Deadline) -> dict[str, Any]:
    """The answer for programs; `due` is the safe date: an ISO instant, `none` or `pending`."""
    return {
        "due": _due(found),
        "due_local": found.local.isoformat() if found.local else None,
        "state": found.state.value,
        "mode": found.mode.value,
        "issued_at": found.issued_at.astimezone(WARSAW).isoformat(timespec="seconds"),
        "basis": list(found.basis),
        "explanation": found.explanation,
        "recomputed_because": found.because or None,
    }


def _judge(issue_date: str, mode: str, events: str, now: str) -> Deadline:
    """Without a configuration the local rule of deadlines K3 is shown, as the second date that it is."""
    story = deadline_events.read(issue_date, mode, events, now)
    return assess(story.issue, story.announcements, story.now, handed_over=story.handed_over, local_maintenance=True)


def _due(found: Deadline) -> str:
    if found.safe is not None:
        return found.safe.isoformat()
    return "none" if found.state in {DueState.NONE, DueState.CEASED} else "pending"


def _show(found: Deadline) -> None:
    shown = {"none": "nie ma obowiązku przesłania", "pending": "jeszcze nieznany"}
    due = found.safe.strftime("%d.%m.%Y, godz. %H:%M:%S (%z)") if found.safe else shown[_due(found)]
    out.print(f"[bold]Termin:[/] {due}   [dim]{_STATES[found.state]}[/]")
    out.print(plain(found.explanation))
    out.print(f"Podstawa: {plain(', '.join(found.basis))}")
    if found.local:
        out.print(f"Termin według zarządzenia o pracach serwisowych (jeśli obowiązuje): {found.local:%d.%m.%Y}")
    if found.because:
        out.print(f"Termin zmienił komunikat: {plain(found.because)}")


_STATES = {
    DueState.OPEN: "biegnie",
    DueState.PENDING: "czeka na koniec awarii",
    DueState.MET: "dotrzymany",
    DueState.OVERDUE: "przekroczony",
    DueState.CEASED: "obowiązek wygasł",
    DueState.NONE: "bez obowiązku",
}


def _table(cases: Path, target: Path | None) -> Exit:
    """One row out for every row in; a row that cannot be read says so itself, and the exit code is 1."""
    try:
        with cases.open(encoding="utf-8-sig", newline="") as source:
            reader = csv.DictReader(source)
            missing = [name for name in _NEEDED if name not in (reader.fieldnames or ())]
            if missing:
                raise click.UsageError(f"Tabela {cases} nie ma kolumn: {', '.join(missing)}.")
            rows = [_row(row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise click.UsageError(f"Nie można odczytać tabeli {cases}: {error}.") from error
    if target is None:
        _write(sys.stdout, rows)
    else:
        try:
            with target.open("w", encoding="utf-8", newline="") as file:
                _write(file, rows)
        except OSError as error:
            raise click.UsageError(f"Nie można zapisać {target}: {error.strerror}.") from error
    return Exit.OK if all(row["state"] for row in rows) else Exit.REFUSED


def _row(row: dict[str, str]) -> dict[str, str]:
    issue_date, mode, events, now = ((row.get(name) or "").strip() for name in (*_NEEDED[1:], "now"))
    try:
        found = _judge(issue_date, mode, events, now)
    except ValueError as error:
        return dict.fromkeys(COLUMNS, "") | {"id": row["id"], "explanation": f"Nie można policzyć terminu: {error}."}
    shown = as_dict(found)
    return {
        "id": row["id"],
        "due": shown["due"],
        "due_local": shown["due_local"] or "",
        "state": shown["state"],
        "basis": "; ".join(found.basis),
        "explanation": found.explanation,
    }


def _write(file: TextIO, rows: list[dict[str, str]]) -> None:
    writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
