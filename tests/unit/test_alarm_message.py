"""The words of a warning: which documents, until when and why, what to do, what comes after; harmless plain text."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.alarms.settings import Smtp
from gateway.alarms.smtp import Letter, compose
from spool.domain.calendar import end_of_day
from spool.domain.document import Mode
from spool.domain.ledger import ALIVE
from spool.domain.states import State
from tests.alarms_bench import DAY, DUE, Bench, at, opened

NEXT_YEAR = end_of_day(DAY.replace(year=2027, month=1, day=20)).astimezone(UTC)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A bench at 8 on the due day."""
    with opened(tmp_path) as found:
        found.now = at(8) - timedelta(hours=1)
        yield found


async def told(bench: Bench, moment: datetime | None = None) -> str:
    """The message of the one alarm that a look at 8 (or then) raises."""
    bench.now = moment or at(8)
    (alarm,) = await bench.loop().look()
    return bench.text(alarm)


def condition(bench: Bench, name: str, value: dict[str, Any], context: str = "gmina") -> None:
    """Set a condition."""
    bench.spool.write_now(lambda s: s.set_condition(context, name, value, bench.now))


def move(bench: Bench, number: str, state: State, reason: str = "") -> None:
    """A document in this state, for this reason."""
    document = bench.add(number)
    if state in {State.UNKNOWN, State.CONFLICT}:
        bench.spool.write_now(lambda s: s.begin_attempt(document, "S", bench.now))
    if state is State.CONFLICT:
        bench.spool.write_now(lambda s: s.move(document.id, State.SUBMITTED, bench.now, "agent", "x"))
    bench.spool.write_now(lambda s: s.move(document.id, state, bench.now, "agent", "x", reason=reason))


async def test_which_documents_until_when_and_why(bench: Bench) -> None:
    """Number, unit, date and the rule behind it."""
    bench.add("SP1/12/2026")
    text = await told(bench)
    assert "Szkoła Podstawowa nr 1: 1 faktura bez numeru KSeF, termin 20.11.2026, godz. 23:59." in text
    assert "- SP1/12/2026 – do 20.11.2026, godz. 23:59; w kolejce" in text
    assert "Termin: Termin testowy." in text
    assert "Zostało: 15 godz." in text


async def test_a_unit_hears_of_its_own_documents_only(bench: Bench) -> None:
    """No number, name or count of another unit is in its message (invariant I7)."""
    bench.add("SP1/12/2026")
    for number in range(3):
        bench.add(f"GOPS/{number}/2026", unit="gops")
    bench.now = at(8)
    await bench.loop().look()
    texts = {a.unit: bench.text(a.id) for a in bench.alarms()}
    assert "GOPS" not in texts["sp1"]
    assert "Ośrodek" not in texts["sp1"]
    assert "3" not in texts["sp1"].replace("23:59", "")
    assert "SP1" not in texts["gops"]
    assert "Szkoła" not in texts["gops"]


async def test_when_ksef_does_not_answer_nobody_has_to_do_anything_in_sluza(bench: Bench) -> None:
    """It retries by itself; the line is worth a look."""
    bench.add("FV/1")
    condition(bench, "reachable", {"ok": False})
    text = await told(bench)
    assert "KSeF nie odpowiada („gmina”)" in text
    assert "nie trzeba nic robić, ponawia sama" in text
    assert "łącze" in text


async def test_a_paused_context_says_why_and_what_a_person_must_do(bench: Bench) -> None:
    """Reason and cure as the agent wrote them, and the command."""
    bench.add("FV/1")
    condition(bench, "paused", {"reason": "KSeF odrzucił certyfikat.", "hint": "Proszę wgrać nowy."})
    text = await told(bench)
    assert "bez człowieka nie ruszy. KSeF odrzucił certyfikat. Proszę wgrać nowy." in text
    assert "sluza queue release" in text


async def test_a_closed_gate_says_why(bench: Bench) -> None:
    """What the agent waits for before it sends anything, and what a person may do about it."""
    bench.add("FV/1")
    condition(bench, "reconcile_first", {"doubts": ["restored"], "reason": "Spool odtworzono z kopii zapasowej."})
    text = await told(bench)
    assert "jest wstrzymana" in text
    assert "Spool odtworzono z kopii zapasowej." in text
    assert "sluza reconcile" in text


async def test_another_context_is_nobodys_business(bench: Bench) -> None:
    """Only conditions of the contexts of these documents are told."""
    bench.add("FV/1")
    condition(bench, "paused", {"reason": "Tajemnica innej jednostki."}, context="biblioteka")
    assert "Tajemnica" not in await told(bench)


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (State.HELD, "1 faktura: wstrzymano. Proszę sprawdzić powód (sluza queue show ID)"),
        (State.UNKNOWN, "1 faktura: wynik wysyłki jest nieznany. Śluza pyta KSeF i nie wyśle drugi raz bez pewności"),
        (State.CONFLICT, "1 faktura: numer zajmuje w KSeF inny dokument"),
        (State.WAITING, "1 faktura: czeka na to, co podano przy numerze"),
    ],
)
async def test_the_advice_depends_on_the_state(bench: Bench, state: State, expected: str) -> None:
    """What needs a person says so, and with the reason of the document itself."""
    move(bench, "FV/1", state, "Powód z historii.")
    text = await told(bench)
    assert expected in text
    assert "Powód z historii." in text


