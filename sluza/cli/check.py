"""`sluza check`: do the invariants hold, in the spool and, if asked, against KSeF's register?

It only reads, on one snapshot of the spool, and may run while gateway and agent work.
"""

from collections import Counter
from typing import Any

import click

from sluza import options
from sluza.console import emit, out, plain, sentence, table
from sluza.progress import progress
from sluza.workbench import looking
from spool.domain.errors import SpoolError
from spool.domain.exits import Exit
from spool.domain.invariants import KSEF, MEANING, RESTORE, SPOOL, Finding
from spool.inspection import Report, compare, inspect

_NAMED = 5


@click.command()
@click.option("--against-ksef", is_flag=True, help="Porównaj też z rejestrem KSeF (tylko odczyt).")
@click.option("--elsewhere-ok", is_flag=True, help="Nie zgłaszaj faktur wystawionych poza Śluzą.")
@options.verb
def check(config: str | None, own_config: str | None, against_ksef: bool, elsewhere_ok: bool, as_json: bool) -> None:
    """Sprawdź niezmienniki: czy nic nie zginęło, nic nie jest podwójne i nic nie milczy."""
    chosen = options.chosen(config, own_config)
    try:
        with looking(chosen) as (_, spool, clock), progress() as tell:
            if against_ksef:
                from sluza.beside_ksef import ask_ksef  # here: everything of the agent's comes with it

                asked = ask_ksef(chosen, spool, clock, tell)
            report = spool.read_now(lambda store: inspect(store, clock(), tell))
            if against_ksef:
                report.saw(KSEF, count=asked.sellers)
                report.add(asked.unanswered)
                spool.read_now(lambda store: compare(store, report, elsewhere_ok=elsewhere_ok))
    except SpoolError as error:
        if not as_json:
            raise
        report = Report(readable=False)
        report.add([Finding(SPOOL, "spool", str(error), error.hint or RESTORE)])
    emit(_as_dict(report)) if as_json else _show(report)
    if not report.ok:
        raise SystemExit(Exit.REFUSED if report.readable else Exit.SPOOL)


def _as_dict(report: Report) -> dict[str, Any]:
    return {
        "ok": report.ok,
        "checked": {
            name: {"meaning": MEANING[name], "checked": report.looked[name], "broken": report.broken.get(name, 0)}
            for name in MEANING
            if name in report.looked
        },
        "findings": [
            {"invariant": f.invariant, "subject": f.subject, "message": f.message, "hint": f.hint}
            for f in report.in_order()
        ],
    }


def _show(report: Report) -> None:
    found = report.in_order()
    subjects: dict[str, list[str]] = {}
    for finding in found:
        subjects.setdefault(finding.invariant, []).append(finding.subject)
    names = [n for n in MEANING if n in report.looked or n in report.broken]
    table(
        "Niezmienniki",
        ("Nr", "Co musi być prawdą", "Sprawdzono", "Wynik", "Pierwsze przypadki"),
        [(n, MEANING[n], str(report.looked.get(n, 0)), _result(report, n), _first(subjects.get(n, []))) for n in names],
    )
    told: Counter[str] = Counter()
    for finding in found:
        told[finding.invariant] += 1
        if told[finding.invariant] <= _NAMED:
            out.print(f"[red]•[/] {plain(finding.invariant)} {plain(finding.subject)}: {plain(finding.message)}")
            if finding.hint:
                out.print(f"  → {plain(finding.hint)}")
    if report.ok:
        out.print("[bold green]Wszystko się zgadza.[/]")
    else:
        sentence(f"Naruszeń: {sum(report.broken.values())}.", "Pełna lista: sluza check --json")


def _result(report: Report, name: str) -> str:
    broken = report.broken.get(name, 0)
    return f"[bold red]naruszeń: {broken}[/]" if broken else "[green]w porządku[/]"


def _first(subjects: list[str]) -> str:
    return plain(", ".join(subjects[:_NAMED]) + (" …" if len(subjects) > _NAMED else ""))
