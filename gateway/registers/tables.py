"""Rows → CSV, XLSX and JSON, one row at a time, so that a hundred thousand need no more memory than ten.

The same rows always give the same bytes: nothing here asks a clock. Between the program that reads the spool and the
worker that writes the tables lies a file of *lines*: one JSON list of texts for each row, in the order of the columns.
"""

import csv
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from io import TextIOWrapper
from pathlib import Path
from typing import IO, Any

from spool.domain.registers import LAYOUTS, Cell, Column, Kind, Layout, Row
from spool.domain.spreadsheet import csv_amount, csv_text, one_line

CSV, XLSX, JSON = "csv", "xlsx", "json"
FORMATS = (CSV, XLSX, JSON)
_FIRST_YEAR = 1900
"""Of Excel's calendar: an earlier day can only be a text there."""
_A3 = 8
_FROZEN_COLUMNS = 2
_A_PAGE = 210
"""Characters that fit beside each other on one page of A3."""


@dataclass(frozen=True)
class About:
    """What a workbook says about itself; `day` stands for its creation, so that it does not change by itself."""

    title: str
    owner: str
    day: date


def as_line(row: Row) -> str:
    """A row as a line of JSON, its line end included."""
    return json.dumps([_as_text(cell) for cell in row], ensure_ascii=False, separators=(",", ":")) + "\n"


def rows_of(lines: Path, layout: Layout) -> Iterator[Row]:
    """The rows of a file of lines."""
    with lines.open(encoding="utf-8", newline="\n") as handle:
        for line in handle:
            texts = json.loads(line)
            yield tuple(_as_cell(text, column) for text, column in zip(texts, layout.columns, strict=True))


def write_both(lines: Path, file: str, about: About, csv_path: Path, xlsx_path: Path) -> None:
    """Both files of the register that is called `file`, from its lines. The work of a worker."""
    layout = LAYOUTS[file]
    with csv_path.open("wb") as out:
        write_csv(rows_of(lines, layout), layout, out)
    write_xlsx(rows_of(lines, layout), layout, about, xlsx_path)


def write_csv(rows: Iterable[Row], layout: Layout, out: IO[bytes]) -> None:
    """UTF-8 with BOM, semicolons, CRLF, as a Polish Excel opens it by a double click."""
    text = TextIOWrapper(out, encoding="utf-8-sig", newline="", write_through=False)
    writer = csv.writer(text, delimiter=";", lineterminator="\r\n")
    writer.writerow(column.heading for column in layout.columns)
    for row in rows:
        writer.writerow(_csv_cell(cell) for cell in row)
    text.flush()
    text.detach()


def write_json(rows: Iterable[Row], layout: Layout, out: IO[bytes]) -> None:
    """One array of objects by the keys of the columns: amounts are texts with a point, days ISO, nothing is null."""
    out.write(b"[")
    for position, row in enumerate(rows):
        said = {key: _as_text(cell) or None for key, cell in zip(layout.keys, row, strict=True)}
        out.write((",\n" if position else "\n").encode() + json.dumps(said, ensure_ascii=False).encode())
    out.write(b"\n]\n")


def write_xlsx(rows: Iterable[Row], layout: Layout, about: About, path: Path) -> None:
    """A workbook of one sheet: typed cells, a header that stays, a filter, widths, properties."""
    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "tmpdir": path.parent}
    import xlsxwriter  # here, because only the worker that writes a workbook needs it

    with xlsxwriter.Workbook(str(path), options) as book:
        created = datetime(about.day.year, about.day.month, about.day.day)  # noqa: DTZ001 - a property without a zone
        book.set_properties(
            {"title": about.title, "subject": layout.sheet, "author": about.owner, "company": about.owner,
             "comments": "Śluza", "created": created}
        )  # fmt: skip
        formats = {
            Kind.TEXT: book.add_format({"num_format": "@"}),
            Kind.DAY: book.add_format({"num_format": "yyyy-mm-dd", "align": "center"}),
            Kind.MOMENT: book.add_format({"num_format": "yyyy-mm-dd hh:mm", "align": "center"}),
            Kind.AMOUNT: book.add_format({"num_format": "#,##0.00"}),
            Kind.COUNT: book.add_format({"num_format": "0"}),
        }
        sheet = book.add_worksheet(layout.sheet)
        _set_up(sheet, layout, formats, book)
        last = 0
        for last, row in enumerate(rows, 1):
            for position, (cell, column) in enumerate(zip(row, layout.columns, strict=True)):
                _put(sheet, last, position, cell, formats[column.kind])
        sheet.autofilter(0, 0, last, len(layout.columns) - 1)


def _set_up(sheet: Any, layout: Layout, formats: dict[Kind, Any], book: Any) -> None:
    """Everything around the rows; on paper, legible pages of A3, each with the header and the first columns."""
    header = book.add_format({"bold": True, "text_wrap": True, "valign": "top", "bg_color": "#DDE6EE", "border": 1})
    for position, column in enumerate(layout.columns):
        sheet.set_column(position, position, column.width, formats[column.kind])
        sheet.write_string(0, position, column.heading, header)
    sheet.set_row(0, 48)
    sheet.freeze_panes(1, _FROZEN_COLUMNS)
    sheet.set_landscape()
    sheet.set_paper(_A3)
    sheet.fit_to_pages(1 + sum(column.width for column in layout.columns) // _A_PAGE, 0)
    sheet.repeat_rows(0)
    sheet.repeat_columns(0, _FROZEN_COLUMNS - 1)
    sheet.set_footer("&L&A&RStrona &P z &N")


def _put(sheet: Any, line: int, position: int, cell: Cell, form: Any) -> None:
    if isinstance(cell, Decimal | int):
        sheet.write_number(line, position, float(cell), form)
    elif isinstance(cell, date) and cell.year >= _FIRST_YEAR:
        sheet.write_datetime(line, position, cell, form)
    elif cell:
        sheet.write_string(line, position, one_line(str(cell)), form)


def _csv_cell(cell: Cell) -> str:
    if isinstance(cell, Decimal):
        return csv_amount(cell)
    if isinstance(cell, str):
        return csv_text(cell)
    return (_as_text(cell) or "").replace("T", " ")


def _as_text(cell: Cell) -> str | None:
    if isinstance(cell, Decimal):
        return f"{cell:f}"
    if isinstance(cell, datetime):
        return cell.isoformat(timespec="minutes")
    if isinstance(cell, date):
        return cell.isoformat()
    return str(cell) if isinstance(cell, int) else cell


def _as_cell(text: str | None, column: Column) -> Cell:
    return _OF_KIND[column.kind](text) if text else None


_OF_KIND: dict[Kind, Callable[[str], Cell]] = {
    Kind.TEXT: str,
    Kind.DAY: date.fromisoformat,
    Kind.MOMENT: datetime.fromisoformat,
    Kind.AMOUNT: Decimal,
    Kind.COUNT: int,
}
