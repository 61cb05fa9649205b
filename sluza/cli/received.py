"""`sluza received …`: invoices from suppliers."""

from typing import Any

import click

from sluza import options
from sluza.console import emit, moment, out, plain, table
from sluza.workbench import bench
from spool.domain.errors import ConfigError
from spool.domain.ledger import Event, Received


@click.group()
def received() -> None:
    """Faktury otrzymane z KSeF."""


@received.command("list")
@click.option("--unit", "unit_id", metavar="JEDNOSTKA", help="Tylko ta jednostka.")
@click.option("--unassigned", is_flag=True, help="Tylko tacka centralna.")
@click.option("--limit", default=1000, show_default=True, type=click.IntRange(1))
@options.as_json
@options.config
@click.pass_obj
def list_received(
    config: str | None, own_config: str | None, unit_id: str | None, unassigned: bool, limit: int, as_json: bool
) -> None:
    """Otrzymane faktury w kolejności nadejścia."""
    with bench(options.chosen(config, own_config)) as opened:
        found = opened.spool.read_now(lambda s: s.received_page(unit=unit_id, unassigned=unassigned, limit=limit))
    if as_json:
        emit([_as_dict(r, ()) for r in found])
        return
    table(
        f"Otrzymane: {len(found)}",
        ("Numer KSeF", "Jednostka", "Sprzedawca", "Numer", "Brutto", "Przyjęta"),
        [
            (
                r.ksef_number,
                plain(r.unit) or "[yellow]tacka centralna[/]",
                plain(r.facts.seller_name),
                plain(r.facts.number),
                plain(f"{r.facts.gross} {r.facts.currency}"),
                moment(r.acquisition_date),
            )
            for r in found
        ],
    )


@received.command("show")
@click.argument("ksef_number", metavar="NUMER-KSEF")
@options.as_json
@options.config
@click.pass_obj
def show(config: str | None, own_config: str | None, ksef_number: str, as_json: bool) -> None:
    """Jedna otrzymana faktura: dokąd trafiła i dlaczego."""
    with bench(options.chosen(config, own_config)) as opened:
        try:
            found, history = opened.spool.read_now(lambda s: (s.received(ksef_number), s.history(ksef_number)))
        except KeyError:
            raise ConfigError(f"Nie ma faktury o numerze KSeF „{ksef_number}”.") from None
    if as_json:
        emit(_as_dict(found, history))
        return
    for label, value in _as_dict(found, ()).items():
        out.print(f"  {label:<18} {plain(value)}")
    table("Historia", ("Kiedy", "Kto", "Opis"), [(moment(e.at), plain(e.actor), plain(e.note)) for e in history])


def _as_dict(found: Received, history: list[Event] | tuple[Event, ...]) -> dict[str, Any]:
    facts = found.facts
    shown: dict[str, Any] = {
        "ksef_number": found.ksef_number,
        "unit": found.unit,
        "rule": found.rule,
        "why": found.why,
        "form": facts.form.value,
        "seller_nip": facts.seller_nip,
        "seller_name": facts.seller_name,
        "number": facts.number,
        "issue_date": facts.issue_date.isoformat() if facts.issue_date else None,
        "gross": facts.gross,
        "currency": facts.currency,
        "acquisition_date": found.acquisition_date.isoformat(),
        "sha256": found.sha256,
    }
    if history:
        shown["history"] = [{"at": e.at.isoformat(), "event": e.move, "note": e.note} for e in history]
    return shown
