"""The order of numbering series: places, who waits for whom, and what it costs."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
import structlog
from click.testing import CliRunner

from agent.batch import Batches
from agent.series import Continuity, begin_in_turn
from sluza.cli.queue import queue
from spool import actions, series
from spool.access import FILE, Spool
from spool.domain.errors import MoveRefused
from spool.domain.ledger import Document, Entry, HeldSeries
from spool.domain.municipality import Municipality, Unit
from spool.domain.series import NO_PLACE, Place, goes_at, let_go_before, on_its_way, place, together
from spool.domain.states import State
from spool.law import Law, Rules
from spool.store import Store
from tests.documents import due, new

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
DAY = NOW.date()
MIDNIGHT = datetime(2026, 11, 20, 23, 0, tzinfo=UTC)
SCHOOL = Unit("sp1", "Szkoła", "gmina", series=r"SP1/(?P<n>\d+)/\d{4}", series_order="strict")


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        ("SP1/12/2026", Place("SP1/…/2026", 12, strict=True)),
        ("SP1/0012/2026", Place("SP1/…/2026", 12, strict=True)),
        ("SP1/1/2027", Place("SP1/…/2027", 1, strict=True)),
        ("SP2/12/2026", NO_PLACE),
        ("SP1/12/2026 KOR", NO_PLACE),
        (f"SP1/{'9' * 19}/2026", NO_PLACE),
        ("", NO_PLACE),
    ],
)
def test_a_place_is_the_number_without_its_running_part(number: str, expected: Place) -> None:
    """The whole number must match; the year stays in the series, so each year counts anew; what is no number of 64
    bits is in no series."""
    assert place(SCHOOL, number) == expected


def test_a_unit_without_series_or_order_has_no_places() -> None:
    """`off` means nothing at all, and a group that took part in no match is no number."""
    number = "SP1/12/2026"
    assert place(Unit("u", "U", "c"), number) == NO_PLACE
    assert place(Unit("u", "U", "c", series=SCHOOL.series, series_order="off"), number) == NO_PLACE
    assert place(Unit("u", "U", "c", series=SCHOOL.series), number) == Place("SP1/…/2026", 12)
    assert place(Unit("u", "U", "c", series=r"A(?P<n>\d+)?|B\d"), "B7") == NO_PLACE
    assert place(Unit("u", "U", "c", series=r"(?P<n>\w+)"), "²") == NO_PLACE


def test_nothing_is_held_in_the_last_three_hours() -> None:
    """Three hours before its date a document goes; what moved a moment ago is waited for, but not in the last hour."""
    stuck, moved = NOW - timedelta(hours=1), NOW - timedelta(seconds=30)
    assert goes_at(MIDNIGHT) == MIDNIGHT - timedelta(hours=3)
    assert goes_at(None) is None
    assert let_go_before(stuck, NOW) == NOW + timedelta(hours=3)
    assert let_go_before(moved, NOW) == NOW + timedelta(hours=1)
    assert let_go_before(NOW + timedelta(minutes=9), NOW) == NOW + timedelta(hours=3)
    assert on_its_way(State.SUBMITTED, moved, NOW)
    assert not on_its_way(State.SUBMITTED, stuck, NOW)
    assert not on_its_way(State.UNKNOWN, moved, NOW)


@dataclass(frozen=True)
class _One:
    n: int
    series: tuple[str, str] | None = ("u", "A")
    held_back: bool = True


def test_a_package_takes_a_number_with_the_earlier_ones() -> None:
    """The urgent number brings the earlier ones before itself; a full package ends within a run, never beyond a gap."""
    one, two, three, four = (_One(n) for n in (1, 2, 3, 4))
    lone, other = _One(0, None), _One(9, ("u", "B"))
    urgent = [three, lone, other, one, four, two]
    assert together(urgent, {}, 10) == [one, two, three, lone, other, four]
    assert together(urgent, {}, 2) == [one, two]
    assert together(urgent, {("u", "A"): 2}, 10) == [lone, other, one, two]
    assert together([_One(3, held_back=False)], {("u", "A"): 2}, 10) == [_One(3, held_back=False)]


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    """An empty spool."""
    opened = Spool(tmp_path / FILE)
    yield opened
    opened.close()


def _add(store: Store, n: int, *, unit: Unit = SCHOOL, year: int = 2026, hours: float = 14) -> Document:
    plain = f"SP1/{n}/{year}"
    number = plain if unit is SCHOOL else f"{unit.id}/{plain}"
    raw, ends = number.encode(), NOW + timedelta(hours=hours)
    made = new(raw, NOW, number=number, unit=unit.id, due=due(ends, NOW), place=place(unit, plain))
    return store.add(made, raw, "", NOW)


def _put(spool: Spool, *numbers: int, **more: object) -> list[Document]:
    return spool.write_now(lambda s: [_add(s, n, **more) for n in numbers])  # type: ignore[arg-type]


def _free(spool: Spool) -> list[str]:
    """Numbers that may be sent one by one now, in the order of the queue."""

    def look(store: Store) -> list[str]:
        found: list[Document] = []
        while (one := store.next_queued("gmina", NOW, taken=[d.id for d in found])) is not None:
            found.append(one)
        return [d.facts.number for d in found]

    return spool.read_now(look)


def _packable(spool: Spool, most: int = 10) -> list[str]:
    """Numbers that a package would take now, in its order."""

    def look(store: Store) -> list[str]:
        return [store.document(e.id).facts.number for e in store.packable("gmina", DAY, NOW, most).entries]

    return spool.read_now(look)


def _verdict(spool: Spool, document: Document, state: State, **more: object) -> None:
    def job(store: Store) -> None:
        store.begin_attempt(document, "SO-1", NOW)
        store.move(document.id, State.SUBMITTED, NOW, "agent", "")
        if state is not State.SUBMITTED:
            store.move(document.id, state, NOW, "agent", "", **more)

    spool.write_now(job)


@pytest.mark.parametrize(
    ("state", "holds"),
    [(State.SUBMITTED, True), (State.UNKNOWN, True), (State.HELD, True), (State.ACCEPTED, False),
     (State.REFUSED, False), (State.CONFLICT, False)],
)  # fmt: skip
def test_only_a_number_without_verdict_holds_the_next(spool: Spool, state: State, holds: bool) -> None:
    """On its way, in doubt, held by a program: the next waits. With a number, refused, in conflict: it goes."""
    first, _, _ = _put(spool, 1, 2, 3)
    assert _free(spool) == ["SP1/1/2026"]
    more = {"ksef_number": "K-1"} if state is State.ACCEPTED else {}
    _verdict(spool, first, state, **more)
    assert _free(spool) == ([] if holds else ["SP1/2/2026"])


def test_other_series_and_units_are_not_touched(spool: Spool) -> None:
    """Another year, another unit with the same series, a unit that only warns: each goes by itself."""
    other = Unit("sp2", "Szkoła 2", "gmina", series=SCHOOL.series, series_order="strict")
    warned = Unit("sp3", "Szkoła 3", "gmina", series=SCHOOL.series)
    _put(spool, 5, 6)
    _put(spool, 1, 2, year=2027)
    _put(spool, 8, 9, unit=other)
    _put(spool, 3, 4, unit=warned)
    assert sorted(_free(spool)) == [
        "SP1/1/2027", "SP1/5/2026", "sp2/SP1/8/2026", "sp3/SP1/3/2026", "sp3/SP1/4/2026",
    ]  # fmt: skip
    held = [(one.unit, one.series) for one in spool.read_now(lambda s: s.held_series("gmina"))]
    assert held == [("sp1", "SP1/…/2026"), ("sp1", "SP1/…/2027"), ("sp2", "SP1/…/2026")]


def test_an_earlier_number_that_comes_later_goes_first(spool: Spool) -> None:
    """Number 7 waits again when 6 comes in after it."""
    _put(spool, 7)
    assert _free(spool) == ["SP1/7/2026"]
    _put(spool, 6)
    assert _free(spool) == ["SP1/6/2026"]


def test_a_parked_number_holds_nobody(spool: Spool) -> None:
    """Who parks a number gives a reason, in the history under the person's name; released, it holds them again."""
    first, _ = _put(spool, 1, 2)
    with pytest.raises(MoveRefused, match="--reason"):
        spool.write_now(lambda s: actions.hold(s, first.id, NOW, "Anna", ""))
    spool.write_now(lambda s: actions.hold(s, first.id, NOW, "Anna", "Czekamy na aneks."))
    assert _free(spool) == ["SP1/2/2026"]
    last = spool.read_now(lambda s: s.history(first.id))[-1]
    assert (last.actor, last.note) == ("Anna", "Czekamy na aneks.")
    spool.write_now(lambda s: actions.release(s, first.id, NOW, "Anna", ""))
    assert _free(spool) == ["SP1/1/2026"]


