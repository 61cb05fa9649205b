"""`sluza register …`: the monthly registers; those that orders prescribe are in `sluza.cli.register_people`."""

import asyncio
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import click

from gateway.registers import tables
from gateway.registers.gather import Sources, rows
from gateway.registers.keeper import title
from gateway.registers.work import register_workers
from sluza import options
from sluza.cli import register_people
from sluza.console import done
from sluza.options import Day, person
from sluza.registers import write
from sluza.workbench import Bench, bench
from spool.domain.calendar import warsaw_date
from spool.domain.errors import ConfigError, RegisterRefused
from spool.domain.receipt import receipt_of
from spool.domain.registers import MONTHLY
from spool.store.registers import WHOLE


class Month(click.ParamType[str]):
    """A month RRRR-MM."""

    name = "miesiąc"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The month, checked."""
        if not re.fullmatch(r"20\d\d-(0[1-9]|1[0-2])", str(value), re.ASCII):
            self.fail(f"„{value}” nie jest miesiącem; np. 2026-11", param, ctx)
        return str(value)


_MONTH = click.option("--month", required=True, type=Month(), metavar="RRRR-MM", help="Miesiąc.")
_UNIT = click.option("--unit", "unit_id", metavar="JEDNOSTKA", help="Tylko ta jednostka (domyślnie cała gmina).")


@click.group()
def register() -> None:
    """Rejestry: faktur, użytkowników, IDWew, incydentów i oświadczeń."""


register_people.add_to(register)


@register.command("issued")
@_UNIT
@_MONTH
@options.table_format
@options.config
@click.pass_obj
def issued(
    config: str | None, own_config: str | None, unit_id: str | None, month: str, form: str, to: Path | None
) -> None:
    """Faktury wystawione w miesiącu (według daty wystawienia)."""
    _monthly(options.chosen(config, own_config), "issued", unit_id, month, form, to)


@register.command("received")
@_UNIT
@_MONTH
@options.table_format
@options.config
@click.pass_obj
def received(
    config: str | None, own_config: str | None, unit_id: str | None, month: str, form: str, to: Path | None
) -> None:
    """Faktury otrzymane w miesiącu (według daty otrzymania)."""
    _monthly(options.chosen(config, own_config), "received", unit_id, month, form, to)


@register.command("papers")
@_UNIT
@_MONTH
@options.table_format
@options.config
@click.pass_obj
def papers(
    config: str | None, own_config: str | None, unit_id: str | None, month: str, form: str, to: Path | None
) -> None:
    """Zakupy spoza KSeF i potwierdzenia transakcji z miesiąca (według dnia otrzymania)."""
    _monthly(options.chosen(config, own_config), "paper", unit_id, month, form, to)


def _monthly(config: str | None, kind: str, unit_id: str | None, month: str, form: str, to: Path | None) -> None:
    with bench(config) as opened, _lines() as lines:
        town = opened.settings.shared.municipality
        owner = opened.unit(unit_id).name if unit_id is not None else town.name
        asyncio.run(_gather(opened, kind, unit_id or WHOLE, month, lines))
        shown = MONTHLY[kind]
        about = tables.About(title(shown, owner, month), town.name, date.fromisoformat(f"{month}-01"))
        write(tables.rows_of(lines, shown), shown, about, form, to)


async def _gather(opened: Bench, kind: str, unit: str, month: str, lines: Path) -> None:
    workers = register_workers()
    try:
        shared = opened.settings.shared
        sources = Sources(opened.spool, workers, shared.municipality, shared.classes, shared.law, opened.clock)
        with lines.open("w", encoding="utf-8", newline="\n") as handle:
            async for row in rows(sources, kind, unit, month):
                handle.write(tables.as_line(row))
    finally:
        workers.close()


@contextmanager
def _lines() -> Iterator[Path]:
    """A file for the rows between reading and writing: they may be more than memory should hold."""
    with tempfile.TemporaryDirectory(prefix="sluza-rejestr-") as directory:
        yield Path(directory) / "lines"


@register.command("receipt")
@click.argument("ksef_number", metavar="NUMER-KSEF")
@click.option("--on", "on", required=True, type=Day(), help="Dzień faktycznego otrzymania.")
@options.name
@options.verb
def receipt(
    config: str | None, own_config: str | None, ksef_number: str, on: date, name: str | None, as_json: bool
) -> None:
    """Wpisz dzień faktycznego otrzymania faktury wystawionej w czasie awarii KSeF (art. 106nf ust. 10)."""
    with bench(options.chosen(config, own_config)) as opened:
        try:
            found, outages = opened.spool.read_now(lambda store: (store.received(ksef_number), store.outages()))
        except KeyError:
            raise ConfigError(f"Nie ma faktury o numerze KSeF „{ksef_number}”.") from None
        numbered = warsaw_date(found.acquisition_date)
        if on >= numbered:
            raise RegisterRefused(
                f"Numer KSeF nadano {numbered:%d.%m.%Y}, więc to jest data otrzymania.",
                "Wpisuje się tylko dzień wcześniejszy niż nadanie numeru.",
            )
        if found.facts.issue_date and on < found.facts.issue_date:
            raise RegisterRefused(f"Fakturę wystawiono dopiero {found.facts.issue_date:%d.%m.%Y}.")
        if receipt_of(found, on, [o.announcement for o in outages if o.acts]).day != on:
            raise RegisterRefused(
                "Ta faktura nie jest z czasu awarii KSeF, więc datą otrzymania jest dzień nadania numeru.",
                "Jeśli awaria była, proszę najpierw wpisać komunikat: sluza outage add",
            )
        now, actor = opened.clock(), person(name)
        opened.spool.write_now(lambda store: store.enter_receipt(found, on, now, actor))
    done(as_json, f"Data otrzymania faktury {ksef_number}: {on:%d.%m.%Y}.", ksef_number=ksef_number, on=on.isoformat())


@register.command("retention")
@click.argument("key", metavar="IDENTYFIKATOR")
@click.option("--class", "name_of_class", metavar="KLASA", help="Klasa z tabeli [retention.classes].")
@click.option("--by-unit", is_flag=True, help="Usuń własną klasę dokumentu: znów obowiązuje klasa jednostki.")
@options.name
@options.verb
def retention(
    config: str | None,
    own_config: str | None,
    key: str,
    name_of_class: str | None,
    by_unit: bool,
    name: str | None,
    as_json: bool,
) -> None:
    """Nadaj dokumentowi (identyfikator albo numer KSeF) własną klasę archiwalną."""
    if bool(name_of_class) == by_unit:
        raise click.UsageError("Proszę podać --class KLASA albo --by-unit.")
    with bench(options.chosen(config, own_config)) as opened:
        known = opened.settings.shared.classes.years
        if name_of_class and name_of_class not in known:
            raise ConfigError(f"Nie ma klasy „{name_of_class}”.", f"Klasy z konfiguracji: {', '.join(known)}.")
        now, actor = opened.clock(), person(name)
        opened.spool.write_now(lambda store: store.set_retention(key, name_of_class, now, actor))
    text = f"Klasa archiwalna {key}: {name_of_class or 'według jednostki'}."
    done(as_json, text, id=key, retention=name_of_class)
