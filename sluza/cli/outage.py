"""`sluza outage …`: what KSeF announced, and what a person entered, ended or confirmed."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import click

from gateway.results import local
from sluza import options
from sluza.console import emit, moment, out, plain, table
from sluza.workbench import Bench, bench
from spool import law, outages
from spool.domain.announcements import Category
from spool.domain.calendar import WARSAW
from spool.domain.errors import ConfigError
from spool.domain.ledger import LATARNIA, Outage
from spool.store import Store


class Moment(click.ParamType[datetime]):
    """An instant as people write it: with an offset, or without one in Warsaw time."""

    name = "chwila"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """The instant with its offset."""
        if isinstance(value, datetime):
            return value
        try:
            found = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(f"„{value}” nie jest chwilą; np. 2026-11-26T14:30", param, ctx)
        return found if found.tzinfo else found.replace(tzinfo=WARSAW)


_LINK = click.option("--link", default="", metavar="ADRES", help="Adres komunikatu w BIP albo w mediach.")


@click.group()
def outage() -> None:
    """Komunikaty o awariach i niedostępności KSeF."""


@outage.command("list")
@options.verb
def list_outages(config: str | None, own_config: str | None, as_json: bool) -> None:
    """Wszystkie komunikaty, najnowszy na górze."""
    with bench(options.chosen(config, own_config)) as opened:
        found = opened.spool.read_now(lambda s: s.outages())
    if as_json:
        emit([as_dict(o) for o in found])
        return
    headings = ("Identyfikator", "Co i kiedy", "Skąd", "Działa")
    table(f"Komunikaty: {len(found)}", headings, [_line(o) for o in found])


def as_dict(found: Outage) -> dict[str, Any]:
    """An announcement for programs; instants are Warsaw time."""
    period = found.announcement
    return {
        "id": period.id,
        "environment": found.environment,
        "category": period.category.value,
        "start": local(period.start),
        "end": local(period.end),
        "published": local(period.published),
        "version": period.version,
        "source": found.source,
        "title": found.title,
        "link": found.link,
        "name": found.actor,
        "confirmed_by": found.confirmed_by or None,
        "cancelled_by": found.cancelled_by or None,
        "acts": found.acts,
    }


def _line(found: Outage) -> tuple[str, ...]:
    period = found.announcement
    acts = "tak" if found.acts else "[yellow]nie[/]"
    if period.category is Category.TOTAL_FAILURE and not found.confirmed_by and not found.cancelled_by:
        acts = "[yellow]czeka na potwierdzenie[/]"
    who = "Latarnia" if found.source == LATARNIA else plain(found.actor)
    end = f"do {moment(period.end)}" if period.end else "koniec nieznany"
    return period.id, f"{period.category.label}\nod {moment(period.start)}\n{end}", who, acts


@outage.command("add")
@click.option("--category", required=True, type=click.Choice([c.value for c in Category]), help="Rodzaj zdarzenia.")
@click.option("--start", required=True, type=Moment(), help="Początek według komunikatu.")
@click.option("--end", type=Moment(), help="Koniec, jeśli komunikat go podaje.")
@click.option("--published", type=Moment(), help="Chwila ogłoszenia komunikatu (domyślnie teraz).")
@click.option("--link", required=True, metavar="ADRES", help="Adres komunikatu w BIP albo w mediach.")
@click.option("--title", default="", metavar="TEKST", help="Tytuł komunikatu.")
@click.option("--environment", default=None, metavar="ŚRODOWISKO", help="prod, test, demo albo sandbox.")
@options.name
@options.verb
def add(
    config: str | None,
    own_config: str | None,
    category: str,
    start: datetime,
    end: datetime | None,
    published: datetime | None,
    link: str,
    title: str,
    environment: str | None,
    name: str | None,
    as_json: bool,
) -> None:
    """Wpisz komunikat z BIP lub mediów. Awaria całkowita zadziała dopiero po „sluza outage confirm”."""
    with bench(options.chosen(config, own_config)) as opened:
        where = _environment(opened, environment)

        def job(store: Store, now: datetime) -> Outage:
            return outages.add(
                store, where, Category(category), start, now,
                name=options.person(name), link=link, end=end, published=published, title=title,
            )  # fmt: skip

        _carry_out(opened, job, as_json)


@outage.command("close")
@click.argument("outage_id", metavar="IDENTYFIKATOR")
@click.option("--end", required=True, type=Moment(), help="Koniec według komunikatu.")
@_LINK
@options.name
@options.verb
def close(
    config: str | None,
    own_config: str | None,
    outage_id: str,
    end: datetime,
    link: str,
    name: str | None,
    as_json: bool,
) -> None:
    """Wpisz koniec awarii albo prac, gdy Latarnia go nie podała."""
    with bench(options.chosen(config, own_config)) as opened:
        _carry_out(
            opened, lambda s, now: outages.close(s, outage_id, end, now, name=options.person(name), link=link), as_json
        )


@outage.command("confirm")
@click.argument("outage_id", metavar="IDENTYFIKATOR")
@_LINK
@options.name
@options.verb
def confirm(
    config: str | None, own_config: str | None, outage_id: str, link: str, name: str | None, as_json: bool
) -> None:
    """Potwierdź awarię całkowitą: faktury w terminie nie będą już wysyłane do KSeF (art. 106ng, 106nf ust. 7)."""
    with bench(options.chosen(config, own_config)) as opened:
        _carry_out(
            opened, lambda s, now: outages.confirm(s, outage_id, now, name=options.person(name), link=link), as_json
        )


@outage.command("cancel")
@click.argument("outage_id", metavar="IDENTYFIKATOR")
@click.option("--reason", default="", metavar="TEKST", help="Powód, zapisywany w historii.")
@options.name
@options.verb
def cancel(
    config: str | None, own_config: str | None, outage_id: str, reason: str, name: str | None, as_json: bool
) -> None:
    """Odwołaj komunikat wpisany przez pomyłkę; zostaje w historii, ale przestaje działać."""
    with bench(options.chosen(config, own_config)) as opened:
        _carry_out(
            opened, lambda s, now: outages.cancel(s, outage_id, now, name=options.person(name), reason=reason), as_json
        )


def _carry_out(opened: Bench, job: Callable[[Store, datetime], Outage], as_json: bool) -> None:
    """Commit the announcement first, then recompute the documents chunk by chunk, saying how it goes."""
    now, rules = opened.clock(), opened.settings.shared.rules
    done = opened.spool.write_now(lambda store: job(store, now))
    changed = 0
    while opened.spool.read_now(lambda store: law.wanted(store, rules, now)):
        changed += opened.spool.write_now(lambda store: law.recompute(store, rules, now))
        if not as_json and out.is_terminal:
            out.print(f"Przeliczono terminy: {changed}…", end="\r")
    ceased = opened.spool.read_now(lambda store: store.ceased_for_nothing())
    if as_json:
        emit(as_dict(done) | {"changed": changed, "ceased_for_nothing": ceased})
        return
    period = done.announcement
    end = f"do {moment(period.end)}" if period.end else "koniec nieznany"
    out.print(f"[bold]{plain(period.id)}[/]  {period.category.label} od {moment(period.start)}, {end}")
    if not done.acts and not done.cancelled_by:
        out.print(f"  Zadziała po potwierdzeniu: sluza outage confirm {plain(period.id)}")
    out.print(f"  Zmienione terminy dokumentów: {changed}")
    if ceased:
        out.print(
            f"  [yellow]Faktury, których obowiązek uznano za wygasły przez odwołany komunikat: {ceased}.[/]\n"
            "  Same nie wrócą do kolejki, a termin biegnie. Lista: sluza queue list --state CEASED; każdą wysyła\n"
            "  sluza queue retry ID --reason POWÓD"
        )


def _environment(opened: Bench, given: str | None) -> str:
    """Where the announcement holds: the one environment in use, unless it is named."""
    used = sorted({c.environment for c in opened.settings.shared.municipality.contexts.values()})
    if given is None and len(used) == 1:
        return used[0]
    if given not in used:
        raise ConfigError(
            f"Nie wiadomo, którego środowiska KSeF dotyczy komunikat: {given or 'nie podano'}.",
            f"Proszę podać --environment: {', '.join(used)}.",
        )
    return given
