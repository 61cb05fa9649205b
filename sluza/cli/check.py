"""`sluza check`: do the invariants hold, in the spool and, if asked, against KSeF's register?

It only reads, on one snapshot of the spool, and may run while gateway and agent work.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import click

from agent import settings as agent_settings
from agent.ksef.api import NoAnswer
from agent.ksef.transport import Transport
from agent.register import RegisterOf, Ways
from sluza import options
from sluza.console import emit, out, plain, sentence, table
from sluza.progress import progress
from sluza.workbench import looking
from spool import settings
from spool.clock import Clock
from spool.domain.errors import SpoolError
from spool.domain.exits import Exit
from spool.domain.invariants import KSEF, MEANING, RESTORE, SPOOL, Finding
from spool.domain.registered import Registered, Seller
from spool.inspection import Report, Tell, compare, inspect
from spool.looking import Looking
from spool.workers import Workers

_NAMED = 5


@click.command()
@click.option("--against-ksef", is_flag=True, help="Porównaj też z rejestrem KSeF (tylko odczyt).")
@click.option("--elsewhere-ok", is_flag=True, help="Nie zgłaszaj faktur wystawionych poza Śluzą.")
@options.as_json
@options.config
@click.pass_obj
def check(config: str | None, own_config: str | None, against_ksef: bool, elsewhere_ok: bool, as_json: bool) -> None:
    """Sprawdź niezmienniki: czy nic nie zginęło, nic nie jest podwójne i nic nie milczy."""
    chosen = options.chosen(config, own_config)
    try:
        with looking(chosen) as (_, spool, clock), progress() as tell:
            asked = _ask_ksef(chosen, spool, clock, tell) if against_ksef else None
            report = spool.read_now(lambda store: inspect(store, clock(), tell))
            if asked is not None:
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


@dataclass(frozen=True)
class _Asked:
    """How many sellers KSeF was asked about, and what it did not answer."""

    sellers: int
    unanswered: list[Finding]


def _ask_ksef(chosen: str | None, spool: Looking, clock: Clock, tell: Tell) -> _Asked:
    """Lay KSeF's register beside the spool, before its snapshot: what is registered meanwhile is known here then."""
    agent = agent_settings.read(*settings.read(settings.find_config(chosen)))
    sellers = spool.read_now(lambda store: store.sellers())
    spool.aside(lambda store: store.prepare_register())

    def waiting(seconds: float) -> None:
        tell(f"limit KSeF, przerwa {seconds / 60:.0f} min", 0, 0)

    async def work() -> list[Finding]:
        workers = Workers(processes=1)
        try:
            async with Transport(proxy=agent.network.proxy, extra_ca=agent.network.extra_ca) as transport:
                ways = Ways(transport, workers, clock, waiting)
                contexts = agent.shared.municipality.contexts
                registers = {s.context: RegisterOf(ways, c) for s in sellers if (c := contexts.get(s.context))}
                return [f for s in sellers if (f := await _read(registers.get(s.context), spool, s, tell)) is not None]
        finally:
            workers.close()

    return _Asked(len(sellers), asyncio.run(work()))


async def _read(register: RegisterOf | None, spool: Looking, seller: Seller, tell: Tell) -> Finding | None:
    """One seller's part of the register; a finding when it could not be read to its end."""
    what, subject = f"rejestr KSeF „{seller.context}”", f"context:{seller.context}"
    if register is None:
        return Finding(KSEF, subject, f"Kontekstu „{seller.context}” nie ma już w konfiguracji: nie zapytano KSeF.")

    def keep(found: Sequence[Registered]) -> None:
        spool.aside(lambda store: store.keep_registered(found))
        tell(what, spool.aside(lambda store: store.registered_count()), 0)

    try:
        tell(what, 0, 0)
        upto = await register.read(seller, keep)
    except NoAnswer as no:
        reason = no.reading.reason or no.code
        return Finding(KSEF, subject, f"Nie udało się odczytać rejestru KSeF: {reason}", no.reading.hint)
    if upto is not None:
        spool.aside(lambda store: store.heard_upto(seller, upto))
    return None


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
