"""`STAN.txt` and `ALARM.txt` in the unit's folder: what waits, until when, and whether there is a line. Pure text.

Made for Notepad: UTF-8 with BOM, CRLF. Every value in it was made printable, so that a line stays a line.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from gateway.remote.urgency import Unsent
from spool.domain.calendar import WARSAW
from spool.domain.catalogue import printable
from spool.domain.ladder import LABELS as STEPS
from spool.domain.ladder import Step
from spool.domain.states import LABELS, State

STATUS, ALARM = "STAN.txt", "ALARM.txt"
_LISTED = 50
_LONGEST = 200
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Pending:
    """A document that the gateway has, as its file in `w-toku/` says."""

    name: str
    state: str
    due: datetime | None


@dataclass(frozen=True)
class Line:
    """`trouble` is empty while the gateway answers; `since` and `last` are for people."""

    trouble: str = ""
    since: datetime | None = None
    last: datetime | None = None


@dataclass(frozen=True)
class View:
    """Everything that is told."""

    unit: str
    line: Line
    unsent: Sequence[Unsent] = ()
    pending: Sequence[Pending] = ()
    warnings: Sequence[str] = ()
    unwritable: str = ""


def status(view: View) -> list[str]:
    """The lines of `STAN.txt` below its heading and its time; they change only when something did."""
    lines = ["", "ŁĄCZNOŚĆ Z BRAMKĄ", *_line(view.line)]
    if view.unwritable:
        lines += ["", "UWAGA", view.unwritable, "Wynik jest bezpieczny w bramce; program spróbuje ponownie."]
    lines += ["", f"CZEKAJĄ NA TYM KOMPUTERZE (bramka ich jeszcze nie ma): {len(view.unsent)}"]
    lines += [f"  termin {moment(one.due)}   {printable(one.name, _LONGEST)}" for one in view.unsent[:_LISTED]]
    lines += _more(len(view.unsent))
    lines += ["", f"W TOKU (są w bramce, nie mają jeszcze numeru KSeF albo UPO): {len(view.pending)}"]
    for one in view.pending[:_LISTED]:
        lines.append(f"  termin {moment(one.due)}   {printable(one.name, _LONGEST)} – {_state(one.state)}")
    lines += _more(len(view.pending))
    if view.warnings:
        lines += ["", "OSTRZEŻENIA BRAMKI", *(f"  {printable(text, 500)}" for text in view.warnings[:_LISTED])]
    return lines


def alarm(view: View, steps: Sequence[tuple[Step, datetime]]) -> list[str]:
    """The lines of `ALARM.txt`; none when nothing is to be feared. `steps`: the gravest per due moment."""
    if not steps:
        return []
    late = any(step is Step.DUE for step, _ in steps)
    lines = [
        "TERMIN PRZESŁANIA DO KSEF MINĄŁ" if late else "ZBLIŻA SIĘ TERMIN PRZESŁANIA FAKTUR DO KSEF",
        "",
        "Te faktury leżą na tym komputerze i bramka ich jeszcze nie ma:",
    ]
    meant = {due for _, due in steps}
    named = [one for one in view.unsent if one.due in meant]
    lines += [f"  termin {moment(one.due)}   {printable(one.name, _LONGEST)}" for one in named[:_LISTED]]
    lines += [*_more(len(named)), ""]
    lines += [f"Krok ostrzeżenia: {STEPS[step]} ({moment(due)})." for step, due in steps]
    lines += ["", "Co zrobić:"]
    if view.line.trouble:
        lines.append(f"  {view.line.trouble}")
    lines += [
        "  1. Sprawdzić łącze internetowe i VPN; po ich powrocie pliki wyjdą same, najpilniejsze najpierw.",
        "  2. Jeśli łącza nie będzie przed terminem: zawieźć te pliki na nośniku do urzędu albo wysłać je inną drogą",
        "     informatykowi urzędu. Ten sam plik wysłany dwa razy trafi do KSeF raz.",
        "  3. Plików z folderu nie usuwać.",
    ]
    return lines


def page(heading: str, lines: Sequence[str], now: datetime) -> bytes:
    """The file."""
    return _BOM + "\r\n".join([heading, f"Zapisano: {moment(now)}", *lines, ""]).encode("utf-8", "replace")


def moment(value: datetime | None) -> str:
    """As people read it."""
    return f"{value.astimezone(WARSAW):%d.%m.%Y, godz. %H:%M}" if value else "jeszcze nieznany"


def _line(line: Line) -> list[str]:
    if not line.trouble:
        return ["Jest. Pliki wychodzą same, wyniki wracają do folderów."]
    found = [f"Nie ma od: {moment(line.since)}.", line.trouble]
    if line.last:
        found.append(f"Ostatni kontakt: {moment(line.last)}. Stan faktur w toku jest z tej chwili.")
    return [*found, "Pliki czekają bezpiecznie i wyjdą same. Nie trzeba ich zapisywać drugi raz."]


def _state(value: str) -> str:
    return LABELS[State(value)] if value in set(State) else printable(value)


def _more(count: int) -> list[str]:
    return [f"  … i jeszcze {count - _LISTED}"] if count > _LISTED else []
