"""Numbered schema steps (sqlite_utils.Migrations). A step that has shipped is never edited, only followed."""

import re

import pysqlite3
from sqlite_utils import Database, Migrations

from spool.schema import ALARMS, ANNOUNCEMENTS, CRASHES, FIRST, IDENTITY, PACKAGES, SEATS, SERIES
from spool.schema_accounts import ACCOUNTS, PAGES
from spool.schema_alerts import REFUSALS, TROUBLES
from spool.schema_papers import PAPERS
from spool.schema_purchases import PURCHASES
from spool.schema_registers import PEOPLE, REGISTERS
from spool.schema_training import TRAINING, TRAINING_APART
from spool.schema_volumes import VOLUMES

steps = Migrations("sluza")


@steps()
def m0001_the_spool(db: Database) -> None:
    """Documents, bodies, history, attempts, sessions, received invoices, conditions, tokens."""
    for statement in _statements(FIRST):
        db.execute(statement)


@steps()
def m0002_announcements(db: Database) -> None:
    """Announcements of outages, the evidence behind them, and what the law makes of a document because of them."""
    for statement in _statements(ANNOUNCEMENTS):
        db.execute(statement)


@steps()
def m0003_alarms(db: Database) -> None:
    """Alarms told about deadlines, their delivery by mail, and the indexes that find what there is to tell."""
    for statement in _statements(ALARMS):
        db.execute(statement)


@steps()
def m0004_unshown_by_unit(db: Database) -> None:
    """What a folder does not show yet is looked for unit by unit: a backlog of one holds up no other."""
    db.execute("DROP INDEX document_unshown")
    db.execute("CREATE INDEX document_unshown ON document (unit, seq) WHERE shown < version")


@steps()
def m0005_where_a_session_is(db: Database) -> None:
    """The address of the KSeF that a session was opened at; empty for those opened before this was written down."""
    db.execute("ALTER TABLE session ADD COLUMN ksef TEXT NOT NULL DEFAULT ''")


@steps()
def m0006_packages(db: Database) -> None:
    """Batch sessions and their packages; the queue in the order of its deadlines."""
    for statement in _statements(PACKAGES):
        db.execute(statement)


@steps()
def m0007_identity(db: Database) -> None:
    """Who may write (faults F13), which installation this is (F11, F12), and which run wrote each history row (I14)."""
    for statement in _statements(IDENTITY):
        db.execute(statement)


@steps()
def m0009_crashes(db: Database) -> None:
    """Crashes by what was being handled; purchases that no folder has yet are looked for unit by unit."""
    for statement in _statements(CRASHES):
        db.execute(statement)


@steps()
def m0010_series(db: Database) -> None:
    """Numbering series: which number a document has in which series, and whether it waits for an earlier one."""
    for statement in _statements(SERIES):
        db.execute(statement)


@steps()
def m0011_names_without_case(db: Database) -> None:
    """A unit's file names are looked up without regard to case, at every intake: through an index that ignores it."""
    db.execute("DROP INDEX document_name")
    db.execute("CREATE INDEX document_name ON document (unit, name COLLATE NOCASE)")


@steps()
def m0012_open_documents_by_date(db: Database) -> None:
    """The page's list of what is due next is read in order, however many documents there are."""
    db.execute("DROP INDEX document_due")
    db.execute(
        """CREATE INDEX document_due ON document (ifnull(due_safe, '~'), seq) WHERE ksef_number IS NULL
           AND state NOT IN ('REFUSED', 'WITHDRAWN', 'CEASED', 'QUARANTINED')"""
    )


@steps()
def m0020_people(db: Database) -> None:
    """People of the units, and the internal ids that they or sections were given."""
    for statement in _statements(PEOPLE):
        db.execute(statement)


@steps()
def m0021_registers(db: Database) -> None:
    """Monthly registers: what changed since they were written, what they show; the registers that orders prescribe."""
    for statement in _statements(REGISTERS):
        db.execute(statement)


@steps()
def m0022_accounts(db: Database) -> None:
    """People's accounts and their sessions."""
    for statement in _statements(ACCOUNTS):
        db.execute(statement)


@steps()
def m0018_seats(db: Database) -> None:
    """Remote units: whose computer looks after the folders of each."""
    for statement in _statements(SEATS):
        db.execute(statement)


@steps()
def m0019_tokens_end(db: Database) -> None:
    """A token that is being replaced goes on for a while: when it ends."""
    db.execute("ALTER TABLE unit_token ADD COLUMN expires_at TEXT")


@steps()
def m0025_pages(db: Database) -> None:
    """Counts by unit and state that need no counting, and the indexes of what the pages ask every few seconds."""
    for statement in _statements(PAGES):
        db.execute(statement)


@steps()
def m0015_warnings(db: Database) -> None:
    """With what warnings a document went, and the file it was made from where its encoding was mended."""
    db.execute("ALTER TABLE document ADD COLUMN warnings TEXT NOT NULL DEFAULT '[]'")
    db.execute("ALTER TABLE document ADD COLUMN repaired_from TEXT NOT NULL DEFAULT ''")


@steps()
def m0016_purchases(db: Database) -> None:
    """Where copies of purchases lie, who assigned them, and what is odd about them."""
    for statement in _statements(PURCHASES):
        db.execute(statement)


@steps()
def m0023_troubles(db: Database) -> None:
    """What is wrong beside deadlines, and the letters about it."""
    for statement in _statements(TROUBLES):
        db.execute(statement)


@steps()
def m0024_refusals_by_age(db: Database) -> None:
    """Refused documents by age."""
    db.execute(REFUSALS)


@steps()
def m0027_papers(db: Database) -> None:
    """Purchases outside KSeF, attachments that came beside it, and the index that finds an invoice by its code."""
    for statement in _statements(PAPERS):
        db.execute(statement)


@steps()
def m0030_volumes(db: Database) -> None:
    """Yearly archives, and which bodies lie in them."""
    for statement in _statements(VOLUMES):
        db.execute(statement)


@steps()
def m0031_training(db: Database) -> None:
    """Which documents are of a training, and of which environment."""
    for statement in _statements(TRAINING):
        db.execute(statement)


@steps()
def m0032_vouched(db: Database) -> None:
    """Whether a reverse proxy vouched for who is in."""
    db.execute("ALTER TABLE login ADD COLUMN vouched INTEGER NOT NULL DEFAULT 0")


@steps()
def m0033_training_apart(db: Database) -> None:
    """Documents of a training are counted apart from real ones."""
    for statement in _statements(TRAINING_APART):
        db.execute(statement)


@steps()
def m0035_documents_by_state_and_date(db: Database) -> None:
    """Lists by deadline are read in order in whatever states, of one unit or of all: the two indexes of what is due are
    by state first."""
    for index, columns in (("document_due", ""), ("document_due_of", "unit, ")):
        db.execute(f"DROP INDEX {index}")
        db.execute(f"CREATE INDEX {index} ON document ({columns}state, ifnull(due_safe, '~'))")


def names() -> frozenset[str]:
    """The steps that this program knows."""
    return frozenset(name for name in globals() if re.match(r"m\d{4}_", name))


def _statements(script: str) -> list[str]:
    """Split a script at the blank-line-free ends of its statements; `executescript` would commit in between."""
    statements, current = [], ""
    for line in script.splitlines():
        current += line + "\n"
        if pysqlite3.complete_statement(current):
            statements.append(current)
            current = ""
    return statements
