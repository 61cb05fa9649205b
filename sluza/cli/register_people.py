"""`sluza register users|idwew|incidents|statements`: the registers that municipal orders prescribe."""

from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any, TypeVar

import click

from gateway.registers import tables
from sluza import options
from sluza.cli.outage import Moment
from sluza.console import done, plain, table
from sluza.options import Day
from sluza.registers import write
from sluza.workbench import Bench, bench
from spool.domain.calendar import warsaw_date
from spool.domain.errors import RegisterRefused
from spool.domain.identifiers import internal_id, internal_id_is_valid
from spool.domain.people import InternalId, Names, idwew_row, incident_row, statement_row, user_row
from spool.domain.registers import IDWEW, INCIDENTS, STATEMENTS, USERS, Layout, Row
from spool.store import Store

T = TypeVar("T")
_PERSON = click.option("--person", "who", required=True, metavar="OSOBA", help="Imię i nazwisko.")
_POST = click.option(
    "--post", default="", metavar="STANOWISKO", help="Stanowisko; odróżnia osoby o tym samym nazwisku."
)
_UNIT = click.option("--unit", "unit_id", required=True, metavar="JEDNOSTKA", help="Jednostka.")
_OF_UNIT = click.option("--unit", "unit_id", metavar="JEDNOSTKA", help="Tylko ta jednostka.")
_ON = click.option("--on", "on", type=Day(), metavar="DZIEŃ", help="Data (domyślnie dziś).")
_BY = click.option("--by", "by", required=True, metavar="OSOBA", help="Kto nadał, odebrał albo przyjął.")
_NUMBER = click.argument("number", type=int, metavar="NR")


def _listing(name: str, help_text: str) -> Callable[[Callable[..., Any]], click.Group]:
    """A register that is shown by its bare name, with the verbs that change it below."""

    def made(command: Callable[..., Any]) -> click.Group:
        for option in (click.pass_context, options.config, options.people_format, _OF_UNIT):
            command = option(command)
        return click.group(name, invoke_without_command=True, help=help_text)(command)

    return made


@_listing("users", "Rejestr użytkowników i uprawnień.")
def users(ctx: click.Context, own_config: str | None, form: str, to: Path | None, unit_id: str | None) -> None:
    """Nothing to do when a verb follows."""

    def found(store: Store, names: Names, today: date) -> list[Row]:
        return [user_row(one, names, today) for one in store.permissions(unit_id)]

    _show(ctx, own_config, USERS, form, to, found)


@_listing("idwew", "Rejestr identyfikatorów wewnętrznych (IDWew).")
def idwew(ctx: click.Context, own_config: str | None, form: str, to: Path | None, unit_id: str | None) -> None:
    """Nothing to do when a verb follows."""

    def found(store: Store, names: Names, _today: date) -> list[Row]:
        return [idwew_row(one, names) for one in store.internal_ids(unit_id)]

    _show(ctx, own_config, IDWEW, form, to, found)


@_listing("incidents", "Rejestr incydentów.")
def incidents(ctx: click.Context, own_config: str | None, form: str, to: Path | None, unit_id: str | None) -> None:
    """Nothing to do when a verb follows."""

    def found(store: Store, names: Names, _today: date) -> list[Row]:
        return [incident_row(one, names) for one in store.incidents(unit_id)]

    _show(ctx, own_config, INCIDENTS, form, to, found)


@_listing("statements", "Oświadczenia o poufności.")
def statements(ctx: click.Context, own_config: str | None, form: str, to: Path | None, unit_id: str | None) -> None:
    """Nothing to do when a verb follows."""

    def found(store: Store, names: Names, _today: date) -> list[Row]:
        return [statement_row(one, names) for one in store.statements(unit_id)]

    _show(ctx, own_config, STATEMENTS, form, to, found)


def add_to(register: click.Group) -> None:
    """Put the four registers under `sluza register`."""
    for group in (users, idwew, incidents, statements):
        register.add_command(group)


def _show(
    ctx: click.Context,
    own_config: str | None,
    layout: Layout,
    form: str,
    to: Path | None,
    found: Callable[[Store, Names, date], list[Row]],
) -> None:
    if ctx.invoked_subcommand:
        return
    with bench(options.chosen(ctx.obj, own_config)) as opened:
        town, today = opened.settings.shared.municipality, warsaw_date(opened.clock())
        names = {unit.id: unit.name for unit in town.units.values()}
        lines = opened.spool.read_now(lambda store: found(store, names, today))
    if form == options.TABLE and to is None:
        used = [n for n in range(len(layout.columns)) if any(row[n] not in {None, ""} for row in lines)]
        headings = [layout.columns[n].heading for n in used]  # a terminal has no room for empty columns
        table(f"{layout.sheet}: {len(lines)}", headings, [[plain(row[n]) for n in used] for row in lines])
        return
    about = tables.About(f"{layout.sheet}, {town.name}", town.name, today)
    write(lines, layout, about, tables.CSV if form == options.TABLE else form, to)


