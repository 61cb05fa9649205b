"""For each invariant a spool in which it is broken: `sluza check` finds that and nothing else (faults F09, F10)."""

import contextlib
import os
import random
from pathlib import Path

import pysqlite3
import pytest

from spool.domain.errors import SpoolError, SpoolTooNew
from spool.domain.invariants import KSEF, MEANING, SPOOL
from spool.looking import Looking
from tests.spool_story import Broken, Story, entry, report_of, story_in

SEEDS = int(os.environ.get("SLUZA_SEEDS", "100"))


@pytest.fixture(name="story", scope="module")
def story_fixture(tmp_path_factory: pytest.TempPathFactory) -> Story:
    """One story for the module; every test breaks a copy."""
    return story_in(tmp_path_factory.mktemp("story"))


@pytest.fixture(name="spool")
def spool_fixture(story: Story, tmp_path: Path) -> Broken:
    """A copy to break."""
    return story.copy(tmp_path)


def test_an_unbroken_story_holds_everything(story: Story) -> None:
    """Nothing is found in a spool that only the product wrote."""
    report = report_of(story.path, story.now)
    assert report.in_order() == []
    assert report.ok


def test_every_invariant_of_the_spool_was_looked_at(story: Story) -> None:
    """The report names each invariant of the table, with how many things were looked at."""
    looked = report_of(story.path, story.now).looked
    assert set(looked) == set(MEANING) - {KSEF, "I2", "I3"}
    assert all(looked.values())


# -- the file ------------------------------------------------------------------------------------------------------


def test_F09_a_damaged_page_is_found(spool: Broken) -> None:
    """Zeros over a page of the history: SQLite says so, and the spool cannot be trusted."""
    connection = pysqlite3.connect(spool.path)
    [page] = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'event'").fetchone()
    connection.close()
    with spool.path.open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(bytes(4096))
    assert SPOOL in {invariant for invariant, _ in spool.found()}


