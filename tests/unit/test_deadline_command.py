"""`sluza deadline`: one document, and tables of cases (DESIGN 4.2)."""

import csv
import io
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

from sluza.cli.deadline import COLUMNS, deadline
from tests.unit.test_deadlines import CASES

HEAD = "id,issue_date,mode,sequence_of_events"
FAULT = '[{"e":"failure","start":"2026-07-09T08:00:00Z","end":"2026-07-09T22:30:00Z"}]'


def call(*words: str) -> Result:
    """Run the command in this process; an exception that is no exit is a traceback for the user."""
    done = CliRunner().invoke(deadline, list(words))
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


def one(mode: str, events: str = "[]", *more: str, issued: str = "2026-07-09") -> dict[str, object]:
    """The JSON answer for one document."""
    done = call("--issue-date", issued, "--mode", mode, "--events", events, "--json", *more)
    assert done.exit_code == 0, done.output
    return dict(json.loads(done.stdout))


def table(tmp_path: Path, content: str | bytes) -> tuple[int, list[dict[str, str]]]:
    """Exit code and rows of a table of cases."""
    source, target = tmp_path / "cases.csv", tmp_path / "out.csv"
    source.write_bytes(content if isinstance(content, bytes) else content.encode())
    done = call("--cases", str(source), "--out", str(target))
    if not target.exists():
        return done.exit_code, []
    with target.open(encoding="utf-8", newline="") as file:
        return done.exit_code, list(csv.DictReader(file))


def row(events: str = "[]", mode: str = "offline24", issued: str = "2026-10-12", name: str = "A") -> str:
    """A row of a table, quoted as CSV wants it."""
    written = io.StringIO()
    csv.writer(written, lineterminator="").writerow([name, issued, mode, events])
    return written.getvalue()


def test_the_json_answer_has_these_fields() -> None:
    """Programs get the same keys, whatever the case."""
    assert one("failure", FAULT) == {
        "due": "2026-07-21T23:59:59+02:00",
        "due_local": None,
        "state": "open",
        "mode": "failure",
        "issued_at": "2026-07-09T10:00:00+02:00",
        "basis": ["art. 106nf ust. 1", "art. 106nf ust. 4"],
        "explanation": "Awaria KSeF zakończona 10.07.2026: do końca 7. dnia roboczego po tym dniu, 21.07.2026.",
        "recomputed_because": "failure-1",
    }


def test_people_read_the_date_the_reason_and_the_articles() -> None:
    """Without `--json` the three are there in plain Polish."""
    shown = call("--issue-date", "2026-07-09", "--mode", "failure", "--events", FAULT).stdout
    assert "21.07.2026" in shown
    assert "Awaria KSeF zakończona 10.07.2026" in shown
    assert "art. 106nf ust. 4" in shown


@pytest.mark.parametrize(
    ("mode", "events", "due", "state"),
    [
        ("failure", '[{"e":"failure","start":"2026-07-09T08:00:00Z","end":null}]', "pending", "pending"),
        ("total_failure", '[{"e":"total_failure","start":"2026-07-09T08:00:00Z"}]', "none", "none"),
        ("offline24", '[{"e":"total_failure","start":"2026-07-10T08:00:00Z"}]', "none", "ceased"),
        ("offline24", '[{"e":"handover","at":"2026-07-10T08:00:00Z"}]', "2026-07-10T23:59:59+02:00", "met"),
        ("offline24", '[{"e":"handover","at":"2026-07-13T08:00:00Z"}]', "2026-07-10T23:59:59+02:00", "overdue"),
        ("offline24", "[]", "2026-07-10T23:59:59+02:00", "open"),
    ],
)
def test_every_state_has_its_word(mode: str, events: str, due: str, state: str) -> None:
    """`none` is no duty, `pending` a duty without a date."""
    found = one(mode, events)
    assert (found["due"], found["state"]) == (due, state)


def test_now_may_be_given() -> None:
    """From a later moment the same document is overdue."""
    assert one("offline24", "[]", "--now", "2026-07-11T00:00:00+02:00")["state"] == "overdue"