def test_what_a_program_holds_is_parked_by_a_person(spool: Spool) -> None:
    """A document that KSeF keeps handing back holds the next ones until a person says otherwise, once."""
    first, _ = _put(spool, 1, 2)
    spool.write_now(lambda s: s.move(first.id, State.HELD, NOW, "agent", "500"))
    assert _free(spool) == []
    spool.write_now(lambda s: actions.hold(s, first.id, NOW, "Anna", "Wyjaśniam z KSeF."))
    assert _free(spool) == ["SP1/2/2026"]
    with pytest.raises(MoveRefused, match="już wstrzymany"):
        spool.write_now(lambda s: actions.hold(s, first.id, NOW, "Anna", "Jeszcze raz."))


def test_a_withdrawn_and_a_returned_number(spool: Spool) -> None:
    """Withdrawn, it holds nobody; handed back by KSeF without a verdict, it goes first again."""
    first, second, _ = _put(spool, 1, 2, 3)
    _verdict(spool, first, State.QUEUED)
    assert _free(spool) == ["SP1/1/2026"]
    spool.write_now(lambda s: actions.withdraw(s, first.id, NOW, "Anna", ""))
    assert _free(spool) == ["SP1/2/2026"]
    spool.write_now(lambda s: actions.withdraw(s, second.id, NOW, "Anna", ""))
    assert _free(spool) == ["SP1/3/2026"]