# -- changing them ---------------------------------------------------------------------------------------------


@users.command("add")
@_PERSON
@_POST
@_UNIT
@click.option("--scope", required=True, metavar="ZAKRES", help="Zakres uprawnień, np. „InvoiceRead, InvoiceWrite”.")
@_ON
@_BY
@click.option("--until", type=Day(), metavar="DZIEŃ", help="Ważne do; uprawnienia w KSeF same nie wygasają.")
@options.name
@options.verb
def grant(config: str | None, /, own_config: str | None, scope: str, until: date | None, **given: Any) -> None:
    """Wpisz nadane uprawnienie. Osoba musi mieć przyjęte oświadczenie o poufności."""

    def job(store: Store, entry: "_Entry") -> int:
        who = store.person(entry.unit(given["unit_id"]), _text(given["who"]), given["post"], entry.now, entry.actor)
        return store.grant(who, _text(scope), entry.day, given["by"], until, entry.now, entry.actor)

    number = _change(options.chosen(config, own_config), given, job)
    done(given["as_json"], f"Wpisano uprawnienie nr {number}.", number=number)


@users.command("withdraw")
@_NUMBER
@_ON
@_BY
@options.name
@options.verb
def withdraw_permission(config: str | None, /, own_config: str | None, number: int, **given: Any) -> None:
    """Wpisz odebranie uprawnienia o tym numerze."""
    _change(
        options.chosen(config, own_config), given,
        lambda store, e: store.withdraw_permission(number, e.day, given["by"], e.now, e.actor),
    )  # fmt: skip
    done(given["as_json"], f"Odnotowano odebranie uprawnienia nr {number}.", number=number)


@statements.command("add")
@_PERSON
@_POST
@_UNIT
@_ON
@_BY
@click.option("--kept-at", default="", metavar="MIEJSCE", help="Gdzie leży podpisany dokument.")
@options.name
@options.verb
def take_statement(config: str | None, /, own_config: str | None, kept_at: str, **given: Any) -> None:
    """Wpisz podpisane oświadczenie o poufności."""

    def job(store: Store, entry: "_Entry") -> int:
        who = store.person(entry.unit(given["unit_id"]), _text(given["who"]), given["post"], entry.now, entry.actor)
        return store.take_statement(who, entry.day, kept_at, given["by"], entry.now, entry.actor)

    number = _change(options.chosen(config, own_config), given, job)
    done(given["as_json"], f"Wpisano oświadczenie nr {number}.", number=number)


@statements.command("withdraw")
@_NUMBER
@_ON
@_BY
@options.name
@options.verb
def withdraw_statement(config: str | None, /, own_config: str | None, number: int, **given: Any) -> None:
    """Odnotuj cofnięcie oświadczenia o tym numerze."""
    _change(
        options.chosen(config, own_config), given,
        lambda store, e: store.withdraw_statement(number, e.day, given["by"], e.now, e.actor),
    )  # fmt: skip
    done(given["as_json"], f"Odnotowano cofnięcie oświadczenia nr {number}.", number=number)


@idwew.command("add")
@click.option("--idwew", "number", default="", metavar="NIP-ddddc", help="Numer nadany w KSeF (domyślnie: wolny).")
@click.option("--person", "who", default="", metavar="OSOBA", help="Pracownik.")
@click.option("--section", default="", metavar="KOMÓRKA", help="Komórka, zamiast pracownika.")
@_POST
@_UNIT
@_ON
@_BY
@options.name
@options.verb
def give_idwew(
    config: str | None, /, own_config: str | None, number: str, who: str, section: str, **given: Any
) -> None:
    """Nadaj IDWew pracownikowi albo komórce; cyfra kontrolna jest liczona i sprawdzana."""
    if bool(who) == bool(section):
        raise click.UsageError("Proszę podać --person albo --section.")

    def job(store: Store, entry: "_Entry") -> InternalId:
        unit = entry.unit(given["unit_id"])
        wanted = _checked(number, entry) if number else _free(store, entry)
        holder = store.person(unit, _text(who), given["post"], entry.now, entry.actor) if who else None
        new = InternalId(wanted, unit, _text(who), _text(section), entry.day, given["by"])
        return store.give_idwew(new, holder, entry.now, entry.actor)

    found = _change(options.chosen(config, own_config), given, job)
    done(given["as_json"], f"IDWew {found.idwew}: {found.holder}.", idwew=found.idwew)


