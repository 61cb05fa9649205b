"""What the commands print: tables and sentences for people, JSON for programs."""

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from spool.domain.calendar import WARSAW
from spool.domain.states import LABELS, State

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)

COLOURS = {
    State.ACCEPTED: "green",
    State.DELIVERED: "green",
    State.REFUSED: "red",
    State.CONFLICT: "red",
    State.QUARANTINED: "red",
    State.HELD: "yellow",
    State.UNKNOWN: "yellow",
}


def emit(value: Any) -> None:
    """One JSON value on one line of standard output."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def done(as_json: bool, text: str, **data: Any) -> None:
    """What a command did: one sentence, or the same as JSON with whatever a program needs of it."""
    if as_json:
        emit({"ok": True, "message": text} | data)
    else:
        out.print(plain(text))


def table(title: str, headings: Sequence[str], lines: Iterable[Sequence[str]]) -> None:
    """A table for people; cells may carry rich markup, so escape what comes from documents with `plain`."""
    drawn = Table(title=title, title_justify="left", header_style="bold")
    for heading in headings:
        drawn.add_column(heading, overflow="fold")  # an identifier that is cut off cannot be copied
    for line in lines:
        drawn.add_row(*line)
    out.print(drawn, soft_wrap=False)


def plain(text: object) -> str:
    """Text from a document, made harmless: no markup, no control characters, no terminal escapes (X14)."""
    return escape("".join(c if c.isprintable() else "·" for c in str(text or "")))


def state(value: State) -> str:
    """The Polish label of a state, in its colour."""
    return f"[{COLOURS.get(value, 'cyan')}]{LABELS[value]}[/]"


def moment(value: datetime | None) -> str:
    """An instant as people read it: Warsaw, to the minute."""
    return f"{value.astimezone(WARSAW):%d.%m.%Y %H:%M}" if value else "–"


def sentence(text: str, hint: str = "") -> None:
    """One clear sentence about what went wrong, and the cure, on standard error."""
    err.print(f"[bold red]Błąd:[/] {plain(text)}")
    if hint:
        err.print(f"  → {plain(hint)}")