async def test_a_dead_agent_is_told(bench: Bench) -> None:
    """Nothing is sent while it does not run."""
    bench.add("FV/1")
    condition(bench, ALIVE, {"pid": 1}, context="")
    assert "Program wysyłający (agent) nie działa" in await told(bench)


async def test_what_is_in_ksef_already_is_not_to_be_sent_again(bench: Bench) -> None:
    """A late document that has gone, beside one that still waits: each has its advice."""
    bench.now = DUE + timedelta(days=3)
    gone, _ = bench.add("FV/1"), bench.add("FV/2")
    bench.hand_over(gone)
    bench.spool.write_now(lambda s: s.touch(gone.id, bench.now, due_state="overdue"))
    text = await told(bench, bench.now)
    assert "1 faktura: już w KSeF, wysłano po terminie. Nie trzeba wysyłać ponownie." in text
    assert "Śluza wysyła te faktury sama" in text


async def test_when_nothing_stands_in_the_way_the_message_says_so(bench: Bench) -> None:
    """A long queue is no fault."""
    bench.add("FV/1")
    assert "Śluza wysyła te faktury sama i nie widzi przeszkody" in await told(bench)


@pytest.mark.parametrize(("mode", "expected"), [(Mode.ONLINE, True), (Mode.OFFLINE24, False)])
async def test_what_comes_after_the_date_depends_on_the_mode(bench: Bench, mode: Mode, expected: bool) -> None:
    """An online document that misses its day is deemed offline24 (art. 106nda(16))."""
    bench.add("FV/1", mode=mode)
    assert ("art. 106nda ust. 16" in await told(bench)) is expected


async def test_from_2027_the_penalty_is_summed_over_all_documents(bench: Bench) -> None:
    """More than are listed; those that cannot be priced are counted."""
    for number in range(60):
        bench.add(f"FV/{number}", NEXT_YEAR, vat="100.00", mode=Mode.OFFLINE24)
    bench.add("EUR/1", NEXT_YEAR, vat="", currency="EUR")
    text = (await told(bench, at(8, day=NEXT_YEAR.date()))).replace("\u00a0", " ")
    assert "może wynieść łącznie do 6 000,00 zł" in text
    assert "Bez wyceny (brak VAT, waluta obca): 1 faktura." in text
    assert text.count("\n- FV/") == 50
    assert "… i jeszcze 11 faktur" in text


async def test_in_2026_there_is_no_penalty(bench: Bench) -> None:
    """The act sets it in force with 2027."""
    bench.add("FV/1")
    assert "106ni" not in await told(bench)


async def test_a_passed_date_says_what_is_done_now(bench: Bench) -> None:
    """The breach is recorded, and the document still goes."""
    bench.add("FV/1")
    text = await told(bench, DUE + timedelta(days=3))
    assert "1 faktura jest po terminie przesłania do KSeF (do 20.11.2026, godz. 23:59)." in text
    assert "Śluza wysyła także po terminie" in text
    assert "Zostało" not in text


async def test_control_characters_of_documents_are_harmless(bench: Bench) -> None:
    """A number with line breaks, escapes and markup stays one line of text (faults X14)."""
    bench.add("FV/1\r\nBcc: zly@example.com\x1b[31m\u202e<b>")
    text = await told(bench)
    assert "\r" not in text
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "\nBcc" not in text


def test_the_mail_is_plain_text_with_proper_headers() -> None:
    """UTF-8, From, To, Date, Message-ID, Auto-Submitted; Polish letters survive."""
    letter = Letter("7", "biuro@gmina.example", "Śluza: żółw", "Zażółć gęślą jaźń.\n", at(8))
    found = message_from_bytes(compose(Smtp("h", 25, "none", "sluza@gmina.example"), letter), policy=policy.default)
    assert found.get_content_type() == "text/plain"
    assert found.get_content().splitlines() == ["Zażółć gęślą jaźń."]
    assert found["Subject"] == "Śluza: żółw"
    assert (found["From"], found["To"]) == ("sluza@gmina.example", "biuro@gmina.example")
    assert found["Date"].datetime == at(8)
    assert found["Message-ID"].startswith("<sluza.7.")
    assert found["Auto-Submitted"] == "auto-generated"


@given(st.text(max_size=300), st.text(max_size=2000))
def test_no_text_can_add_a_header(subject: str, text: str) -> None:
    """Whatever a subject or a text contains, the headers are ours and the text is the body."""
    letter = Letter("7", "biuro@gmina.example", subject, text.encode("utf-8", "replace").decode(), at(8))
    found = message_from_bytes(compose(Smtp("h", 25, "none", "sluza@gmina.example"), letter), policy=policy.default)
    ours = {
        "From",
        "To",
        "Subject",
        "Date",
        "Message-ID",
        "Auto-Submitted",
        "Content-Type",
        "Content-Transfer-Encoding",
    }
    assert set(found.keys()) <= ours | {"MIME-Version"}
    assert not set(found["Subject"]) & set("\r\n\x00")
    assert not found.is_multipart()