def test_consecutive_numbers_share_a_package(spool: Spool) -> None:
    """A package takes a whole run, the earlier number first, also where a later one is due before it."""
    _put(spool, 1, hours=14)
    _put(spool, 3, hours=5)
    _put(spool, 2, hours=9)
    assert _packable(spool) == ["SP1/1/2026", "SP1/2/2026", "SP1/3/2026"]
    assert _packable(spool, 2) == ["SP1/1/2026", "SP1/2/2026"]
    waiting = spool.read_now(lambda s: s.waiting("gmina", NOW, 200))
    assert waiting.plain == 3


def test_a_package_stops_before_what_cannot_be_in_it(spool: Spool) -> None:
    """Number 3 is put off: 1 and 2 go, 4 does not go past it; and while 1 is in doubt nothing of it is packed."""
    first, _, third, _ = _put(spool, 1, 2, 3, 4)
    spool.write_now(lambda s: s.postpone(third.id, NOW + timedelta(hours=1)))
    assert _packable(spool) == ["SP1/1/2026", "SP1/2/2026"]
    assert spool.read_now(lambda s: s.waiting("gmina", NOW, 200)).plain == 2
    _verdict(spool, first, State.UNKNOWN)
    assert _packable(spool) == []
    assert spool.read_now(lambda s: s.waiting("gmina", NOW, 200)).plain == 0


def test_a_package_finds_who_overtook(spool: Spool) -> None:
    """An earlier number that is open outside the package is found with one look; what shares it overtakes nobody."""
    first, second, third = _put(spool, 1, 2, 3)

    def claim(store: Store) -> list[tuple[str, str, bool]]:
        store.add_package("p", "gmina", NOW)
        store.claim("p", [second.id, third.id], NOW)
        before = store.overtaking("p")
        store.claim("p", [first.id], NOW)
        assert store.overtaking("p") == []
        return before

    assert spool.write_now(claim) == [(second.id, first.id, True), (third.id, first.id, True)]


def test_the_clock_lets_go_for_good(spool: Spool) -> None:
    """What is due soon waits no more, the rest does; an earlier number coming in does not catch it again."""
    _put(spool, 2, hours=14)
    _put(spool, 3, 4, hours=3)
    _put(spool, 5, hours=14)
    [held] = spool.read_now(lambda s: s.held_series("gmina"))
    assert held == HeldSeries("sp1", "SP1/…/2026", NOW + timedelta(hours=3))
    assert spool.write_now(lambda s: s.let_go("gmina", held, NOW + timedelta(hours=3), 250)) == 2
    _put(spool, 1)
    assert _free(spool) == ["SP1/3/2026", "SP1/4/2026", "SP1/1/2026"]