@pytest.mark.parametrize(
    ("mode", "issued"),
    [("online", "00:00"), ("offline24", "00:00"), ("failure", "08:00"), ("unavailability", "06:00")],
)
def test_without_an_issued_event_the_moment_is_the_window_or_midnight(mode: str, issued: str) -> None:
    """The start of the matching window on P_1 for the modes that have one."""
    events = (
        '[{"e":"maintenance","start":"2026-07-09T06:00:00+02:00","end":"2026-07-09T07:00:00+02:00"},'
        '{"e":"failure","start":"2026-07-09T08:00:00+02:00","end":"2026-07-09T09:00:00+02:00"}]'
    )
    at = "2026-07-09T05:00:00+02:00" if mode == "online" else "2026-07-09T10:00:00+02:00"
    assert one(mode, events, "--now", at)["issued_at"] == f"2026-07-09T{issued}:00+02:00"


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--issue-date", "2026-07-09"),
        ("--mode", "online"),
        ("--issue-date", "2026-07-09", "--mode", "awaria"),
        ("--issue-date", "9.07.2026", "--mode", "online"),
        ("--issue-date", "20260709", "--mode", "online"),
        ("--issue-date", "2026-02-30", "--mode", "online"),
        ("--issue-date", "9999-12-31", "--mode", "offline24"),
        ("--issue-date", "2026-07-09", "--mode", "online", "--now", "2026-07-09T10:00:00"),
        ("--issue-date", "2026-07-09", "--mode", "online", "--now", "0001-01-01T00:00:00+14:00"),
        ("--issue-date", "2026-07-09", "--mode", "online", "--events", "{"),
        ("--cases", "/nonexistent.csv"),
    ],
)
def test_misuse_is_exit_code_2_and_a_sentence(words: tuple[str, ...]) -> None:
    """A usage error says what is wrong and never shows a traceback."""
    done = call(*words)
    assert done.exit_code == 2
    assert "Traceback" not in done.output
    assert done.stderr.strip()


BAD_EVENTS = [
    "{", "{}", "7", "null", '"x"', "[7]", "[null]", '[{"e":"x"}]', "[{}]", '[{"e":["failure"]}]', '[{"e":{"a":1}}]',
    '[{"e":"failure"}]', '[{"e":"failure","start":7}]', '[{"e":"failure","start":"2026-10-12T10:00:00"}]',
    '[{"e":"failure","start":"2026-10-12T10:00:00Z","end":""}]',
    '[{"e":"failure","start":"2026-10-12T10:00:00Z","end":"2026-10-12T09:00:00Z"}]',
    '[{"e":"failure","start":"2026-10-12T10:00:00Z","published":[]}]',
    '[{"e":"failure","start":"2026-10-12T10:00:00Z","version":"2"}]',
    '[{"e":"failure","start":"2026-10-12T10:00:00Z","version":true}]',
    '[{"e":"failure","start":"9999-12-31T23:59:59-14:00"}]', '[{"e":"issued"}]', '[{"e":"handover","at":null}]',
    "[" * 100_000, '[{"e":"\\ud800"}]', '[{"e":"issued","at":"\\ud800"}]',
]  # fmt: skip


@pytest.mark.parametrize("events", BAD_EVENTS, ids=range(len(BAD_EVENTS)))
def test_bad_events_say_so_in_their_row(events: str, tmp_path: Path) -> None:
    """The row explains itself, the next one is judged, and the exit code is 1."""
    code, found = table(tmp_path, f"{HEAD}\n{row(events)}\n{row(name='B')}\n")
    assert (code, found[0]["due"], found[0]["state"]) == (1, "", "")
    assert found[0]["explanation"].startswith("Nie można policzyć terminu: ")
    assert found[1]["due"] == "2026-10-13T23:59:59+02:00"


@settings(max_examples=150, derandomize=True, deadline=None, database=None)
@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["e", "start", "end", "at", "published", "end_published", "id", "version"]),
            st.sampled_from(
                ["failure", "maintenance", "total_failure", "issued", "handover", "rejected", "2026-10-12T10:00:00Z",
                 "2026-10-25T02:30:00+02:00", None, True, 7, 2**70, -1.5, "", "\ud800", [], {}]
            ),
        ),
        max_size=4,
    )
)  # fmt: skip
def test_no_events_raise(events: list[dict[str, object]]) -> None:
    """Whatever stands in the events, the answer is an answer or a sentence."""
    done = call("--issue-date", "2026-10-12", "--mode", "failure", "--events", json.dumps(events), "--json")
    assert done.exit_code in (0, 2)


def test_the_table_has_exactly_these_columns(tmp_path: Path) -> None:
    """In this order, with a line feed at the end of each line."""
    source, target = tmp_path / "c.csv", tmp_path / "o.csv"
    source.write_text(f"{HEAD}\n{row()}\n")
    call("--cases", str(source), "--out", str(target))
    assert COLUMNS == ("id", "due", "due_local", "state", "basis", "explanation")
    assert target.read_bytes().splitlines()[0] == b"id,due,due_local,state,basis,explanation"
    assert b"\r" not in target.read_bytes()


