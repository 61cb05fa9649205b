"""A remote unit without a line for weeks (faults D14): its own computer lists, warns, and drains by deadline."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from gateway.remote.board import Line as LineView
from gateway.remote.board import View, page, status
from gateway.remote.urgency import alarms, issue_date, unsent
from spool.domain.calendar import end_of_day
from spool.domain.document import Mode
from spool.domain.ladder import Step
from tests.http_bench import NOW, school_invoice
from tests.remote_bench import until, world

FRIDAY = NOW.date()


async def test_fault_D14_warned_here_and_drained_by_deadline(tmp_path: Path) -> None:
    """The line is down; the clock goes on: ALARM.txt names the file and what to do. Then the most urgent goes first."""
    async with world(tmp_path) as w, w.school.on() as school:
        await school.ready()
        w.line.down = True
        w.line.drop_all()
        await until(lambda: "Nie ma połączenia z bramką" in school.text("STAN.txt"))
        school.drop("a-pozniejsza.xml", school_invoice("SP1/2/2026", issue_date=FRIDAY), offline24=True)
        school.drop("z-pilna.xml", school_invoice("SP1/1/2026", issue_date=FRIDAY))
        await until(lambda: "CZEKAJĄ NA TYM KOMPUTERZE (bramka ich jeszcze nie ma): 2" in school.text("STAN.txt"))
        listed = school.text("STAN.txt")
        assert listed.index("z-pilna.xml") < listed.index("a-pozniejsza.xml")
        assert not (school.folder / "ALARM.txt").exists()
        school.now = datetime(2026, 11, 20, 20, 30, tzinfo=UTC)  # 21:30 in Warsaw: less than three hours
        await until(lambda: (school.folder / "ALARM.txt").exists())
        said = school.text("ALARM.txt")
        assert "ZBLIŻA SIĘ TERMIN" in said
        assert "z-pilna.xml" in said
        assert "a-pozniejsza.xml" not in said
        assert "Plików z folderu nie usuwać." in said
        school.now += timedelta(days=21)
        await until(lambda: "TERMIN PRZESŁANIA DO KSEF MINĄŁ" in school.text("ALARM.txt"))
        school.now = NOW
        w.line.down = False
        await until(lambda: len(w.documents()) == 2, 30)
        await until(lambda: not (school.folder / "ALARM.txt").exists())


async def test_fault_D14_a_backlog_goes_in_the_order_of_its_deadlines(tmp_path: Path) -> None:
    """Eight files, the older the issue date the more urgent, whatever their names say."""
    days = [FRIDAY - timedelta(days=n) for n in range(8)]
    async with world(tmp_path) as w, w.school.on() as school:
        await school.ready()
        w.line.down = True
        w.line.drop_all()
        await until(lambda: "Nie ma połączenia z bramką" in school.text("STAN.txt"))
        for n, day in enumerate(days):
            school.drop(f"{n:02}.xml", school_invoice(f"SP1/{n}/2026", issue_date=day))
        await until(lambda: "nie ma): 8" in school.text("STAN.txt"))
        w.line.down = False
        await until(lambda: len(w.documents()) == 8, 30)
        arrived = [d.source_name for d in w.documents()]
        due = {f"{n:02}.xml": unsent("", school_invoice(issue_date=day), NOW, NOW, offline24=False).due
               for n, day in enumerate(days)}  # fmt: skip
        assert [due[name] for name in arrived] == sorted(due.values())


async def test_fault_D14_an_alarm_is_told_once_over_a_restart(tmp_path: Path) -> None:
    """The ledger of steps outlives the program; the file says what it said."""
    async with world(tmp_path) as w:
        async with w.school.on() as school:
            await school.ready()
            w.line.down = True
            w.line.drop_all()
            school.drop("a.xml", school_invoice(issue_date=FRIDAY))
            school.now = datetime(2026, 11, 20, 22, 50, tzinfo=UTC)
            await until(lambda: (school.folder / "ALARM.txt").exists())
            ledger = (school.home / "stan" / "alarms.json").read_text()
        async with w.school.on() as school:
            await until(lambda: "Nie ma połączenia" in school.text("STAN.txt"))
            assert (school.home / "stan" / "alarms.json").read_text() == ledger
            assert "a.xml" in school.text("ALARM.txt")


def test_fault_D14_the_deadline_of_a_file_nobody_has_seen() -> None:
    """From the text of P_1; without one, or with one in the future, the earliest date that a file of today can have."""
    raw = school_invoice(issue_date=FRIDAY)
    assert issue_date(raw) == FRIDAY
    assert issue_date(b"<ns:P_1> 2026-11-20 </ns:P_1>") == FRIDAY
    assert issue_date(b"<P_1>2026-13-20</P_1>") is None
    today = unsent("a", raw, NOW, NOW, offline24=False)
    assert (today.due, today.mode) == (end_of_day(FRIDAY), Mode.ONLINE)
    assert unsent("a", b"zip", NOW, NOW, offline24=False).due == end_of_day(FRIDAY)
    assert unsent("a", raw, NOW, NOW, offline24=True).due == end_of_day(date(2026, 11, 23))
    late = unsent("a", raw, NOW, NOW + timedelta(days=1), offline24=False)
    assert (late.due, late.mode) == (end_of_day(date(2026, 11, 23)), Mode.OFFLINE24)


def test_fault_D14_steps_come_once_and_the_passed_one_is_told() -> None:
    """The ladder of the gateway, at the unit's computer."""
    waiting = [unsent("a", school_invoice(issue_date=FRIDAY), NOW, NOW, offline24=False)]
    due = waiting[0].due
    assert alarms(waiting, {}, NOW) == []
    (call,) = alarms(waiting, {}, due - timedelta(minutes=10))
    assert call.step is Step.MINUTES_15
    assert alarms(waiting, {due.isoformat(): [Step.MINUTES_15.value]}, due - timedelta(minutes=9)) == []
    (call,) = alarms(waiting, {due.isoformat(): [Step.MINUTES_15.value]}, due + timedelta(hours=1))
    assert call.step is Step.DUE
    assert alarms(waiting, {due.isoformat(): [Step.DUE.value]}, due + timedelta(hours=2)) == []


def test_what_the_accountant_reads_is_for_notepad() -> None:
    """BOM, CRLF, one line per thing even where a name holds a line break."""
    odd = unsent("a\nb\u202e.xml", b"", NOW, NOW, offline24=False)
    raw = page("ŚLUZA", status(View("sp1", LineView("Nie ma połączenia.", NOW, NOW), [odd])), NOW)
    assert raw.startswith(b"\xef\xbb\xbf")
    assert raw.count(b"\n") == raw.count(b"\r\n")
    assert "a\\u{A}b\\u{202E}.xml" in raw.decode("utf-8-sig")
