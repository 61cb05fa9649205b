"""`sluza received verify FILE|LINK`: is this paper a print of an invoice that KSeF gave us?"""

import asyncio
from datetime import date
from pathlib import Path
from typing import Any

import click

from gateway import scans
from sluza import options
from sluza.console import emit, out, plain
from sluza.options import Day
from sluza.workbench import bench
from spool.domain.errors import ConfigError
from spool.domain.scan import Scan
from spool.domain.verification import COLOUR_LABELS, Colour, Verdict
from spool.verification import Asked
from spool.verification import verify as look

_COLOURS = {Colour.GREEN: "green", Colour.AMBER: "yellow", Colour.RED: "red"}


@click.command("verify")
@click.argument("what", metavar="PLIK|LINK")
@click.option("--number", default="", metavar="NUMER", help="Numer faktury z wydruku: wtedy sprawdza się i on.")
@click.option("--date", "issued", type=Day(), help="Data wystawienia z wydruku, gdy nie ma na nim kodu.")
@options.verb
def verify(
    config: str | None, own_config: str | None, what: str, number: str, issued: date | None, as_json: bool
) -> None:
    """Sprawdź wydruk po kodach QR: skan PDF, PNG albo JPG, albo link spod kodu. Zielone, żółte, czerwone."""
    found = read(what)
    with bench(options.chosen(config, own_config)) as opened:
        rules, now = opened.settings.shared.rules, opened.clock()
        asked = Asked(found.texts, number, issued)
        verdicts = opened.spool.read_now(lambda store: look(store, asked, None, rules, now))
    if as_json:
        emit({"pages": found.pages, "looked": found.looked, "verdicts": [as_dict(v) for v in verdicts]})
    else:
        for verdict in verdicts:
            _print(verdict)
        if found.looked < found.pages:
            out.print(f"  Sprawdzono strony 1–{found.looked} z {found.pages}.")
    if any(v.colour is Colour.RED for v in verdicts):
        raise SystemExit(1)


def read(what: str) -> Scan:
    """The codes of a file, or the link itself. Raises ConfigError, NotAScan."""
    if "://" in what:
        return Scan((what.strip(),))
    return asyncio.run(_scan(bytes_of(Path(what))))


def bytes_of(path: Path) -> bytes:
    """A file as it is, at most one byte more than a scan may have. Raises ConfigError."""
    try:
        with path.open("rb") as handle:
            return handle.read(scans.LARGEST + 1)
    except OSError as error:
        raise ConfigError(f"Nie można odczytać pliku {path}: {error.strerror}.", "Proszę sprawdzić ścieżkę.") from error


async def _scan(raw: bytes) -> Scan:
    workers = scans.scan_workers()
    try:
        return await scans.scan(workers, raw)
    finally:
        workers.close()


def as_dict(verdict: Verdict) -> dict[str, Any]:
    """A verdict for programs."""
    code = verdict.verification
    return {
        "colour": verdict.colour,
        "code": verdict.code,
        "message": verdict.sentence,
        "hint": verdict.cure,
        "labels": list(verdict.labels),
        "ksef_number": verdict.invoice.ksef_number if verdict.invoice else None,
        "unit": verdict.invoice.unit if verdict.invoice else None,
        "seller_nip": code.seller_nip if code else None,
        "issue_date": code.issue_date.isoformat() if code else None,
        "sha256": code.sha256 if code else None,
        "link": code.link if code else None,
    }


def _print(verdict: Verdict) -> None:
    colour = _COLOURS[verdict.colour]
    kind = f" ({' + '.join(verdict.labels)})" if verdict.labels else ""
    out.print(f"[bold {colour}]{COLOUR_LABELS[verdict.colour].upper()}[/]{kind}  {plain(verdict.sentence)}")
    out.print(f"  → {plain(verdict.cure)}")
    if verdict.verification:
        out.print(f"  {plain(verdict.verification.link)}")
