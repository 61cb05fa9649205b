"""The history for an auditor: one table for the page and for `sluza history export`, as CSV or JSON lines.

Rows are written as they are read, so that a history of any length needs no memory. In CSV formulas are only text
(faults X11); JSON lines have each row exactly as it is sealed.
"""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from spool.domain.spreadsheet import csv_text

COLUMNS = (
    ("numer", "seq"),
    ("kiedy", "at"),
    ("kto", "actor"),
    ("czego dotyczy", "subject"),
    ("zdarzenie", "move"),
    ("opis", "note"),
    ("dane", "data"),
    ("przebieg", "fence"),
    ("skrót poprzedniego", "previous"),
    ("skrót", "hash"),
)
BOM = "\ufeff"
"""By this mark a spreadsheet knows UTF-8."""


def as_csv(links: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Lines of a CSV file with `;`, as Polish spreadsheets expect it; the first one names the columns."""
    yield BOM + _line(heading for heading, _ in COLUMNS)
    yield from rows_only(links)


def rows_only(links: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """The lines below the headings."""
    for link in links:
        yield _line(link[name] for _, name in COLUMNS)


def as_json_lines(links: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """One row of the history on each line, with everything that its seal covers."""
    for link in links:
        yield json.dumps({name: link[name] for _, name in COLUMNS}, ensure_ascii=False) + "\n"


def _line(cells: Iterable[Any]) -> str:
    made = io.StringIO()
    csv.writer(made, delimiter=";", lineterminator="\r\n").writerow(
        [csv_text(c) if isinstance(c, str) else c for c in cells]
    )
    return made.getvalue()
