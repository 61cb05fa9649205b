"""Stored documents follow the law: in chunks, interrupted anywhere, and nothing is written that did not change."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from spool import actions, law, outages
from spool.access import FILE, Spool
from spool.bodies import sha256_hex
from spool.domain.announcements import Category
from spool.domain.document import Facts, Mode
from spool.domain.ledger import Document, NewDocument
from spool.domain.modes import Issue
from spool.domain.municipality import Context, ContextType, Municipality
from spool.domain.states import State
from spool.domain.terms import DueState
from spool.store import Store

NOW = datetime(2026, 10, 12, 8, 0, tzinfo=UTC)  # a Monday, ten o'clock in Warsaw
TODAY = date(2026, 10, 12)
TOWN = Context("gmina", ContextType.NIP, "5080014460", "prod", "", "", "")
RULES = law.Rules(law.Law(), Municipality("Gmina", "5080014460", {"gmina": TOWN}))
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    """An empty spool."""
    opened = Spool(tmp_path / FILE)
    yield opened
    opened.close()


def put(spool: Spool, number: int = 1, wish: Mode = Mode.OFFLINE24, **more: Any) -> Document:
    """A document taken in at NOW."""
    raw = f"<a>{number}</a>".encode()
    facts = Facts(seller_nip="5080014460", kind="VAT", number=f"FV/{number}", issue_date=TODAY)

    def job(store: Store) -> Document:
        due = RULES.deadline(Issue(TODAY, NOW, wish), RULES.announcements(store, "gmina", TODAY), NOW)
        new = NewDocument(
            "sp1", "gmina", "http", "a.xml", sha256_hex(raw), len(raw), facts, wish, NOW, State.QUEUED, due=due
        )
        return store.add(replace(new, **more), raw, "", NOW)

    return spool.write_now(job)


def announce(spool: Spool, category: Category, start: datetime, end: datetime | None = None, **more: Any) -> str:
    """A notice entered, and confirmed where that is needed."""

    def job(store: Store) -> str:
        added = outages.add(store, "prod", category, start, start, name="Anna", link="x", end=end, **more)
        if category is Category.TOTAL_FAILURE:
            outages.confirm(store, added.announcement.id, start, name="Anna")
        return added.announcement.id

    return spool.write_now(job)


def run(spool: Spool, now: datetime = NOW, chunks: int = 1000) -> int:
    """Recompute until nothing is wanted, or so many chunks."""
    changed = 0
    while chunks and spool.read_now(lambda s: law.wanted(s, RULES, now)):
        changed += spool.write_now(lambda s: law.recompute(s, RULES, now))
        chunks -= 1
    return changed


def move(spool: Spool, document: Document, *targets: State, **changes: Any) -> None:
    """Along the table of moves."""
    for target in targets:
        spool.write_now(lambda s, t=target: s.move(document.id, t, NOW, "x", "", **changes))  # type: ignore[misc]


def read(spool: Spool, document: Document) -> Document:
    """The document as it stands."""
    return spool.read_now(lambda s: s.document(document.id))


def recomputed(spool: Spool, document: Document) -> int:
    """How many rows of its history say that its term was reckoned anew."""
    return [e.move for e in spool.read_now(lambda s: s.history(document.id))].count("due")


def total_failure(spool: Spool) -> str:
    """Confirmed, within the term of what was taken in at NOW."""
    return announce(spool, Category.TOTAL_FAILURE, NOW + HOUR)


def test_an_announcement_moves_every_open_document(spool: Spool) -> None:
    """Art. 106nf by analogy: the seven days for all of them."""
    documents = [put(spool, n) for n in range(3)]
    announce(spool, Category.FAILURE, NOW + HOUR, NOW + 2 * HOUR)
    run(spool, NOW + 3 * HOUR)
    assert {str(read(spool, d).due_safe) for d in documents} == {"2026-10-21 21:59:59+00:00"}


def test_a_second_run_writes_nothing(spool: Spool) -> None:
    """Not a row, not a version."""
    document = put(spool)
    announce(spool, Category.FAILURE, NOW + HOUR, NOW + 2 * HOUR)
    run(spool, NOW + 3 * HOUR)
    before = (read(spool, document), recomputed(spool, document))
    assert not spool.read_now(lambda s: law.wanted(s, RULES, NOW + 3 * HOUR))
    assert spool.write_now(lambda s: law.recompute(s, RULES, NOW + 3 * HOUR)) == 0
    assert (read(spool, document), recomputed(spool, document)) == before


def test_history_grows_only_where_something_changed(spool: Spool) -> None:
    """An announcement that does not concern a document leaves no trace in it."""
    document = put(spool)
    announce(spool, Category.MAINTENANCE, NOW + 2 * DAY, NOW + 3 * DAY)
    assert run(spool) == 0
    assert recomputed(spool, document) == 0


def test_fault_K12_a_change_is_in_the_history_with_the_announcement(spool: Spool) -> None:
    """What was decided, and because of which notice (fault K12)."""
    document = put(spool)
    notice = announce(spool, Category.FAILURE, NOW + HOUR, NOW + 2 * HOUR)
    run(spool, NOW + 3 * HOUR)
    event = spool.read_now(lambda s: s.history(document.id))[-1]
    assert (event.move, event.data["announcements"]) == ("due", [notice])


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A spool with more documents than two chunks hold, and a failure that was just announced."""
    path = tmp_path_factory.mktemp("many") / FILE
    opened = Spool(path)
    for n in range(450):
        put(opened, n)
    announce(opened, Category.FAILURE, NOW + HOUR, NOW + 2 * HOUR)
    opened.close()
    return path