def test_the_worked_cases_through_the_command(tmp_path: Path) -> None:
    """The table of the cases goes in as it is; every row comes out in order, with its due date."""
    code, found = table(tmp_path, CASES.read_bytes())
    with CASES.open(newline="") as file:
        wanted = [(c["id"], c["expected_due"], c["expected_state"], c["expected_local"]) for c in csv.DictReader(file)]
    assert code == 0
    assert [(f["id"], f["due"], f["state"], f["due_local"]) for f in found] == wanted


def test_without_out_the_table_goes_to_standard_output(tmp_path: Path) -> None:
    """The same rows, for a pipe."""
    (tmp_path / "c.csv").write_text(f"{HEAD}\n{row()}\n")
    done = call("--cases", str(tmp_path / "c.csv"))
    assert done.stdout.splitlines()[1].startswith("A,2026-10-13T23:59:59+02:00,,open,")


@pytest.mark.parametrize(
    "content",
    [
        f"\ufeff{HEAD}\n{row()}\n",
        f"{HEAD}\n{row()}\n".replace("\n", "\r\n"),
        f"{HEAD}\n{row()}",
        f"{HEAD}\n\n{row()}\n\n",
        f"comment,{HEAD},more\nx,{row()},y\n",
        f"{HEAD}\n{row()},too,many\n",
        f"{HEAD},now\n{row()},\n",
        '"id","issue_date","mode","sequence_of_events"\n"A"," 2026-10-12 "," offline24 ","[]"\n',
        f"{HEAD}\nA,2026-10-12,offline24\n",
    ],
    ids=["bom", "crlf", "no-last-newline", "blank-lines", "extra", "ragged", "now", "quoted", "no-events"],
)
def test_tables_as_people_save_them(content: str, tmp_path: Path) -> None:
    """BOM, Windows line ends, quotes, blank lines and columns of somebody else do no harm."""
    code, found = table(tmp_path, content)
    assert (code, [(f["id"], f["due"]) for f in found]) == (0, [("A", "2026-10-13T23:59:59+02:00")])


def test_the_column_now_is_the_moment_to_look_from(tmp_path: Path) -> None:
    """Each row may have its own."""
    rows = f"{row()},2026-10-13T23:59:59+02:00\n{row(name='B')},2026-10-14T00:00:00+02:00\n"
    _, found = table(tmp_path, f"{HEAD},now\n{rows}")
    assert [f["state"] for f in found] == ["open", "overdue"]


@pytest.mark.parametrize(
    "line",
    [
        row(mode="offline"),
        row(mode=""),
        row(issued=""),
        row(issued="12.10.2026"),
        row(issued="2026-W42-1"),
        "A",
        "A,,,",
    ],
)
def test_a_bad_row_says_so_and_the_others_are_judged(line: str, tmp_path: Path) -> None:
    """One row out for every row in."""
    code, found = table(tmp_path, f"{HEAD}\n{line}\n{row(name='B')}\n")
    assert code == 1
    assert [(f["id"], f["state"]) for f in found] == [("A", ""), ("B", "open")]


@pytest.mark.parametrize(
    "content",
    [
        "",
        "id,mode\nA,online\n",
        HEAD.replace(",", ";"),
        b"\xff\xfei\x00d\x00",
        f'{HEAD}\n"' + "x" * 200_000,
    ],
    ids=["empty", "columns", "semicolons", "utf-16", "endless-field"],
)
def test_a_table_that_cannot_be_read_is_misuse(content: str | bytes, tmp_path: Path) -> None:
    """Exit code 2, and no table that looks like an answer."""
    assert table(tmp_path, content) == (2, [])


def test_a_table_that_cannot_be_written_is_misuse(tmp_path: Path) -> None:
    """The place does not exist: one sentence."""
    (tmp_path / "c.csv").write_text(f"{HEAD}\n{row()}\n")
    assert call("--cases", str(tmp_path / "c.csv"), "--out", str(tmp_path / "no" / "o.csv")).exit_code == 2


def test_a_table_without_rows_is_a_table_without_rows(tmp_path: Path) -> None:
    """Only the heading comes out."""
    assert table(tmp_path, f"{HEAD}\n") == (0, [])


def test_commas_and_quotes_survive(tmp_path: Path) -> None:
    """What stands in an id comes back as it was."""
    _, found = table(tmp_path, f'{HEAD}\n"a,""b"" ;",2026-10-12,offline24,[]\n')
    assert found[0]["id"] == 'a,"b" ;'


def test_ten_thousand_rows_come_out_in_their_order(tmp_path: Path) -> None:
    """A big table is one table; nothing is dropped or mixed up."""
    rows = "".join(row(FAULT, "failure", "2026-07-09", str(n)) + "\n" for n in range(10_000))
    code, found = table(tmp_path, f"{HEAD}\n{rows}")
    assert (code, [f["id"] for f in found]) == (0, [str(n) for n in range(10_000)])
