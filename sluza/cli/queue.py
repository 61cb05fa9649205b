"""`sluza queue …`: the outgoing documents."""

import getpass
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import click

from gateway import evidence
from gateway.results import result
from sluza import by_hand, options
from sluza.console import emit, moment, out, plain, state, table
from sluza.workbench import bench
from spool import actions, series
from spool.domain.booking import jpk_mark, payment_title
from spool.domain.document import MODE_LABELS
from spool.domain.environments import TRAINING
from spool.domain.errors import ConfigError, Problem
from spool.domain.exits import Exit
from spool.domain.ledger import Document, Event
from spool.domain.states import LIVE, State
from spool.store import Store


@click.group()
def queue() -> None:
    """Kolejka dokumentów do KSeF."""


@queue.command("list")
@click.option("--unit", "unit_id", metavar="JEDNOSTKA", help="Tylko ta jednostka.")
@click.option("--state", "states", multiple=True, type=click.Choice([s.value for s in State], case_sensitive=False))
@click.option("--all", "everything", is_flag=True, help="Także dokumenty zakończone.")
@click.option("--limit", default=1000, show_default=True, type=click.IntRange(1))
@options.verb
def list_documents(
    config: str | None,
    own_config: str | None,
    unit_id: str | None,
    states: tuple[str, ...],
    everything: bool,
    limit: int,
    as_json: bool,
) -> None:
    """Dokumenty w kolejce, najpilniejsze na górze."""
    wanted = states or (() if everything else tuple(LIVE))
    with bench(options.chosen(config, own_config)) as opened:
        found = opened.spool.read_now(
            lambda s: [series.explained(s, d) for d in s.most_urgent(unit=unit_id, states=wanted, limit=limit)]
        )
        town = opened.settings.shared.municipality
        now = opened.clock()
    if as_json:
        emit([result(d, (), town) for d in found])
        return
    table(
        f"Kolejka: {len(found)}",
        ("Identyfikator", "Jednostka", "Numer", "Stan", "Termin", "Numer KSeF / powód"),
        [_line(d, now) for d in found],
    )


def _line(document: Document, now: datetime) -> tuple[str, ...]:
    late = document.ksef_number is None and document.due_safe is not None and document.due_safe < now
    due = moment(document.due_safe)
    return (
        document.id,
        plain(document.unit),
        _marked(document) + plain(document.facts.number or document.source_name),
        state(document.state),
        f"[bold red]{due}[/]" if late else due,
        plain(document.ksef_number or document.reason or (document.problems[0].message if document.problems else "")),
    )


def _absent(document_id: str) -> ConfigError:
    return ConfigError(f"Nie ma dokumentu „{document_id}”.", "Listę pokaże: sluza queue list --all")


@queue.command("show")
@click.argument("document_id", metavar="IDENTYFIKATOR")
@options.verb
def show(config: str | None, own_config: str | None, document_id: str, as_json: bool) -> None:
    """Jeden dokument z całą historią."""
    with bench(options.chosen(config, own_config)) as opened:
        try:
            document, history, memo = opened.spool.read_now(lambda s: _told(s, document_id))
        except KeyError:
            raise _absent(document_id) from None
        town = opened.settings.shared.municipality
    if as_json:
        emit(result(document, history, town))
        return
    number = plain(document.facts.number or document.source_name)
    out.print(f"{_marked(document)}[bold]{number}[/]  {state(document.state)}")
    for label, value in (
        ("jednostka", document.unit),
        ("plik", document.source_name),
        ("sha256", document.sha256),
        ("tryb", MODE_LABELS[document.mode] + (" (z mocy prawa)" if document.deemed else "")),
        ("wystawiona", moment(document.issued_at)),
        ("termin", f"{moment(document.due_safe)}  {document.due_why}"),
        ("podstawa", document.due_basis or "–"),
        ("komunikaty", ", ".join(document.announcements) or "–"),
        ("przesłana", moment(document.handed_over_at)),
        ("numer KSeF", document.ksef_number or "–"),
        ("JPK_V7M", jpk_mark(document) or "–"),
        ("tytuł płatn.", payment_title(document) or "–"),
        ("powód", document.reason or "–"),
    ):
        out.print(f"  {label:<12} {plain(value)}")
    for found in document.problems:
        out.print(f"  [red]•[/] {plain(found.message)}\n    → {plain(found.hint)}")
    lines = [
        (moment(e.at), plain(e.actor), plain(e.move), plain("projekt niżej" if e.move == series.MEMO else e.note))
        for e in history
    ]
    table("Historia", ("Kiedy", "Kto", "Zdarzenie", "Opis"), lines)
    for line in (memo or "").splitlines():
        out.print(f"  {plain(line)}")


def _told(store: Store, document_id: str) -> tuple[Document, list[Event], str | None]:
    """A document, its history, and the memo that concerns it."""
    document = series.explained(store, store.document(document_id))
    return document, store.history(document_id), series.memo(store, document_id)