@pytest.mark.parametrize("killed_after", [0, 1, 2, 3])
def test_killed_between_chunks_and_started_again_the_result_is_the_same(
    many: Path, killed_after: int, tmp_path: Path
) -> None:
    """Every document has the new term once, wherever the run was cut."""
    for file in many.parent.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    first = Spool(tmp_path / many.name)
    before = run(first, NOW + 3 * HOUR, chunks=killed_after)
    first.close()
    again = Spool(tmp_path / many.name)
    after = run(again, NOW + 3 * HOUR)
    dues = again.read_now(lambda s: [(d.due_safe, len(s.history(d.id))) for d in s.dutiable(0, 1000)])
    again.close()
    assert (before + after, len(dues), len(set(dues))) == (450, 450, 1)


def test_a_chunk_is_bounded(many: Path, tmp_path: Path) -> None:
    """One transaction never holds the writer for the whole backlog."""
    for file in many.parent.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    opened = Spool(tmp_path / many.name)
    found = [opened.write_now(lambda s: law.recompute(s, RULES, NOW + 3 * HOUR)) for _ in range(4)]
    opened.close()
    assert found == [200, 200, 50, 0]


def test_a_new_announcement_in_the_middle_starts_again(many: Path, tmp_path: Path) -> None:
    """What was reckoned with the old ones is reckoned once more."""
    for file in many.parent.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    opened = Spool(tmp_path / many.name)
    run(opened, NOW + 3 * HOUR, chunks=1)
    announce(opened, Category.FAILURE, NOW + DAY, NOW + DAY + HOUR)
    run(opened, NOW + DAY + 2 * HOUR)
    dues = opened.read_now(lambda s: {d.due_safe for d in s.dutiable(0, 1000)})
    opened.close()
    assert dues == {datetime(2026, 10, 22, 21, 59, 59, tzinfo=UTC)}


def test_fault_F15_midnight_makes_an_online_document_deemed_offline24(spool: Spool) -> None:
    """Art. 106nda(16), on the first look at the new Warsaw day, with the next working day as its term."""
    document = put(spool, wish=Mode.ONLINE)
    run(spool)
    run(spool, datetime(2026, 10, 12, 22, 0, tzinfo=UTC))
    found = read(spool, document)
    assert (found.mode, found.deemed, found.sent_offline) == (Mode.OFFLINE24, True, False)
    assert str(found.due_safe) == "2026-10-13 21:59:59+00:00"


def test_a_minute_before_midnight_it_is_online(spool: Spool) -> None:
    """Nothing is wanted before the day is over."""
    document = put(spool, wish=Mode.ONLINE)
    run(spool, datetime(2026, 10, 12, 21, 59, 59, tzinfo=UTC))
    assert read(spool, document).mode is Mode.ONLINE


def test_the_breach_is_recorded_on_the_day_after(spool: Spool) -> None:
    """Overdue stands in the document and in its history."""
    document = put(spool)
    run(spool, NOW + 2 * DAY)
    assert (read(spool, document).due_state, recomputed(spool, document)) == (DueState.OVERDUE, 1)


def test_a_window_announced_ahead_acts_when_it_begins(spool: Spool) -> None:
    """Not before, and not only at midnight."""
    document = put(spool, wish=Mode.ONLINE)
    announce(spool, Category.MAINTENANCE, NOW + 4 * HOUR, NOW + 8 * HOUR, published=NOW - DAY)
    run(spool, NOW + HOUR)
    assert read(spool, document).mode is Mode.ONLINE
    run(spool, NOW + 4 * HOUR)
    assert read(spool, document).mode is Mode.UNAVAILABILITY


def test_an_end_named_ahead_dates_the_term_when_it_comes(spool: Spool) -> None:
    """A pending term gets its date at that moment."""
    document = put(spool)
    notice = announce(spool, Category.FAILURE, NOW + HOUR)
    later = NOW + 5 * HOUR
    spool.write_now(lambda s: outages.close(s, notice, later, NOW + 2 * HOUR, name="Anna", link=""))
    run(spool, NOW + 3 * HOUR)
    assert read(spool, document).due_state is DueState.PENDING
    run(spool, later)
    assert str(read(spool, document).due_safe) == "2026-10-21 21:59:59+00:00"


