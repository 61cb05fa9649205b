"""`sluza received paper …`: purchases that came outside KSeF, on paper or as a file."""

from datetime import date
from pathlib import Path

import click

from gateway.papers import as_dict, as_event
from sluza import options
from sluza.cli.verify import bytes_of, read
from sluza.console import done, emit, moment, out, plain, table
from sluza.options import Day, person
from sluza.workbench import Bench, bench
from spool import papers
from spool.domain.calendar import warsaw_date
from spool.domain.errors import ConfigError
from spool.domain.papers import KIND_LABELS, OPEN, Decision, Kind, NewPaper, amount
from spool.papers import Desk
from spool.store import Store

_ID = click.argument("paper_id", metavar="NR", type=int)
_WHY = click.option("--reason", required=True, metavar="TEKST", help="Powód; zostaje w historii.")


@click.group()
def paper() -> None:
    """Zakupy spoza KSeF: faktury papierowe i PDF, potwierdzenia transakcji z kodami."""


@paper.command("add")
@click.option("--unit", "unit_id", required=True, metavar="JEDNOSTKA", help="Czyj to zakup.")
@click.option("--number", required=True, metavar="NUMER", help="Numer z dokumentu.")
@click.option("--gross", required=True, metavar="KWOTA", help="Kwota brutto, np. 1230,50.")
@click.option("--currency", default="PLN", show_default=True, help="Waluta.")
@click.option("--seller-nip", default="", metavar="NIP", help="NIP sprzedawcy; z kodu QR odczyta się sam.")
@click.option("--seller-name", default="", metavar="NAZWA", help="Nazwa sprzedawcy; dla zagranicznego zamiast NIP.")
@click.option("--issued", type=Day(), help="Data wystawienia; z kodu QR odczyta się sama.")
@click.option("--received", "received_on", type=Day(), help="Dzień faktycznego otrzymania (domyślnie dziś).")
@click.option("--scan", metavar="PLIK", help="Skan PDF, PNG albo JPG: kody odczytają się same, plik zostaje w Śluzie.")
@click.option("--link", "links", multiple=True, help="Link spod kodu QR, gdy nie ma skanu; można podać dwa razy.")
@click.option("--note", default="", metavar="TEKST", help="Uwaga.")
@options.name
@options.verb
def add(
    config: str | None, own_config: str | None, unit_id: str, number: str, gross: str, currency: str, seller_nip: str,
    seller_name: str, issued: date | None, received_on: date | None, scan: str | None, links: tuple[str, ...],
    note: str, name: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Zarejestruj dokument; kody ze skanu prowadzą do faktury, na którą Śluza będzie czekać."""
    raw = bytes_of(Path(scan)) if scan else None
    texts = (*links, *(read(scan).texts if scan else ()))
    with bench(options.chosen(config, own_config)) as opened:
        rules, now = opened.settings.shared.rules, opened.clock()
        opened.unit(unit_id)
        read_nip, read_day = papers.read_off(texts, rules)
        day = issued or read_day
        if day is None:
            raise ConfigError("Brakuje daty wystawienia.", "Proszę podać --issued RRRR-MM-DD.")
        new = NewPaper(
            unit_id, Kind.INVOICE, seller_nip or read_nip, seller_name, number, day, received_on or warsaw_date(now),
            amount(gross), currency.upper(), scan_name=Path(scan).name if scan else "", note=note,
        )  # fmt: skip
        entered = opened.spool.write_now(lambda s: papers.enter(s, new, texts, raw, rules, now, person(name)))
        desk = opened.spool.read_now(lambda s: papers.look(s, entered, None, rules, now))
    if as_json:
        emit(as_dict(desk))
        return
    out.print(f"Zapisano pod nr {entered.id}: {KIND_LABELS[entered.kind]}.")
    _say(desk)


@paper.command("list")
@click.option("--unit", "unit_id", metavar="JEDNOSTKA", help="Tylko ta jednostka.")
@click.option("--open", "undecided", is_flag=True, help="Tylko te, z którymi jest coś do zrobienia.")
@click.option("--limit", default=1000, show_default=True, type=click.IntRange(1))
@options.verb
def list_papers(
    config: str | None, own_config: str | None, unit_id: str | None, undecided: bool, limit: int, as_json: bool
) -> None:
    """Zarejestrowane dokumenty, od najnowszego, i co z każdym zrobić."""
    with bench(options.chosen(config, own_config)) as opened:
        rules, now, units = opened.settings.shared.rules, opened.clock(), (unit_id,) if unit_id else None
        found = opened.spool.read_now(
            lambda s: [papers.look(s, p, None, rules, now) for p in s.papers(units, limit=limit, undecided=undecided)]
        )
    if undecided:
        found = [desk for desk in found if desk.standing.code in OPEN]
    if as_json:
        emit([as_dict(desk) for desk in found])
        return
    table(
        f"Spoza KSeF: {len(found)}",
        ("Nr", "Jednostka", "Sprzedawca", "Numer", "Brutto", "Otrzymano", "Stan"),
        [_line(desk) for desk in found],
    )


def _line(desk: Desk) -> tuple[str, ...]:
    found = desk.paper
    return (
        str(found.id), plain(found.unit), plain(found.seller_name or found.seller_nip), plain(found.number),
        plain(f"{found.gross} {found.currency}"), f"{found.received_on:%d.%m.%Y}", _colour(desk),
    )  # fmt: skip


@paper.command("show")
@_ID
@options.verb
def show(config: str | None, own_config: str | None, paper_id: int, as_json: bool) -> None:
    """Jeden dokument: gdzie stoi sprawa, co zrobić, załączniki i historia."""
    with bench(options.chosen(config, own_config)) as opened:
        desk = _look(opened, paper_id)
        events = opened.spool.read_now(lambda s: papers.history(s, desk))
    if as_json:
        emit(as_dict(desk) | {"history": [as_event(e) for e in events]})
        return
    found = desk.paper
    for label, value in (
        ("jednostka", found.unit), ("rodzaj", KIND_LABELS[found.kind]),
        ("sprzedawca", f"{found.seller_name} {found.seller_nip}".strip()), ("numer", found.number),
        ("wystawiono", f"{found.issue_date:%d.%m.%Y}"), ("otrzymano", f"{found.received_on:%d.%m.%Y}"),
        ("brutto", f"{found.gross} {found.currency}"), ("kod", found.code_link or "–"),
        ("skan", f"{found.scan_name} {found.scan_sha256}" if found.scan_sha256 else "–"), ("uwaga", found.note or "–"),
    ):  # fmt: skip
        out.print(f"  {label:<12} {plain(value)}")
    _say(desk)
    for one in desk.attachments:
        out.print(f"  załącznik: {plain(one.name)}, {plain(one.place)}, SHA-256 {one.sha256}")
    table("Historia", ("Kiedy", "Kto", "Opis"), [(moment(e.at), plain(e.actor), plain(e.note)) for e in events])


@paper.command("allow")
@_ID
@_WHY
@options.name
@options.verb
def allow(
    config: str | None, own_config: str | None, paper_id: int, reason: str, name: str | None, as_json: bool
) -> None:
    """Zezwól na księgowanie mimo blokady albo podejrzenia duplikatu; decyzja osoby, z powodem."""
    _decide(options.chosen(config, own_config), paper_id, Decision.ALLOWED, reason, name, as_json)


@paper.command("withdraw")
@_ID
@_WHY
@options.name
@options.verb
def withdraw(
    config: str | None, own_config: str | None, paper_id: int, reason: str, name: str | None, as_json: bool
) -> None:
    """Wycofaj wpis: pomyłka albo ten sam dokument co faktura z KSeF."""
    _decide(options.chosen(config, own_config), paper_id, Decision.WITHDRAWN, reason, name, as_json)


def _decide(
    config: str | None, paper_id: int, decision: Decision, reason: str, name: str | None, as_json: bool
) -> None:
    with bench(config) as opened:
        _look(opened, paper_id)
        now, actor = opened.clock(), person(name)
        opened.spool.write_now(lambda s: s.decide_paper(paper_id, decision, reason, now, actor))
        standing = _look(opened, paper_id).standing
    done(as_json, f"Wpis nr {paper_id}: {standing.label}.", id=paper_id, standing=standing.code)


@paper.command("letter")
@_ID
@click.option("--out", "target", type=click.Path(dir_okay=False, path_type=Path), help="Zapisz do pliku.")
@options.verb
def letter(config: str | None, own_config: str | None, paper_id: int, target: Path | None, as_json: bool) -> None:
    """Projekt pisma do sprzedawcy, którego faktura nie doszła do KSeF w jego terminie; wysyła je człowiek."""
    with bench(options.chosen(config, own_config)) as opened:
        desk = _look(opened, paper_id)
        made = papers.letter(desk, opened.settings.shared.rules, warsaw_date(opened.clock()))
    if target is not None:
        target.write_text(made, encoding="utf-8")
    if as_json:
        emit({"id": paper_id, "letter": made})
    elif target is None:
        click.echo(made)


def _look(opened: Bench, paper_id: int) -> Desk:
    """Raises ConfigError when there is no such entry."""
    rules, now = opened.settings.shared.rules, opened.clock()

    def work(store: Store) -> Desk:
        return papers.look(store, store.paper(paper_id), None, rules, now)

    try:
        return opened.spool.read_now(work)
    except KeyError:
        raise ConfigError(f"Nie ma wpisu nr {paper_id}.", "Listę pokaże: sluza received paper list") from None


def _say(desk: Desk) -> None:
    out.print(f"  {_colour(desk)}: {plain(desk.standing.sentence)}")
    if desk.standing.cure:
        out.print(f"  → {plain(desk.standing.cure)}")


def _colour(desk: Desk) -> str:
    colour = "green" if desk.standing.bookable or desk.standing.code == "in_ksef" else "yellow"
    return f"[{colour}]{desk.standing.label}[/]"
