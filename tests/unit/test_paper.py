"""What a copy on paper is called, what it says of itself and which codes it carries: by mode, buyer and state."""

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from gateway.folders.copies import marks_of_document, marks_of_received
from gateway.http.pdf import marks_of
from gateway.paper import status
from gateway.render import Arms
from gateway.results import title
from sluza.samples import ksef_number_for
from spool.domain.document import Facts, FormCode, Mode
from spool.domain.ledger import Document, Received
from spool.domain.municipality import Context, ContextType, Municipality, Unit
from spool.domain.states import State
from tests.documents import document as stored

NOW = datetime(2026, 11, 20, 11, 0, tzinfo=UTC)
DUE = datetime(2026, 11, 23, 22, 59, 59, tzinfo=UTC)
NUMBER = ksef_number_for()
KOD2 = "https://qr-test.ksef.mf.gov.pl/certificate/…"
FACTS = Facts(
    form=FormCode.FA3, seller_nip="5080014460", buyer_nip="7770001111", kind="VAT", number="FV/1/2026",
    issue_date=date(2026, 11, 20),
)  # fmt: skip
DOCUMENT = stored(
    FACTS, NOW, unit="sp1", context="gmina", sha256="ab" * 32, due_safe=DUE, due_local=DUE, kod2_url=KOD2,
    due_why="Faktura online: do końca dnia.",
)  # fmt: skip
NUMBERED = {"ksef_number": NUMBER, "acquisition_date": NOW, "state": State.ACCEPTED}
CONTEXT = Context("gmina", ContextType.NIP, "5080014460", "test", "u", "l", "https://qr-test.ksef.mf.gov.pl")
TOWN = Municipality("Gmina", "5080014460", {"gmina": CONTEXT}, {"sp1": Unit("sp1", "Szkoła nr 1", "gmina")})
RECEIVED = Received(
    NUMBER, "gmina", "cd" * 32, FACTS, {}, NOW, NOW, "sp1", "", "", cursor=1, stored_at=NOW, mirrored_at=None
)
OFFLINE = [Mode.OFFLINE24, Mode.UNAVAILABILITY]