def test_fault_K13_an_unconfirmed_total_failure_ends_nothing(spool: Spool) -> None:
    """The document goes on its way (fault K13)."""
    document = put(spool)
    spool.write_now(
        lambda s: outages.add(s, "prod", Category.TOTAL_FAILURE, NOW + HOUR, NOW + HOUR, name="Anna", link="x")
    )
    run(spool, NOW + 2 * HOUR)
    assert read(spool, document).state is State.QUEUED


@pytest.mark.parametrize("way", [[], [State.WAITING], [State.HELD]], ids=["QUEUED", "WAITING", "HELD"])
def test_a_confirmed_total_failure_ends_what_waits(way: list[State], spool: Spool) -> None:
    """The duty has ceased, and so has the document, with the reason."""
    document = put(spool)
    move(spool, document, *way)
    total_failure(spool)
    run(spool, NOW + 2 * HOUR)
    found = read(spool, document)
    assert (found.state, found.due_state, found.due_safe) == (State.CEASED, DueState.CEASED, None)
    assert "wygasł" in found.reason


@pytest.mark.parametrize("last", [State.SUBMITTED, State.UNKNOWN])
def test_what_is_on_its_way_is_left_on_its_way(last: State, spool: Spool) -> None:
    """An attempt without a verdict never ends as ceased (DESIGN 4.6)."""
    document = put(spool)
    move(spool, document, State.SENDING, last)
    total_failure(spool)
    run(spool, NOW + 2 * HOUR)
    assert read(spool, document).state is last


def test_what_comes_back_from_a_doubt_ceases_then(spool: Spool) -> None:
    """KSeF never had it: the duty is gone, and nothing sends it later on its own."""
    document = put(spool)
    move(spool, document, State.SENDING, State.UNKNOWN)
    total_failure(spool)
    run(spool, NOW + 2 * HOUR)
    move(spool, document, State.QUEUED)
    run(spool, NOW + DAY)
    assert read(spool, document).state is State.CEASED


def test_what_the_treasurer_put_back_stays_queued(spool: Spool) -> None:
    """At the next day, and after any further notice."""
    document = put(spool)
    total_failure(spool)
    run(spool, NOW + 2 * HOUR)
    move(spool, document, State.QUEUED)
    run(spool, NOW + DAY)
    announce(spool, Category.FAILURE, NOW + DAY, NOW + DAY + HOUR)
    total_failure(spool)
    run(spool, NOW + 2 * DAY)
    assert read(spool, document).state is State.QUEUED


def test_handed_over_in_time_is_left_alone(spool: Spool) -> None:
    """A correction that makes the term shorter comes too late for it."""
    document = put(spool)
    move(spool, document, State.SENDING, State.SUBMITTED, handed_over_at=NOW + HOUR)
    announce(spool, Category.FAILURE, NOW + 2 * HOUR, NOW + 3 * HOUR)
    assert run(spool, NOW + 5 * DAY) == 0
    assert recomputed(spool, document) == 0


def test_a_rejection_reopens_the_matter(spool: Spool) -> None:
    """Without its hand-over the document follows the announcements again."""
    document = put(spool)
    move(spool, document, State.SENDING, State.SUBMITTED, handed_over_at=NOW + HOUR)
    announce(spool, Category.FAILURE, NOW + 2 * HOUR, NOW + 3 * HOUR)
    run(spool, NOW + 4 * HOUR)
    move(spool, document, State.QUEUED, handed_over_at=None)
    run(spool, NOW + DAY)
    assert str(read(spool, document).due_safe) == "2026-10-21 21:59:59+00:00"


def test_another_environments_announcement_moves_nothing(spool: Spool) -> None:
    """A context listens only to its own environment."""
    document = put(spool)
    spool.write_now(
        lambda s: outages.add(s, "sandbox", Category.FAILURE, NOW + HOUR, NOW + HOUR, name="Anna", link="x")
    )
    assert run(spool, NOW + 2 * HOUR) == 0
    assert read(spool, document).due_state is DueState.OPEN


def test_what_was_over_before_the_issue_is_not_even_read(spool: Spool) -> None:
    """Years of announcements cost an intake nothing: only what reaches the day of issue, or was published since."""

    def job(store: Store) -> list[str]:
        for days in (400, 30, 0):
            start = NOW - timedelta(days=days, hours=3)
            outages.add(
                store, "prod", Category.FAILURE, start, NOW, name="Anna", link="https://bip", published=start,
                end=start + timedelta(hours=2),
            )  # fmt: skip
        return [a.id for a in RULES.announcements(store, "gmina", TODAY)]

    assert spool.write_now(job) == ["reczny-3"]


