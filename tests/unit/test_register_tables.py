"""Registers as files: the bytes of CSV and JSON, the cells of a workbook, and when a register is written."""

import csv
import io
import json
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from gateway.registers.keeper import Pace, _Diary
from gateway.registers.tables import About, as_line, rows_of, write_both, write_csv, write_json, write_xlsx
from gateway.registers.work import register_workers
from spool.domain.registers import INCIDENTS, ISSUED, LAYOUTS, Row
from spool.store.registers import Stale

ABOUT = About("Faktury wystawione 2026-11, Szkoła", "Gmina Śluzowo", date(2026, 11, 1))


def row(**cells: Any) -> Row:
    """A row of the issued register with these cells."""
    return tuple(cells.get(key) for key in ISSUED.keys)


ROWS = [
    row(unit="Szkoła", number="=1+1", issue_date=date(2026, 11, 26), net=Decimal("1234.5"), buyer="A;B\n\"C\""),
    row(unit="Szkoła", number="2", issue_date=date(1899, 12, 31), net=Decimal("-0.01"), notes="ą" * 40_000),
]  # fmt: skip


def test_the_csv_is_what_a_polish_excel_opens() -> None:
    """BOM, semicolons, CRLF, headings; line breaks of a supplier do not make lines; nothing begins as a formula."""
    out = io.BytesIO()
    write_csv(ROWS, ISSUED, out)
    raw = out.getvalue()
    assert raw.startswith(b"\xef\xbb\xbfJednostka;Numer faktury;")
    assert raw.count(b"\n") == raw.count(b"\r\n") == 3
    first, second = csv.DictReader(io.StringIO(raw.decode("utf-8-sig"), newline=""), delimiter=";")
    assert (first["Numer faktury"], first["Netto"], first["Nabywca"]) == ("'=1+1", "1234,50", 'A;B "C"')
    assert (second["Numer faktury"], second["Netto"], len(second["Uwagi"])) == ("'2", "-0,01", 32_767)


def test_the_json_has_everything_exactly() -> None:
    """Amounts as decimal texts, days ISO, no apostrophes; an empty register is an empty array."""
    out = io.BytesIO()
    write_json(ROWS, ISSUED, out)
    first, second = json.loads(out.getvalue())
    assert (first["number"], first["net"], first["issue_date"], first["gross"]) == (
        "=1+1",
        "1234.5",
        "2026-11-26",
        None,
    )
    assert second["net"] == "-0.01"
    empty = io.BytesIO()
    write_json([], ISSUED, empty)
    assert json.loads(empty.getvalue()) == []


def test_the_workbook_has_typed_cells(tmp_path: Path) -> None:
    """Days, amounts and texts; a header that stays, a filter, widths, properties; a day before 1900 as a text."""
    path = tmp_path / "r.xlsx"
    write_xlsx(ROWS, ISSUED, ABOUT, path)
    book = openpyxl.load_workbook(path)
    sheet = book["Faktury wystawione"]
    at = {sheet.cell(1, n).value: n for n in range(1, sheet.max_column + 1)}
    assert list(at) == [column.heading for column in ISSUED.columns]
    assert sheet.cell(2, at["Numer faktury"]).data_type == "s"
    assert sheet.cell(2, at["Data wystawienia"]).value == datetime.fromisoformat("2026-11-26")
    assert sheet.cell(2, at["Netto"]).value == 1234.5
    assert sheet.cell(2, at["Netto"]).number_format == "#,##0.00"
    assert sheet.cell(3, at["Data wystawienia"]).value == "1899-12-31"
    assert (sheet.freeze_panes, sheet.auto_filter.ref) == ("C2", "A1:AB3")
    assert sheet.column_dimensions["A"].width > 20
    said = book.properties
    assert (said.title, said.creator) == (ABOUT.title, ABOUT.owner)
    assert said.created == said.modified == datetime.fromisoformat("2026-11-01")  # not the moment of its writing


def test_the_same_rows_make_the_same_bytes(tmp_path: Path) -> None:
    """A workbook holds no moment of its writing."""
    for name in ("a.xlsx", "b.xlsx"):
        write_xlsx(ROWS, ISSUED, ABOUT, tmp_path / name)
    assert (tmp_path / "a.xlsx").read_bytes() == (tmp_path / "b.xlsx").read_bytes()


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=lambda layout: layout.file)
def test_every_layout_can_be_a_sheet(layout: Any) -> None:
    """Excel's limits on names, and no heading or key twice."""
    assert len(layout.sheet) <= 31
    assert not set(layout.sheet) & set("[]:*?/\\")
    assert len(set(layout.keys)) == len({column.heading for column in layout.columns}) == len(layout.columns)


def test_lines_keep_every_kind_of_cell(tmp_path: Path) -> None:
    """A row that went through the file of lines is the row that it was."""
    incident: Row = (
        7,
        datetime.fromisoformat("2026-11-26T08:15"),
        datetime.fromisoformat("2026-11-25T23:59"),
        "x\ny",
        "Anna",
        None,
    )
    lines = tmp_path / "lines"
    lines.write_text(as_line(incident), encoding="utf-8", newline="\n")
    assert list(rows_of(lines, INCIDENTS)) == [incident]


async def test_a_worker_writes_both_files(tmp_path: Path) -> None:
    """In the real pool, within its memory: two thousand rows."""
    lines = tmp_path / "lines"
    lines.write_text(as_line(ROWS[0]) * 2_000, encoding="utf-8", newline="\n")
    workers = register_workers()
    try:
        made = tmp_path / "r.csv", tmp_path / "r.xlsx"
        await workers.run(write_both, lines, "wystawione", ABOUT, *made, seconds=100)
    finally:
        workers.close()
    assert made[0].read_bytes().count(b"\r\n") == 2_001
    assert made[1].read_bytes().startswith(b"PK")


def test_a_register_is_written_when_it_has_come_to_rest() -> None:
    """Five seconds after the last change, or a minute after the first when something always changes."""
    diary, pace = _Diary(), Pace(quiet_s=5, longest_s=60)

    def at(now: float, changes: int) -> bool:
        return bool(diary.due([Stale("issued", "sp1", "2026-11", changes)], pace, now))

    assert not at(100, 1)
    assert not at(104, 2)
    assert not at(108, 2)
    assert at(109, 2)
    diary = _Diary()
    assert [now for now in range(0, 80, 4) if at(now, now)] == [60, 64, 68, 72, 76]


def test_a_register_that_took_long_rests_as_long_as_it_is_told() -> None:
    """It stays marked, and its turn comes again after the rest."""
    diary, pace, mark = _Diary(), Pace(quiet_s=0), Stale("issued", "sp1", "2026-11")
    diary.not_before[mark[:3]] = 50.0
    assert diary.due([mark], pace, 49.9) == []
    assert diary.due([mark], pace, 50.0) == [mark]