def document(mode: Mode, *, nip: bool = True, **changes: object) -> Document:
    """A document of a domestic buyer with a NIP, or of one without."""
    facts = FACTS if nip else replace(FACTS, buyer_nip="", buyer_other_id="DE123456789")
    return replace(DOCUMENT, mode=mode, facts=facts, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("mode", OFFLINE)
def test_S14a_a_buyer_with_a_nip_gets_a_confirmation(mode: Mode) -> None:
    """Art. 106nda(3): the invoice itself comes to it through KSeF only; both codes let it look the document up."""
    marks = marks_of_document(document(mode), TOWN)
    assert marks.title == "Potwierdzenie transakcji"
    assert marks.status[0] == "To nie jest faktura, lecz potwierdzenie transakcji."
    assert "Fakturę nabywca otrzyma w KSeF najpóźniej 23.11.2026." in marks.status[1]
    assert marks.kod1_url
    assert marks.kod2_url == KOD2


@pytest.mark.parametrize("mode", OFFLINE)
def test_S14a_buyers_of_106gb_4_get_the_invoice(mode: Mode) -> None:
    """Foreign buyers and consumers have no access to KSeF: they receive the invoice, with both codes."""
    marks = marks_of_document(document(mode, nip=False), TOWN)
    assert title(document(mode, nip=False)) == "Faktura"
    assert (marks.title, marks.kod2_url) == ("", KOD2)
    assert marks.status[0].startswith("Faktura wystawiona w ")
    assert marks.status[1] == "Będzie w KSeF najpóźniej 23.11.2026."


@pytest.mark.parametrize("nip", [True, False])
def test_in_a_failure_every_buyer_may_get_the_invoice(nip: bool) -> None:
    """Art. 106nf(2)-(3); the deadline begins when the failure ends, so the date may be unknown."""
    found = document(Mode.FAILURE, nip=nip)
    assert title(found) == "Faktura"
    assert status(found) == (
        "Faktura wystawiona w czasie awarii KSeF (art. 106nf ustawy o VAT).",
        "Będzie w KSeF najpóźniej 23.11.2026.",
    )
    assert status(replace(found, due_safe=None))[1] == "Będzie w KSeF w ciągu 7 dni roboczych od końca awarii."
    assert marks_of_document(found, TOWN).kod2_url == KOD2


@pytest.mark.parametrize("state", [State.QUEUED, State.CEASED])
def test_a_total_failure_has_no_codes(state: State) -> None:
    """Deadlines §1: nothing to look up, because it is never sent."""
    marks = marks_of_document(document(Mode.TOTAL_FAILURE, state=state), TOWN)
    assert (marks.kod1_url, marks.kod2_url, marks.title) == ("", "", "")
    assert marks.status[1] == "Nie przesyła się jej do KSeF."


@pytest.mark.parametrize("mode", list(Mode))
def test_with_its_number_it_is_an_invoice(mode: Mode) -> None:
    """KOD I with the number as its caption; KOD II has done its work."""
    marks = marks_of_document(document(mode, **NUMBERED), TOWN)
    assert title(document(mode, **NUMBERED)) == "Faktura"
    assert (marks.title, marks.ksef_number, marks.kod2_url) == ("", NUMBER, "")
    assert marks.status == ("Przyjęta przez KSeF 20.11.2026, godz. 12:00.",)
    assert marks.kod1_url


def test_online_without_a_number_is_no_invoice_yet() -> None:
    """It says so, and by when it will be one."""
    found = document(Mode.ONLINE)
    assert title(found) == "Faktura (bez numeru KSeF)"
    first, second = status(found)
    assert "nie jest fakturą" in first
    assert second == found.due_why


@pytest.mark.parametrize("state", [State.REFUSED, State.WITHDRAWN, State.QUARANTINED])
@pytest.mark.parametrize("mode", list(Mode))
def test_what_will_not_be_sent_is_no_invoice(state: State, mode: Mode) -> None:
    """One sentence, no code, no promise that it will be in KSeF."""
    marks = marks_of_document(document(mode, state=state), TOWN)
    assert (marks.kod1_url, marks.kod2_url) == ("", "")
    (said,) = marks.status
    assert said.startswith("Ten dokument nie jest fakturą: ")


def test_over_http_the_state_is_said_besides() -> None:
    """After what the paper is; a numbered invoice needs no state."""
    assert marks_of(document(Mode.OFFLINE24), TOWN).status[-1].startswith("Stan: ")
    assert marks_of(document(Mode.OFFLINE24, **NUMBERED), TOWN).status == status(document(Mode.ONLINE, **NUMBERED))


def test_the_coat_of_arms_is_on_what_the_municipality_issues(tmp_path: Path) -> None:
    """Not on what a unit issues as a taxpayer of its own, not on what others issued; a file gone costs no invoice."""
    (tmp_path / "herb.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    town = replace(TOWN, coat_of_arms=tmp_path / "herb.svg")
    assert marks_of_document(DOCUMENT, town).arms == Arms("<svg xmlns='http://www.w3.org/2000/svg'/>")
    own = replace(town, units={"sp1": replace(TOWN.units["sp1"], taxpayer=True)})
    assert marks_of_document(DOCUMENT, own).arms is None
    assert marks_of_received(RECEIVED, town).arms is None
    assert marks_of_document(DOCUMENT, replace(TOWN, coat_of_arms=tmp_path / "nie-ma.svg")).arms is None


def test_a_received_invoice_says_for_whom_it_is() -> None:
    """The name of the unit at the top must not look like that of the issuer."""
    marks = marks_of_received(RECEIVED, TOWN)
    assert marks.unit == "Dla: Szkoła nr 1"
    assert marks.status == ("Otrzymana z KSeF; numer nadano 20.11.2026, godz. 12:00.",)
    assert (marks.kod2_url, marks.title) == ("", "")