def test_a_cancelled_total_failure_gives_its_documents_back(spool: Spool) -> None:
    """Entered by mistake: what ceased because of it is owed again, under the name of whoever took it back."""
    document = put(spool)

    name = announce(spool, Category.TOTAL_FAILURE, NOW + HOUR)
    run(spool, NOW + 2 * HOUR)
    assert read(spool, document).state is State.CEASED
    spool.write_now(lambda s: outages.cancel(s, name, NOW + 3 * HOUR, name="Jan", reason="pomyłka"))
    run(spool, NOW + 3 * HOUR)
    back = read(spool, document)
    assert (back.state, back.due_safe, back.due_state) == (State.QUEUED, document.due_safe, DueState.OPEN)
    assert [e.actor for e in spool.read_now(lambda s: s.history(document.id)) if e.move == "CEASED>QUEUED"] == ["Jan"]


def test_changed_days_off_are_noticed(spool: Spool) -> None:
    """A day added by configuration moves dates at once, not only on the next day."""
    document = put(spool)
    run(spool, NOW)
    tomorrow = law.Rules(law.Law({TODAY + DAY: True}), RULES.municipality)
    assert spool.read_now(lambda s: law.wanted(s, tomorrow, NOW))
    spool.write_now(lambda s: law.recompute(s, tomorrow, NOW))
    found = read(spool, document)
    assert found.due_safe is not None
    assert found.due_safe.date() == TODAY + 2 * DAY


def test_a_rejection_after_a_met_deadline_reopens_it(spool: Spool) -> None:
    """Handed over, reckoned as met, then handed back by KSeF: the duty is open again at once."""
    document = put(spool)
    spool.write_now(lambda s: s.touch(document.id, NOW, handed_over_at=NOW + HOUR, due_state=DueState.MET))
    spool.write_now(lambda s: s.touch(document.id, NOW, handed_over_at=None))
    spool.write_now(lambda s: law.reopen(s, RULES, document.id, NOW + 2 * HOUR))
    assert read(spool, document).due_state is DueState.OPEN


def test_fault_F15_the_hand_over_over_midnight_is_judged_by_its_own_moment(spool: Spool) -> None:
    """Sent at 23:59:59, taken at 00:00:00, the row not recomputed yet: deemed offline24 and in term, not overdue."""
    document = put(spool, wish=Mode.ONLINE)
    at = NOW.replace(hour=22, minute=0, second=0)  # midnight in Warsaw
    state = spool.write_now(lambda s: law.at_hand_over(s, RULES, document, at, at))
    found = read(spool, document)
    assert (state, found.mode, found.deemed) == (DueState.MET, Mode.OFFLINE24, True)
    assert found.due_safe is not None
    assert found.due_safe.date() == date(2026, 10, 13)


def test_fault_F15_taken_before_midnight_it_was_online_all_the_same(spool: Spool) -> None:
    """Recomputed at midnight before the verdict came: KSeF's moment is of the day before."""
    document = put(spool, wish=Mode.ONLINE)
    midnight = NOW.replace(hour=22, minute=0, second=1)
    run(spool, midnight)
    deemed = read(spool, document)
    assert deemed.deemed
    at = midnight - timedelta(seconds=2)
    state = spool.write_now(lambda s: law.at_hand_over(s, RULES, deemed, at, midnight))
    assert (state, read(spool, document).mode) == (DueState.MET, Mode.ONLINE)


def test_a_notice_heard_only_after_the_number_takes_the_blame_away(spool: Spool) -> None:
    """Published before the safe day ended, heard after KSeF took the invoice: it was in term, and that is recorded."""
    document = put(spool)
    taken = NOW + 3 * DAY
    run(spool, taken)
    move(spool, document, State.SENDING, State.SUBMITTED, State.ACCEPTED, ksef_number="5080014460-X")
    spool.write_now(lambda s: s.touch(document.id, taken, handed_over_at=taken))
    assert read(spool, document).due_state is DueState.OVERDUE
    announce(spool, Category.FAILURE, NOW + DAY, NOW + 2 * DAY)
    run(spool, taken + HOUR)
    assert read(spool, document).due_state is DueState.MET


def test_what_is_sent_although_its_duty_ceased_has_no_date(spool: Spool) -> None:
    """The total failure stands: back in the queue, without a date, and the page does not complain about that."""
    document = put(spool)
    announce(spool, Category.TOTAL_FAILURE, NOW + HOUR)
    run(spool, NOW + HOUR)
    back = spool.write_now(lambda s: actions.send_all_the_same(s, document.id, NOW + HOUR, "Anna", "x", RULES))
    assert (back.state, back.due_safe, back.due_state) == (State.QUEUED, None, DueState.CEASED)
    assert spool.read_now(lambda s: s.without_due()) == 0
