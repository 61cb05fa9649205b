"""`sluza check` as a person and as a program see it: the table, the JSON, the exit code; the register laid beside."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from sluza.cli.check import check
from spool.domain.invariants import MEANING, Finding
from spool.domain.registered import Registered, Seller
from spool.inspection import Report, compare
from spool.looking import Looking
from tests.integration.command_rig import CONFIG
from tests.spool_story import Broken, Story, story_in


@pytest.fixture(name="story", scope="module")
def story_fixture(tmp_path_factory: pytest.TempPathFactory) -> Story:
    """One story for the module."""
    return story_in(tmp_path_factory.mktemp("story"))


@pytest.fixture(name="spool")
def spool_fixture(story: Story, tmp_path: Path) -> Broken:
    """A copy, where the configuration expects it."""
    return story.copy(tmp_path)


def ask(spool: Broken, *words: str, monkeypatch: pytest.MonkeyPatch | None = None) -> Result:
    """The command on this spool, at the moment at which its story ends."""
    if monkeypatch is not None:
        monkeypatch.setattr("sluza.workbench.clock_of", lambda *_: lambda: spool.story.now)
    config = spool.path.parent / "sluza.toml"
    values = {"nip": "5080014460", "url": "http://127.0.0.1:1", "cert": "/nie/ma.pem", "key": "/nie/ma.key"}
    config.write_text(CONFIG.format(state=spool.path.parent, **values), encoding="utf-8")
    return CliRunner().invoke(check, ["--config", str(config), *words], obj=None)


def test_people_see_one_line_for_each_invariant(spool: Broken, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it means, how many were looked at, that it is in order; and exit code 0."""
    done = ask(spool, monkeypatch=monkeypatch)
    assert done.exit_code == 0
    assert "Wszystko się zgadza." in done.stdout
    flat = " ".join(done.stdout.replace("│", " ").split())
    assert [name for name in ("I1", "I4", "I10", "I17") if f" {name} " not in flat] == []


def test_people_see_the_first_broken_ones(spool: Broken, monkeypatch: pytest.MonkeyPatch) -> None:
    """The document, what is wrong with it and what to do; exit code 1."""
    spool.run("UPDATE document SET reason = '' WHERE id = :held")
    done = ask(spool, monkeypatch=monkeypatch)
    assert done.exit_code == 1
    assert f"I11 {spool.story.documents['held'].id}: Stan „wstrzymana” bez powodu" in done.stdout
    assert "Traceback" not in done.output


def test_programs_get_one_object(spool: Broken, monkeypatch: pytest.MonkeyPatch) -> None:
    """`ok`, what was checked, and each finding with its four fields."""
    spool.run("UPDATE document SET reason = '' WHERE id = :held")
    answer = json.loads(ask(spool, "--json", monkeypatch=monkeypatch).stdout)
    assert answer["ok"] is False
    assert answer["checked"]["I11"] == {"meaning": MEANING["I11"], "checked": 8, "broken": 1}
    assert [set(finding) for finding in answer["findings"]] == [{"invariant", "subject", "message", "hint"}]


def test_F09_an_unusable_spool_has_its_own_exit_code(spool: Broken) -> None:
    """A file that is no database: a finding about the file, exit code 4."""
    spool.path.write_bytes(b"\0" * 5000)
    done = ask(spool, "--json")
    assert done.exit_code == 4
    assert [f["invariant"] for f in json.loads(done.stdout)["findings"]] == ["SQLite"]


def test_F09_a_part_that_cannot_be_read_has_the_same_exit_code(spool: Broken, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table is gone: the rest is checked, and the spool is unusable all the same."""
    spool.run("DROP TABLE alarm")
    done = ask(spool, "--json", monkeypatch=monkeypatch)
    answer = json.loads(done.stdout)
    assert done.exit_code == 4
    assert answer["checked"]["I8"]["broken"] == 0


def test_what_is_too_much_is_counted(spool: Broken) -> None:
    """Of each invariant a thousand findings are kept; every one is counted."""
    report = Report()
    report.add(Finding("I1", str(n), "x") for n in range(1500))
    assert (report.broken["I1"], len(report.findings)) == (1500, 1000)


# -- the register --------------------------------------------------------------------------------------------------


def compared(spool: Broken, register: list[Registered]) -> list[tuple[str, str]]:
    """What is found when KSeF has exactly this."""
    looking, report, now = Looking(spool.path), Report(), spool.story.now
    seller = Seller("gmina", "5080014460", now - timedelta(days=30), now - timedelta(days=30))
    try:
        looking.aside(lambda store: store.prepare_register())
        looking.aside(lambda store: store.keep_registered(register))
        looking.aside(lambda store: store.heard_upto(seller, now + timedelta(days=1)))
        looking.read_now(lambda store: compare(store, report, elsewhere_ok=False))
    finally:
        looking.close()
    parts = {document.id: name for name, document in spool.story.documents.items()}
    return [(f.invariant, parts.get(f.subject, f.subject)) for f in report.in_order()]


def registered(spool: Broken) -> list[Registered]:
    """KSeF as it should be."""
    found = []
    for part in ("delivered", "numbered"):
        number = spool.value(f"SELECT ksef_number FROM document WHERE id = :{part}")
        found.append(Registered(number, spool.story.documents[part].sha256, part, spool.story.now))
    return found


def test_a_register_like_the_spool_is_in_order(spool: Broken) -> None:
    """The same numbers for the same bytes."""
    assert compared(spool, registered(spool)) == []


def test_I2_the_same_bytes_registered_twice_are_found(spool: Broken) -> None:
    """KSeF has one of our documents under two numbers."""
    first = registered(spool)[0]
    again = Registered("5080014460-20261120-000000-000000-00", first.sha256, "again", first.acquisition_date)
    assert compared(spool, [*registered(spool), again]) == [("I2", first.sha256)]


def test_I4_a_number_that_ksef_does_not_have_is_found(spool: Broken) -> None:
    """Numbered here, unknown there."""
    assert compared(spool, registered(spool)[:1]) == [("I4", "numbered")]


def test_I4_a_number_of_other_bytes_is_found(spool: Broken) -> None:
    """KSeF has the number, and other bytes under it."""
    first, second = registered(spool)
    other = Registered(second.ksef_number, "0" * 64, second.number, second.acquisition_date)
    assert compared(spool, [first, other]) == [("I4", "numbered")]


def test_I3_a_registered_document_that_was_withdrawn_is_found(spool: Broken) -> None:
    """KSeF has it, and here it counts as never sent."""
    taken = Registered(
        "5080014460-20261120-000000-000000-00", spool.story.documents["withdrawn"].sha256, "FV/3", spool.story.now
    )
    assert compared(spool, [*registered(spool), taken]) == [("I3", "withdrawn")]
