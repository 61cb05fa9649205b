"""`sluza received …`: invoices from suppliers, whom they belong to, and what people decide about them."""

import getpass
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click

from gateway import evidence
from gateway.folders.mirror import said
from gateway.papers import as_attachment, as_event
from sluza import by_hand, options
from sluza.cli.attach import attach
from sluza.cli.paper import paper
from sluza.cli.register import receipt
from sluza.cli.verify import verify
from sluza.console import emit, moment, out, plain, table
from sluza.workbench import Bench, bench
from spool import purchases
from spool.domain.calendar import warsaw_date
from spool.domain.errors import ConfigError, MoveRefused
from spool.domain.ledger import TRAY
from spool.purchases import Purchase, hop, look, paper_beside
from spool.store import Store

_NUMBER = click.argument("ksef_number", metavar="NUMER-KSEF")
_REASON = click.option("--reason", default="", metavar="TEKST", help="Powód, zapisywany w historii.")


@click.group()
def received() -> None:
    """Faktury otrzymane z KSeF."""


@received.command("list")
@click.option("--unit", "unit_id", metavar="JEDNOSTKA", help="Tylko ta jednostka.")
@click.option("--unassigned", is_flag=True, help="Tylko tacka centralna.")
@click.option("--limit", default=1000, show_default=True, type=click.IntRange(1))
@options.verb
def list_received(
    config: str | None, own_config: str | None, unit_id: str | None, unassigned: bool, limit: int, as_json: bool
) -> None:
    """Otrzymane faktury w kolejności nadejścia; w tacce centralnej z podpowiedzią."""
    with bench(options.chosen(config, own_config)) as opened:
        rules = opened.settings.shared.rules
        found = opened.spool.read_now(
            lambda s: [look(s, r, rules) for r in s.received_page(unit=unit_id, unassigned=unassigned, limit=limit)]
        )
    if as_json:
        emit([_as_dict(p) for p in found])
        return
    table(
        f"Otrzymane: {len(found)}",
        ("Numer KSeF", "Jednostka", "Sprzedawca", "Numer", "Brutto", "Przyjęta"),
        [_line(p) for p in found],
    )


def _line(purchase: Purchase) -> tuple[str, ...]:
    invoice = purchase.invoice
    hint = f" (podpowiedź: {plain(purchase.suggested)})" if purchase.suggested else ""
    return (
        invoice.ksef_number,
        plain(invoice.unit) or f"[yellow]tacka centralna[/]{hint}",
        plain(invoice.facts.seller_name),
        plain(invoice.facts.number),
        plain(f"{invoice.facts.gross} {invoice.facts.currency}"),
        moment(invoice.acquisition_date),
    )


@received.command("show")
@_NUMBER
@options.verb
def show(config: str | None, own_config: str | None, ksef_number: str, as_json: bool) -> None:
    """Jedna otrzymana faktura: dokąd trafiła, dlaczego, kto co podpowiada i co się z nią działo."""
    with bench(options.chosen(config, own_config)) as opened:
        purchase, history, files_beside = _read(
            opened, ksef_number, lambda s: (s.history(ksef_number), s.attachments(ksef_number))
        )
    if as_json:
        found = [as_attachment(a) for a in files_beside]
        emit(_as_dict(purchase) | {"history": [as_event(e) for e in history], "attachments": found})
        return
    invoice, facts = purchase.invoice, purchase.invoice.facts
    for label, value in (
        ("jednostka", invoice.unit or "tacka centralna"), ("reguła", invoice.rule), ("dlaczego", invoice.why),
        ("sprzedawca", f"{facts.seller_name}, NIP {facts.seller_nip}"), ("numer", facts.number),
        ("brutto", f"{facts.gross} {facts.currency}"), ("numer KSeF", moment(invoice.acquisition_date)),
        ("otrzymana", f"{purchase.receipt.day:%d.%m.%Y}  {purchase.receipt.rule} {purchase.receipt.look}"),
        ("podobne", ", ".join(purchase.alike) or "–"), ("sha256", invoice.sha256),
    ):  # fmt: skip
        out.print(f"  {label:<12} {plain(value)}")
    for beside in purchase.papers:
        out.print(f"  [yellow]•[/] {plain(paper_beside(beside))} Jednostka: {plain(beside.unit)}.")
    for attached in files_beside:
        out.print(f"  załącznik: {plain(attached.name)}, {plain(attached.place)}, SHA-256 {attached.sha256}")
    for remark in invoice.remarks:
        out.print(f"  [yellow]•[/] {plain(remark.message)}\n    → {plain(remark.hint)}")
    if purchase.suggestions:
        table("Podpowiedzi", ("Jednostka", "Dlaczego"), [(plain(s.unit), plain(s.why)) for s in purchase.suggestions])
        out.print(f"  Przydzielenie: sluza received assign {ksef_number} JEDNOSTKA")
    table("Historia", ("Kiedy", "Kto", "Opis"), [(moment(e.at), plain(e.actor), plain(hop(e))) for e in history])


