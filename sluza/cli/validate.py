"""`sluza validate FILE…`: check invoices before they are dropped; needs no configuration."""

import sys
from datetime import date, datetime
from pathlib import Path
from typing import Any

import click

from gateway import archive, sizes, validation
from sluza import options
from sluza.console import emit, out, plain
from spool.domain.calendar import WARSAW
from spool.domain.catalogue import problem
from spool.domain.errors import Problem
from spool.domain.exits import Exit
from spool.domain.municipality import Municipality, Unit
from spool.xml import examine


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="PLIK…")
@click.option("--nip", default="", help="NIP gminy, która ma być sprzedawcą.")
@click.option("--unit-nip", default="", help="NIP jednostki, która wystawia fakturę.")
@click.option("--date", "day", type=click.DateTime(["%Y-%m-%d"]), help="Dzień sprawdzenia (domyślnie dziś).")
@options.as_json
def validate(files: tuple[Path, ...], nip: str, unit_nip: str, day: datetime | None, as_json: bool) -> None:
    """Sprawdź pliki faktur FA(3) tak, jak zrobi to Śluza przy przyjęciu."""
    today = day.date() if day else datetime.now(WARSAW).date()
    refused = False
    for path in files:
        for report in _reports(path, nip, unit_nip, today):
            refused |= not report["ok"]
            emit(report) if as_json else _show(report)
    sys.exit(Exit.REFUSED if refused else Exit.OK)


def _reports(path: Path, nip: str, unit_nip: str, today: date) -> list[dict[str, Any]]:
    """One report for an XML, one per entry for a ZIP."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise click.UsageError(f"Nie można odczytać pliku {path}: {error.strerror}.") from error
    if not sizes.is_zip(raw):
        return [_report(str(path), raw, nip, unit_nip, today)]
    entries, problems = archive.unpack(raw)
    if problems:
        return [_as_report(str(path), "", tuple(problems), ())]
    return [_report(f"{path}/{name}", entry, nip, unit_nip, today) for name, entry in entries]


def _report(name: str, raw: bytes, nip: str, unit_nip: str, today: date) -> dict[str, Any]:
    if len(raw) > sizes.MAX_XML:
        return _as_report(name, "", (problem("too_big", size=len(raw), limit=sizes.MAX_XML),), ())
    examined = examine(raw)
    problems, warnings = examined.problems, examined.warnings
    if examined.facts and not problems:
        town = Municipality("", nip or examined.facts.seller_nip)
        unit = Unit("unit", "", "", nip=unit_nip)
        problems, warnings = validation.check(
            examined.facts, municipality=town, unit=unit, today=today, warnings=warnings
        )
    return _as_report(name, examined.sha256, problems, warnings)


def _as_report(name: str, sha256: str, problems: tuple[Problem, ...], warnings: tuple[Problem, ...]) -> dict[str, Any]:
    return {
        "file": name,
        "ok": not problems,
        "sha256": sha256,
        "errors": [p.as_dict() for p in problems],
        "warnings": [p.as_dict() for p in warnings],
    }


def _show(report: dict[str, Any]) -> None:
    """The same report for a person."""
    verdict = "[green]w porządku[/]" if report["ok"] else "[red]do poprawy[/]"
    out.print(f"{plain(report['file'])}: {verdict}")
    for colour, entries in (("red", report["errors"]), ("yellow", report["warnings"])):
        for entry in entries:
            place = ", ".join(p for p in (entry["field"], entry["line"] and f"wiersz {entry['line']}") if p)
            out.print(f"  [{colour}]•[/] {plain(entry['message'])}" + (f" [dim]({plain(place)})[/]" if place else ""))
            if entry["hint"]:
                out.print(f"    → {plain(entry['hint'])}")