@idwew.command("withdraw")
@click.argument("number", metavar="IDWEW")
@_ON
@_BY
@options.name
@options.verb
def withdraw_idwew(config: str | None, /, own_config: str | None, number: str, **given: Any) -> None:
    """Wycofaj IDWew: faktury z tym numerem nie trafią już do jednostki same."""
    _change(
        options.chosen(config, own_config), given,
        lambda store, e: store.withdraw_idwew(number, e.day, given["by"], e.now, e.actor),
    )  # fmt: skip
    done(given["as_json"], f"Wycofano IDWew {number}.", idwew=number)


@incidents.command("add")
@click.option("--happened", required=True, type=Moment(), help="Kiedy się zdarzyło.")
@click.option("--description", required=True, metavar="OPIS", help="Co się stało.")
@click.option("--reporter", required=True, metavar="OSOBA", help="Kto zgłasza.")
@click.option("--unit", "unit_id", default="", metavar="JEDNOSTKA", help="Jednostka, której dotyczy.")
@options.name
@options.verb
def add_incident(
    config: str | None, /, own_config: str | None, happened: datetime, description: str, reporter: str, **given: Any
) -> None:
    """Zgłoś incydent. Wpisu nie da się zmienić; sprostowanie jest nowym wpisem."""

    def job(store: Store, entry: "_Entry") -> int | None:
        if happened > entry.now:
            raise RegisterRefused("Zdarzenie nie może być w przyszłości.")
        unit = entry.unit(given["unit_id"]) if given["unit_id"] else ""
        return store.add_incident(happened, _text(description), reporter, unit, entry.now, entry.actor)

    number = _change(options.chosen(config, own_config), given, job)
    done(given["as_json"], f"Wpisano incydent nr {number}.", number=number)


class _Entry:
    """What every change needs: the clock, the day, who enters it, and the municipality."""

    def __init__(self, opened: Bench, given: dict[str, Any]) -> None:
        self._opened, self.town = opened, opened.settings.shared.municipality
        self.now = opened.clock()
        today = warsaw_date(self.now)
        self.day: date = given.get("on") or today
        self.actor = options.person(given.get("name"))
        if self.day > today:
            raise RegisterRefused(f"Data {self.day:%d.%m.%Y} jest w przyszłości.", "Wpisuje się to, co już się stało.")

    def unit(self, unit_id: str) -> str:
        """The id of a unit that is configured."""
        return self._opened.unit(unit_id).id


def _change(config: str | None, given: dict[str, Any], job: Callable[[Store, _Entry], T]) -> T:
    """One change in one commit."""
    with bench(config) as opened:
        entry = _Entry(opened, given)
        return opened.spool.write_now(lambda store: job(store, entry))


def _checked(number: str, entry: _Entry) -> str:
    """An IDWew that may be given: of ours, with its check digit, and not a unit's own. Raises RegisterRefused."""
    nips = {entry.town.nip} | {unit.nip for unit in entry.town.units.values() if unit.nip}
    if not internal_id_is_valid(number):
        near = number.replace("-", "")
        cure = f"Poprawny numer o tym początku to {internal_id(near[:10], near[10:14])}." if _digits(near) else ""
        raise RegisterRefused(f"„{number}” nie jest poprawnym IDWew (NIP-ddddc).", cure)
    if number[:10] not in nips:
        raise RegisterRefused(f"IDWew {number} nie zaczyna się od NIP gminy ani jej jednostki.")
    if any(unit.idwew == number for unit in entry.town.units.values()):
        raise RegisterRefused(f"IDWew {number} jest w konfiguracji identyfikatorem całej jednostki.")
    return number


def _digits(text: str) -> bool:
    return len(text) in {14, 15} and text.isascii() and text.isdigit()


def _free(store: Store, entry: _Entry) -> str:
    """The first IDWew under the municipality's NIP that nobody ever had."""
    taken = {one.idwew for one in store.internal_ids()} | {unit.idwew for unit in entry.town.units.values()}
    for four in range(1, 10_000):
        number = internal_id(entry.town.nip, f"{four:04}")
        if number not in taken:
            return number
    raise RegisterRefused("Wszystkie numery IDWew gminy są już nadane.")


def _text(given: str) -> str:
    """Typed by a person: one line, no doubled spaces."""
    return " ".join(given.split())