@received.command("assign")
@_NUMBER
@click.argument("unit_id", metavar="JEDNOSTKA", default="")
@click.option("--suggested", is_flag=True, help="Do jednostki, na którą wskazują podpowiedzi.")
@_REASON
@options.verb
def assign(
    config: str | None,
    own_config: str | None,
    ksef_number: str,
    unit_id: str,
    suggested: bool,
    reason: str,
    as_json: bool,
) -> None:
    """Przydziel fakturę jednostce („_centrala” – z powrotem do tacki); następnym razem Śluza to podpowie."""
    with bench(options.chosen(config, own_config)) as opened:
        [purchase] = _read(opened, ksef_number)
        target = _target(opened, purchase, unit_id, suggested)
        now, actor, rules = opened.clock(), getpass.getuser(), opened.settings.shared.rules
        done = opened.spool.write_now(lambda s: purchases.assign(s, ksef_number, target, now, actor, reason, rules))
    if as_json:
        emit(_as_dict(done))
        return
    out.print(f"{plain(done.invoice.facts.number)}: {plain(target or 'tacka centralna')}")
    before = purchase.invoice
    if before.unit and before.mirrored_at:
        out.print(
            f"  [yellow]Jednostka {plain(before.unit)} miała kopię od {moment(before.mirrored_at)}.[/] Śluza usunie ją "
            "z jej folderu; proszę zawiadomić jednostkę, żeby jej nie księgowała."
        )


def _target(opened: Bench, purchase: Purchase, unit_id: str, suggested: bool) -> str | None:
    """The unit meant, None for the tray. Raises ConfigError, MoveRefused."""
    if bool(unit_id) is suggested:
        raise ConfigError("Proszę podać jednostkę albo --suggested.")
    if suggested:
        if purchase.suggested is None:
            raise MoveRefused("Podpowiedzi nie wskazują jednej jednostki.", "Proszę podać jednostkę.")
        return purchase.suggested
    return None if unit_id == TRAY else opened.unit(unit_id).id


@received.command("remirror")
@click.argument("ksef_numbers", metavar="NUMER-KSEF…", nargs=-1, required=True)
@options.verb
def remirror(config: str | None, own_config: str | None, ksef_numbers: tuple[str, ...], as_json: bool) -> None:
    """Zapisz kopię w folderze jeszcze raz, na przykład gdy ktoś ją usunął."""
    with bench(options.chosen(config, own_config)) as opened:
        now, actor = opened.clock(), getpass.getuser()
        for number in ksef_numbers:
            found = _read(opened, number)[0].invoice
            opened.spool.write_now(partial(Store.remirror, ksef_number=number, now=now, actor=actor))
            if as_json:
                emit({"ksef_number": number, "unit": found.unit})
            else:
                out.print(f"{number}: kopia zostanie zapisana w folderze {plain(found.unit or TRAY)}")