def test_people_read_what_it_waits_for(spool: Spool) -> None:
    """The reason names the earlier number and until when; nobody else's document has one, and none is stored."""
    first, second = _put(spool, 1, 2)
    told = spool.read_now(lambda s: [series.explained(s, s.document(d.id)).reason for d in (first, second)])
    assert told[0] == ""
    assert told[1] == (
        "Czeka na numer KSeF faktury nr SP1/1/2026, wcześniejszej w serii SP1/…/2026. Najpóźniej 20.11.2026 o godz. "
        "21:00 zostanie wysłana, nawet jeśli tamta nadal go nie ma."
    )
    assert spool.read_now(lambda s: s.document(second.id).reason) == ""


def test_places_follow_the_configuration(spool: Spool) -> None:
    """Switched to strict, open documents get in line; switched off, all go. The work is done once, in chunks."""
    free = Unit("sp1", "Szkoła", "gmina")
    _put(spool, 3, unit=free)
    for n in (1, 2):
        made = new(f"{n}".encode(), NOW, number=f"SP1/{n}/2026")
        spool.write_now(lambda s, m=made, n=n: s.add(m, f"{n}".encode(), "", NOW))  # type: ignore[misc]

    def follow(unit: Unit) -> None:
        town = Municipality("Gmina", "5080014460", {}, {"sp1": unit})
        assert spool.read_now(lambda s: series.wanted(s, town, "gmina"))
        assert spool.write_now(lambda s: series.replace_all(s, town, "gmina", 0, NOW)) is None
        assert not spool.read_now(lambda s: series.wanted(s, town, "gmina"))

    follow(SCHOOL)
    assert "SP1/2/2026" not in _free(spool)
    follow(free)
    assert sorted(_free(spool)) == ["SP1/1/2026", "SP1/2/2026", "sp1/SP1/3/2026"]


def test_a_step_costs_the_same_however_many_wait(spool: Spool) -> None:
    """Among 300 that wait, choosing and a verdict need the work they need among 20, not fifteen times as much."""

    def steps(store: Store) -> int:
        done = 0

        def tick() -> int:
            nonlocal done
            done += 1
            return 0

        store._db.set_progress_handler(tick, 10)
        for _ in range(5):
            chosen = store.next_queued("gmina", NOW)
            assert chosen is not None
            store.begin_attempt(chosen, "SO-1", NOW)
            store.move(chosen.id, State.SUBMITTED, NOW, "agent", "")
            store.move(chosen.id, State.REFUSED, NOW, "agent", "x")
            store.held_series("gmina")
        store._db.set_progress_handler(None, 0)
        return done

    _put(spool, *range(300, 280, -1))
    few = spool.write_now(steps)
    _put(spool, *range(280, 0, -1))
    assert spool.write_now(steps) < 1.5 * few


CONFIG = """
[municipality]
name = "Gmina Śluzowo"
nip = "5080014460"
[paths]
state = "{state}"
folders = "{state}/foldery"
[[context]]
id = "gmina"
value = "5080014460"
environment = "test"
auth_cert = "seal.pem"
[[unit]]
id = "sp1"
name = "Szkoła Podstawowa nr 1"
context = "gmina"
series = 'SP1/(?P<n>\\d+)/\\d{{4}}'
series_order = "strict"
[receive]
since = 2026-11-01
"""