def test_F09_a_cut_file_cannot_be_used(spool: Broken) -> None:
    """A file that lost its end is one sentence."""
    os.truncate(spool.path, spool.path.stat().st_size // 2 // 4096 * 4096)
    with pytest.raises(SpoolError):
        spool.report()


def test_F09_no_damage_breaks_the_check(spool: Broken) -> None:
    """Whatever bytes are overwritten, the answer is a report or one sentence, never a traceback."""
    whole = spool.path.read_bytes()
    for seed in range(SEEDS):
        dice = random.Random(seed)
        damaged = bytearray(whole)
        for _ in range(dice.choice((1, 3, 20))):
            at = dice.randrange(len(damaged))
            damaged[at : at + 8] = dice.randbytes(len(damaged[at : at + 8]))
        spool.path.write_bytes(damaged)
        with contextlib.suppress(SpoolError):
            spool.report()


def test_F09_a_file_of_noise_cannot_be_used(tmp_path: Path) -> None:
    """What is no database at all is one sentence, not a traceback."""
    path = tmp_path / "spool.db"
    path.write_bytes(b"to nie jest baza danych" * 1000)
    with pytest.raises(SpoolError, match="Nie można odczytać spoolu"):
        Looking(path)


def test_F09_a_missing_file_cannot_be_used(tmp_path: Path) -> None:
    """Looking makes no file where there is none."""
    with pytest.raises(SpoolError, match="Nie ma pliku spoolu"):
        Looking(tmp_path / "spool.db")
    assert list(tmp_path.iterdir()) == []


def test_a_newer_spool_is_not_judged(spool: Broken) -> None:
    """A schema step that this program does not know: it says so instead of guessing."""
    spool.run("UPDATE _sqlite_migrations SET name = 'm9999_later' WHERE name LIKE 'm0003%'")
    with pytest.raises(SpoolTooNew):
        Looking(spool.path)


def test_looking_changes_nothing(spool: Broken) -> None:
    """A check leaves every byte of the file as it was."""
    before = spool.path.read_bytes()
    spool.report()
    assert spool.path.read_bytes() == before


# -- bodies --------------------------------------------------------------------------------------------------------


def test_I1_a_missing_body_is_found(spool: Broken) -> None:
    """The row is there, its bytes are gone."""
    spool.run("DELETE FROM body WHERE sha256 = (SELECT sha256 FROM document WHERE id = :refused)")
    assert spool.found() == [("I1", "refused")]


def test_I1_a_lost_row_is_found(spool: Broken) -> None:
    """The history remembers an accepted document whose row is gone."""
    spool.run("DELETE FROM document WHERE id = :withdrawn")
    assert spool.found() == [("I1", "withdrawn")]


def test_I1_another_size_is_found(spool: Broken) -> None:
    """The size that was acknowledged is not the size that is stored."""
    spool.run("UPDATE document SET size = size + 1 WHERE id = :delivered")
    assert spool.found() == [("I1", "delivered")]


def test_I1_a_missing_body_of_a_received_invoice_is_found(spool: Broken) -> None:
    """A supplier's invoice without its bytes."""
    spool.run("DELETE FROM body WHERE sha256 IN (SELECT sha256 FROM received)")
    assert spool.found() == [("I1", "7770001111-20261119-AAAAAA-BBBBBB-7F")]


def test_I8_F10_a_flipped_bit_is_found(spool: Broken) -> None:
    """One bit of a stored body."""
    body = "SELECT packed FROM body JOIN document USING (sha256) WHERE id = :queued"
    whole = spool.value(body)
    turned = whole[:40] + bytes([whole[40] ^ 1]) + whole[41:]
    spool.run("UPDATE body SET packed = :new WHERE packed = :old", new=turned, old=whole)
    assert spool.found() == [("I8", "queued")]


def test_I8_other_bytes_of_the_same_size_are_found(spool: Broken) -> None:
    """A body exchanged for one that unpacks perfectly."""
    spool.run(
        """UPDATE body SET (packed, size) = (SELECT packed, body.size FROM body JOIN document USING (sha256)
           WHERE id = :late) WHERE sha256 = (SELECT sha256 FROM document WHERE id = :held)"""
    )
    assert spool.found() == [("I8", "held")]


# -- documents -----------------------------------------------------------------------------------------------------


def test_I4_one_number_on_two_documents_is_found(spool: Broken) -> None:
    """A KSeF number that two documents have."""
    spool.without_constraints("document").run(
        """UPDATE document SET ksef_number = (SELECT ksef_number FROM document WHERE id = :delivered)
           WHERE id = :numbered"""
    )
    [(invariant, number)] = spool.found()
    assert (invariant, number.startswith("5080014460-")) == ("I4", True)


def test_I4_the_same_bytes_numbered_twice_are_found(spool: Broken) -> None:
    """Two units hold the same bytes, each with a KSeF number of its own: registered twice."""
    spool.run(
        """UPDATE document SET sha256 = (SELECT sha256 FROM document WHERE id = :delivered),
           size = (SELECT size FROM document WHERE id = :delivered) WHERE id = :numbered""",
        "UPDATE attempt SET sha256 = (SELECT sha256 FROM document WHERE id = :delivered) WHERE document = :numbered",
    )
    assert [invariant for invariant, _ in spool.found()] == ["I4", "I6"]


def test_I4_a_numbered_state_without_a_number_is_found(spool: Broken) -> None:
    """Delivered means: with a KSeF number."""
    spool.run("UPDATE document SET ksef_number = NULL, handed_over_at = updated_at WHERE id = :delivered")
    assert spool.found() == [("I4", "delivered")]


def test_I4_one_invoice_number_held_twice_is_found(spool: Broken) -> None:
    """Two live documents of one seller with the same number."""
    spool.run(
        "DROP INDEX document_number_held",
        "UPDATE document SET number_key = (SELECT number_key FROM document WHERE id = :late) WHERE id = :held",
    )
    assert spool.found() == [("I4", "FV/2/2026")]


def test_I5_a_state_without_its_entry_is_found(spool: Broken) -> None:
    """Somebody changed the state, and no entry says so."""
    spool.run("UPDATE document SET state = 'WITHDRAWN' WHERE id = :late")
    assert spool.found() == [("I5", "late")]


def test_I5_an_impossible_path_is_found(spool: Broken) -> None:
    """A document that became numbered without ever having been sent; its forger linked the chain anew."""
    spool.run(
        "UPDATE document SET state = 'ACCEPTED', ksef_number = 'X' WHERE id = :late",
        entry(":late", "agent", "QUEUED>ACCEPTED"),
    )
    assert spool.with_a_whole_chain().found() == [("I5", "late")]


def test_I5_an_unknown_state_is_found(spool: Broken) -> None:
    """A word that is no state."""
    spool.run("UPDATE document SET state = 'GONE', due_safe = NULL WHERE id = :withdrawn")
    assert spool.found() == [("I5", "withdrawn")]


def test_I6_an_attempt_without_its_intent_is_found(spool: Broken) -> None:
    """A send of which the intent row is gone."""
    spool.run("DELETE FROM attempt WHERE document = :delivered")
    assert spool.found() == [("I6", "delivered")]


def test_I6_two_open_sends_of_the_same_bytes_are_found(spool: Broken) -> None:
    """Two documents whose attempts send the same bytes, neither with a settled end."""
    spool.run("UPDATE attempt SET sha256 = (SELECT sha256 FROM document WHERE id = :delivered)")
    assert [invariant for invariant, _ in spool.found()] == ["I6", "I6"]


def test_I6_an_intent_that_nobody_ended_is_found(spool: Broken) -> None:
    """A numbered document whose attempt still runs."""
    spool.run("UPDATE attempt SET ended_at = NULL, outcome = NULL WHERE document = :delivered")
    assert spool.found() == [("I6", "delivered")]


def test_I9_an_end_that_did_not_last_is_found(spool: Broken) -> None:
    """A program, not a person, brought a ceased document back."""
    spool.run(
        "UPDATE document SET state = 'HELD', reason = 'x' WHERE id = :ceased",
        entry(":ceased", "agent", "CEASED>QUEUED"),
        entry(":ceased", "agent", "QUEUED>HELD"),
        "UPDATE document SET due_safe = NULL, due_state = 'ceased' WHERE id = :ceased",
    )
    assert spool.with_a_whole_chain().found() == [("I9", "ceased")]


def test_I10_a_refusal_without_a_reason_is_found(spool: Broken) -> None:
    """Neither problem, nor reason, nor note."""
    spool.run(
        "UPDATE document SET problems = '[]', reason = '' WHERE id = :refused",
        "UPDATE event SET note = ' ' WHERE subject = :refused",
    )
    assert spool.with_a_whole_chain().found() == [("I10", "refused")]


def test_I10_a_traceback_as_a_reason_is_found(spool: Broken) -> None:
    """What is for developers is not shown to an accountant."""
    spool.run("UPDATE document SET reason = 'Traceback (most recent call last): …' WHERE id = :refused")
    assert spool.found() == [("I10", "refused")]


def test_I11_a_next_action_in_the_far_future_is_found(spool: Broken) -> None:
    """Nothing is ever put off for so long."""
    spool.run("UPDATE document SET next_action_at = '2099-01-01T00:00:00.000000Z' WHERE id = :queued")
    assert spool.found() == [("I11", "queued")]


def test_I11_a_document_held_for_no_reason_is_found(spool: Broken) -> None:
    """Held, and nobody can read why."""
    spool.run("UPDATE document SET reason = '' WHERE id = :held")
    assert spool.found() == [("I11", "held")]


def test_I11_a_queue_in_which_nothing_moves_is_found(spool: Broken) -> None:
    """The agent lives, nothing is paused, and for days nothing of the context was sent."""
    spool.run(
        "UPDATE attempt SET started_at = '2026-11-20T09:00:00.000000Z'",
        "UPDATE event SET at = '2026-11-20T09:00:00.000000Z' WHERE move LIKE '%>SENDING'",
    )
    assert spool.with_a_whole_chain().found() == [("I11", "late")]


def test_I11_a_paused_queue_is_not_asleep(spool: Broken) -> None:
    """The same queue, and the page says that its context is paused."""
    spool.run(
        "UPDATE attempt SET started_at = '2026-11-20T09:00:00.000000Z'",
        "UPDATE event SET at = '2026-11-20T09:00:00.000000Z' WHERE move LIKE '%>SENDING'",
        "INSERT INTO condition VALUES ('gmina', 'paused', '{}', '2026-11-20T09:00:00.000000Z')",
    )
    assert spool.with_a_whole_chain().found() == []


def test_I11_a_number_that_waits_for_an_earlier_one_is_not_asleep(spool: Broken) -> None:
    """The same queue, and the document waits for an earlier number of its series, as its reason says."""
    spool.run(
        "UPDATE attempt SET started_at = '2026-11-20T09:00:00.000000Z'",
        "UPDATE event SET at = '2026-11-20T09:00:00.000000Z' WHERE move LIKE '%>SENDING'",
        "UPDATE document SET series = 'S', series_n = 2, held_back = 1, unit = 'sp1' WHERE id = :late",
        "UPDATE document SET series = 'S', series_n = 1, unit = 'sp1' WHERE id = :queued",
    )
    assert spool.with_a_whole_chain().found() == []


def test_I11_a_number_that_waits_for_nothing_is_found(spool: Broken) -> None:
    """Held back, and no earlier number of its series is open."""
    spool.run("UPDATE document SET series = 'S', series_n = 2, held_back = 1 WHERE id = :queued")
    assert spool.found() == [("I11", "queued")]


def test_I12_a_document_without_a_date_is_found(spool: Broken) -> None:
    """An open duty without a due moment."""
    spool.run("UPDATE document SET due_safe = NULL, due_state = 'open' WHERE id = :queued")
    assert spool.found() == [("I12", "queued")]


def test_I12_a_date_that_passed_in_silence_is_found(spool: Broken) -> None:
    """Due before now, and nobody was told."""
    spool.run("UPDATE document SET passed_told = NULL WHERE id = :late")
    assert spool.found() == [("I12", "late")]


def test_I12_a_date_marked_as_told_without_an_alarm_is_found(spool: Broken) -> None:
    """The mark alone is no warning: the alarm itself must name the document."""
    spool.run("""UPDATE alarm SET documents = (SELECT json_group_array(value) FROM json_each(documents)
                 WHERE value <> :late)""")
    assert spool.found() == [("I12", "late")]


# -- received invoices, history, counts ----------------------------------------------------------------------------

PURCHASE = "7770001111-20261119-AAAAAA-BBBBBB-7F"


def test_I13_an_invoice_received_twice_is_found(spool: Broken) -> None:
    """Two rows with one KSeF number."""
    spool.without_constraints("received").run("INSERT INTO received SELECT * FROM received")
    assert spool.found() == [("I13", PURCHASE)]


def test_I15_a_received_invoice_that_moved_without_a_hop_is_found(spool: Broken) -> None:
    """Whose a purchase is follows from its history, or somebody has changed the row."""
    spool.run("UPDATE received SET unit = 'inna'")
    assert "I13" in {invariant for invariant, _ in spool.found()}


def test_I13_a_lost_received_invoice_is_found(spool: Broken) -> None:
    """The history remembers it, the row is gone."""
    spool.run("DELETE FROM received")
    assert spool.found() == [("I13", PURCHASE)]


def test_I13_a_mark_in_the_future_is_found(spool: Broken) -> None:
    """Receiving claims to have come further than the day."""
    spool.run("UPDATE mark SET upto = '2027-01-01T00:00:00.000000Z'")
    assert spool.found() == [("I13", "context:gmina")]


def test_I15_X28_an_edited_entry_is_found(spool: Broken) -> None:
    """A changed word in the history breaks its chain from there on."""
    spool.run("UPDATE event SET note = 'nic się nie stało' WHERE seq = 5")
    assert spool.found() == [("I15", "event:5")]


def test_I15_X28_a_removed_entry_is_found(spool: Broken) -> None:
    """An entry taken out of the middle, of something that is no change of state."""
    seq = spool.value("SELECT seq FROM event WHERE move = 'duplicate'")
    spool.run("DELETE FROM event WHERE seq = :seq", seq=seq)
    assert spool.found() == [("I15", f"event:{seq + 1}")]


def test_I15_an_alarm_without_its_entry_is_found(spool: Broken) -> None:
    """A warning that the history does not know of."""
    spool.run("DELETE FROM event WHERE subject = 'alarm:1'")
    assert spool.with_a_whole_chain().found() == [("I15", "alarm:1")]


def test_I17_a_document_counted_twice_is_found(spool: Broken) -> None:
    """The same unit and bytes in two rows of documents."""
    spool.without_constraints("document").run(
        """INSERT INTO document SELECT * FROM document WHERE id = :withdrawn""",
    )
    assert spool.found() == [("I17", "spool")]