received.add_command(receipt, "receipt-date")
received.add_command(verify)
received.add_command(paper)
received.add_command(attach)


@received.command("letter")
@_NUMBER
@click.option("--unit", "unit_id", default="", metavar="JEDNOSTKA", help="Jednostka, którą ma wskazać dostawca.")
@click.option("--out", "target", type=click.Path(dir_okay=False, path_type=Path), help="Zapisz do pliku.")
@options.verb
def letter(
    config: str | None, own_config: str | None, ksef_number: str, unit_id: str, target: Path | None, as_json: bool
) -> None:
    """Projekt pisma do dostawcy z prośbą o fakturę korygującą; wysyła je człowiek."""
    with bench(options.chosen(config, own_config)) as opened:
        purchase, rules = _read(opened, ksef_number)[0], opened.settings.shared.rules
        named = opened.unit(unit_id) if unit_id else purchase.recipient(rules)
        made = purchases.letter(purchase, rules, warsaw_date(opened.clock()), named)
    if target is not None:
        target.write_text(made, encoding="utf-8")
    if as_json:
        emit({"ksef_number": ksef_number, "unit": named.id if named else None, "letter": made})
    elif target is None:
        click.echo(made)


@received.command("suppliers")
@options.verb
def suppliers(config: str | None, own_config: str | None, as_json: bool) -> None:
    """Dostawcy: ile faktur, ile bez właściwej jednostki i jakie błędy się powtarzają."""
    with bench(options.chosen(config, own_config)) as opened:
        found = opened.spool.read_now(lambda s: s.defects())
    if as_json:
        emit(found)
        return
    table(
        f"Dostawcy: {len(found)}",
        ("NIP", "Nazwa", "Faktur", "W tacce lub ręcznie", "Uwagi"),
        [
            (
                plain(d["seller_nip"]),
                plain(d["seller_name"]),
                str(d["invoices"]),
                str(d["by_hand"]),
                plain(", ".join(f"{code}: {n}" for code, n in d["remarks"].items())) or "–",
            )
            for d in found
        ],
    )


@received.command("proof")
@click.argument("ksef_number", metavar="NUMER-KSEF")
@options.out_file
@options.verb
def proof(config: str | None, own_config: str | None, ksef_number: str, to: Path, as_json: bool) -> None:
    """Paczka dowodów jednej otrzymanej faktury (ZIP): oryginał, wydruk, historia i opis, jak ją sprawdzić."""
    with bench(options.chosen(config, own_config)) as opened:
        town = opened.settings.shared.municipality
        try:
            found = opened.spool.read_now(lambda s: evidence.of_received(s, s.received(ksef_number), town))
        except KeyError:
            raise ConfigError(f"Nie ma faktury o numerze KSeF „{ksef_number}”.") from None
    by_hand.save_proof(found, to, as_json=as_json)


def _read(opened: Bench, ksef_number: str, more: Callable[[Store], tuple[Any, ...]] = lambda _: ()) -> tuple[Any, ...]:
    """The purchase, and whatever else is asked for, in one look. Raises ConfigError when there is no such invoice."""
    rules = opened.settings.shared.rules
    try:
        return opened.spool.read_now(lambda s: (look(s, s.received(ksef_number), rules), *more(s)))
    except KeyError:
        raise ConfigError(
            f"Nie ma faktury o numerze KSeF „{ksef_number}”.", "Listę pokaże: sluza received list"
        ) from None


def _as_dict(purchase: Purchase) -> dict[str, Any]:
    """As the JSON in the tray has it, and what only people in charge see."""
    invoice = purchase.invoice
    shown = said(purchase, in_the_tray=True)
    return shown | {
        "acquisition_date": invoice.acquisition_date.isoformat(),
        "assigned_by": invoice.assigned_by or None,
        "alike": list(purchase.alike),
        "paper_ids": [found.id for found in purchase.papers],
    }