def test_jst_S8_the_memo_is_shown_with_both_numbers(spool: Spool) -> None:
    """`sluza queue show` of the number that went and of the one it overtook ends with the draft, line by line."""
    first, second = _put(spool, 1, 2)
    town = Municipality("Gmina Śluzowo", "5080014460", {}, {"sp1": SCHOOL})
    spool.write_now(lambda s: s.move(first.id, State.HELD, NOW, "agent", "500", reason="KSeF oddał ją pięć razy."))
    later = NOW + timedelta(hours=12)

    def go(store: Store) -> None:
        for _ in range(2):
            series.note(store, town, store.document(second.id), store.document(first.id), later)

    spool.write_now(go)
    config = spool.path.parent / "sluza.toml"
    config.write_text(CONFIG.format(state=spool.path.parent), encoding="utf-8")
    for document in (first, second):
        shown = CliRunner().invoke(queue, ["show", document.id, "--config", str(config)], obj=None).stdout
        memo = shown[shown.index("NOTATKA SŁUŻBOWA") :]
        for part in ("Gmina Śluzowo, Szkoła", "SP1/1/2026 z dnia 20.11.2026", "wstrzymana", "KSeF oddał", "SP1/2/2026"):
            assert part in memo
        assert memo.count("NOTATKA") == 1


class _Contact:
    """What `agent.contact` says of a context."""

    context, paused = "gmina", False
    log = structlog.get_logger()

    def __init__(self) -> None:
        self.quiet = 0.0

    def silence(self) -> float:
        """Seconds to leave KSeF alone."""
        return self.quiet


async def test_after_an_outage_the_order_has_a_moment(spool: Spool) -> None:
    """While KSeF is silent nobody overtakes; when it is back there are two minutes, in the last hour none."""
    _put(spool, 1, 2, hours=3)
    now, contact = NOW + timedelta(minutes=30), _Contact()
    continuity = Continuity(spool, contact, lambda: now, Municipality("G", "1"))  # type: ignore[arg-type]
    contact.quiet = 5.0
    await continuity.step()
    contact.quiet = 0.0
    await continuity.step()
    assert _free(spool) == ["SP1/1/2026"]
    now += timedelta(minutes=2)
    await continuity.step()
    assert _free(spool) == ["SP1/1/2026", "SP1/2/2026"]
    _put(spool, 4, 5, year=2027, hours=1)
    now = NOW + timedelta(seconds=1)
    await continuity.step()
    assert "SP1/5/2027" in _free(spool)


async def test_the_clock_is_looked_at_in_time(spool: Spool) -> None:
    """The next look is no later than the moment at which something has to go."""
    _put(spool, 1, 2, hours=3.001)
    continuity = Continuity(spool, _Contact(), lambda: NOW, Municipality("G", "1"))  # type: ignore[arg-type]
    assert 0 < await continuity.step() <= 3.6
    assert _free(spool) == ["SP1/1/2026"]


def test_an_earlier_number_that_came_in_between_goes_first(spool: Spool) -> None:
    """Chosen, but not yet begun when the earlier number came in: the send is not begun."""
    [second] = _put(spool, 2)
    _put(spool, 1)
    town = Municipality("G", "1", {}, {"sp1": SCHOOL})
    with pytest.raises(MoveRefused):
        spool.write_now(lambda s: begin_in_turn(s, town, second, "SO-1", NOW))
    assert spool.read_now(lambda s: s.document(second.id)).state is State.QUEUED


@pytest.mark.parametrize("order", ["strict", "warn"])
async def test_a_package_leaves_behind_what_would_overtake(spool: Spool, tmp_path: Path, order: str) -> None:
    """Its first number could not be claimed: strict, the others are queued again; warned, it is told."""
    unit = replace(SCHOOL, series_order=order)
    _, second, third = _put(spool, 1, 2, 3, unit=SCHOOL if order == "strict" else unit)
    entries = [Entry(d.id, d.sha256, 1, ("sp1", d.series), d.series_n) for d in (second, third)]

    def claim(store: Store) -> None:
        store.add_package("p", "gmina", NOW)
        store.claim("p", [second.id, third.id], NOW)

    spool.write_now(claim)
    town = Municipality("G", "1", {}, {"sp1": unit})
    tools = SimpleNamespace(spool=spool, rules=Rules(Law(), town), clock=lambda: NOW)
    left = await Batches(tools, None, tmp_path)._in_turn("p", entries)  # type: ignore[arg-type]
    told = spool.read_now(lambda s: [e.move for d in (second, third) for e in s.history(d.id)]).count(series.OVERTOOK)
    assert (left, told) == ([], 0) if order == "strict" else (entries, 2)
    states = {spool.read_now(lambda s, d=d: s.document(d.id)).state for d in (second, third)}
    assert states == ({State.QUEUED} if order == "strict" else {State.SENDING})