@queue.command("proof")
@click.argument("document_id", metavar="IDENTYFIKATOR")
@options.out_file
@options.verb
def proof(config: str | None, own_config: str | None, document_id: str, to: Path, as_json: bool) -> None:
    """Paczka dowodów jednej faktury (ZIP): oryginał, UPO, wydruk, historia i opis, jak ją sprawdzić."""
    with bench(options.chosen(config, own_config)) as opened:
        town = opened.settings.shared.municipality
        try:
            found = opened.spool.read_now(lambda s: evidence.of_document(s, s.document(document_id), town))
        except KeyError:
            raise _absent(document_id) from None
    by_hand.save_proof(found, to, as_json=as_json)


def _action(name: str, does: Callable[..., Document], text: str) -> None:
    """Add one verb that changes a document, under the name of the person who runs it."""

    @queue.command(name, help=text)
    @click.argument("document_id", metavar="IDENTYFIKATOR")
    @click.option("--reason", default="", metavar="TEKST", help="Powód, zapisywany w historii.")
    @options.as_json
    @options.config
    @click.pass_obj
    def run(config: str | None, own_config: str | None, document_id: str, reason: str, as_json: bool) -> None:
        with bench(options.chosen(config, own_config)) as opened:
            now, actor = opened.clock(), getpass.getuser()
            try:
                done = opened.spool.write_now(lambda s: does(s, document_id, now, actor, reason))
            except KeyError:
                raise _absent(document_id) from None
            town = opened.settings.shared.municipality
        if as_json:
            emit(result(done, (), town))
        else:
            out.print(f"{plain(done.facts.number or done.source_name)}: {state(done.state)}")


_action("hold", actions.hold, "Wstrzymaj dokument, zanim zostanie wysłany.")
_action("release", actions.release, "Zwolnij wstrzymany dokument i wznów wysyłkę w jego kontekście.")
_action("give-up", actions.give_up, "Konflikt: oddaj numer, który ma w KSeF inny dokument; wraca do jednostki.")
_action("withdraw", actions.withdraw, "Wycofaj dokument, zanim zostanie wysłany; numer będzie wolny.")


@queue.command("correct")
@click.argument("document_id", metavar="IDENTYFIKATOR")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="PLIK")
@options.verb
def correct(config: str | None, own_config: str | None, document_id: str, file: Path, as_json: bool) -> None:
    """Korekta techniczna: poprawiony plik odrzuconej faktury offline, z tą samą treścią."""
    with bench(options.chosen(config, own_config)) as opened:
        try:
            original = opened.spool.read_now(lambda s: s.document(document_id))
        except KeyError:
            raise _absent(document_id) from None
        verdict = by_hand.correct(opened, original, file.read_bytes(), file.name, getpass.getuser())
        town = opened.settings.shared.municipality
    if as_json and verdict.document is not None:
        emit(result(verdict.document, (), town))
    else:
        _tell(verdict.name, verdict.document, verdict.problems)
    sys.exit(Exit.REFUSED if verdict.kind == "refused" else Exit.OK)


def _tell(name: str, done: Document | None, problems: tuple[Problem, ...]) -> None:
    out.print(f"{plain(done.facts.number or done.source_name if done else name)}: ", end="")
    out.print(state(done.state) if done else "[red]nie przyjęto[/]")
    for found in problems:
        out.print(f"  [red]•[/] {plain(found.message)}\n    → {plain(found.hint)}")


@queue.command("retry")
@click.argument("document_id", metavar="IDENTYFIKATOR")
@click.option("--reason", default="", metavar="TEKST", help="Powód, zapisywany w historii.")
@options.verb
def retry(config: str | None, own_config: str | None, document_id: str, reason: str, as_json: bool) -> None:
    """Sprawdź i skieruj do wysyłki dokument odrzucony albo wycofany; konflikt sprawdź w KSeF jeszcze raz.

    Dokument z kwarantanny wraca do kolejki, a odłożony (także faktura otrzymana, po numerze KSeF) do obsługi.
    Dokument, którego obowiązek wygasł, wraca do kolejki na polecenie skarbnika (--reason jest wtedy wymagane).
    """
    with bench(options.chosen(config, own_config)) as opened:
        try:
            done = by_hand.retry(opened, document_id, getpass.getuser(), reason)
        except KeyError:
            raise _absent(document_id) from None
        town = opened.settings.shared.municipality
    if done is None:
        out.print(f"{plain(document_id)}: spróbujemy ponownie")
        return
    if as_json:
        emit(result(done, (), town))
    else:
        _tell(done.source_name, done, done.problems)
    sys.exit(Exit.REFUSED if done.state is State.REFUSED else Exit.OK)


def _marked(document: Document) -> str:
    return f"[yellow]{TRAINING}[/] " if document.facts.training else ""
