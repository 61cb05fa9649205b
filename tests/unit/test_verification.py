"""JST rule P11: a print is judged by its codes; red is only a contradiction, what is another's is not there."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from spool.domain.announcements import Category
from spool.domain.scan import Codes, Label, read_codes
from spool.domain.verification import Colour, Verdict
from spool.verification import Asked, verify
from tests.purchase_desk import ISSUED, NOW, NUMBER, QR, SELLER, Desk, desk_at, kod1, kod2, printed

KNOWN = {QR: "test", "https://qr.ksef.mf.gov.pl": "prod"}
OTHER = b"<Faktura>other bytes</Faktura>"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with desk_at(tmp_path) as found:
        yield found


def judged(
    desk: Desk, *texts: str, units: tuple[str, ...] | None = None, now: datetime = NOW, **read: object
) -> Verdict:
    asked = Asked(texts, **read)  # type: ignore[arg-type]
    [verdict] = desk.spool.read_now(lambda s: verify(s, asked, units, desk.rules, now))
    return verdict


def said(verdict: Verdict) -> tuple[str, str]:
    return verdict.colour.value, verdict.code


# -- the codes --------------------------------------------------------------------------------------------------


def test_rule_P11_one_code_is_online_two_are_offline_and_certificate() -> None:
    """By what is there, because the caption below a code is no part of it."""
    alone, both = read_codes([kod1()], KNOWN), read_codes([kod2(), kod1()], KNOWN)
    assert alone.labels(alone.invoices[0]) == (Label.ONLINE,)
    assert both.labels(both.invoices[0]) == (Label.OFFLINE, Label.CERTIFICATE)
    assert (both.invoices[0].seller_nip, both.invoices[0].issue_date) == (SELLER, ISSUED)
    other = read_codes([kod1(), kod2(OTHER)], KNOWN)
    assert other.labels(other.invoices[0]) == (Label.ONLINE,)


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("https://qr-test.ksef.mf.gov.pl@evil.example/invoice/1/2/3", "evil.example"),
        ("https://qr-test.ksef.mf.gov.pl.evil.example/invoice/1/2/3", "qr-test.ksef.mf.gov.pl.evil.example"),
        ("http://qr-test.ksef.mf.gov.pl/invoice/1/2/3", "qr-test.ksef.mf.gov.pl"),
        ("https://ksef-mf.example/", "ksef-mf.example"),
        ("https://[/invoice/", "https://[/invoice/"),
    ],
)
def test_rule_P11_a_link_that_only_looks_like_one_of_KSeF_leads_elsewhere(text: str, host: str) -> None:
    """The beginning must be the portal itself, to the slash."""
    assert read_codes([text], KNOWN) == Codes(foreign=(host,))


@pytest.mark.parametrize(
    "rest",
    [
        "/invoice/7770001111/20-11-2026/short", "/invoice/7770001111/31-02-2026/" + "A" * 43,
        "/invoice/777/20-11-2026/" + "A" * 43, "/invoice", "/certificate/Nip/1/7770001111/1/" + "A" * 43,
        "/invoice/7770001111/20-11-2026/" + "A" * 43 + "/" * 3 + "x" * 3000,
    ],
)  # fmt: skip
def test_rule_P11_a_link_of_KSeF_that_says_nothing_is_broken(rest: str) -> None:
    """Half a link, a day that is none: for a person, never a crash."""
    assert len(read_codes([QR + rest], KNOWN).broken) == 1


def test_rule_P11_other_codes_on_a_paper_are_passed_over() -> None:
    """A payment code of a bank, an advertisement."""
    assert read_codes(["PL|7770001111|12345|000100|Zapłata", "https://sklep.example/", ""], KNOWN) == Codes()


# -- the verdict ------------------------------------------------------------------------------------------------


def test_rule_P11_green_names_the_invoice_of_ksef(desk: Desk) -> None:
    """And says to book that one, not the print."""
    desk.receive()
    verdict = judged(desk, kod1(), number="F/1")
    assert said(verdict) == ("green", "in_ksef")
    assert NUMBER in verdict.sentence
    assert judged(desk, kod1(), kod2()).labels == (Label.OFFLINE, Label.CERTIFICATE)


def test_rule_P11_red_is_a_contradiction(desk: Desk) -> None:
    """Another number on the paper, another content under the number, another day, another seller's code beside it."""
    desk.receive()
    assert said(judged(desk, kod1(), number="F/2")) == ("red", "another_number")
    assert said(judged(desk, kod1(OTHER), number="F/1")) == ("red", "other_content")
    assert said(judged(desk, kod1(issued=date(2026, 11, 19)))) == ("red", "code_altered")
    assert said(judged(desk, kod1(), kod2(OTHER))) == ("red", "codes_disagree")
    assert said(judged(desk, kod1(), kod2(seller="5250000021"))) == ("red", "codes_disagree")
    assert said(judged(desk, kod1(portal="https://qr.ksef.mf.gov.pl"))) == ("red", "other_environment")
    assert said(judged(desk, kod1(), "https://ksef.example/invoice/1")) == ("red", "foreign_link")


def test_rule_P11_what_is_not_here_is_amber(desk: Desk) -> None:
    """It may be on its way: a confirmation waits, a print of an online invoice is asked about."""
    desk.received_up_to(NOW)
    assert said(judged(desk, kod1(), kod2())) == ("amber", "not_yet")
    assert said(judged(desk, kod1())) == ("amber", "not_here")
    assert said(judged(desk, kod2())) == ("amber", "issuer_code_only")
    assert said(judged(desk, QR + "/invoice/1")) == ("amber", "broken_code")
    assert said(judged(desk, "zwykły tekst")) == ("amber", "no_codes")


@pytest.mark.parametrize("whose", ["gops", None])
def test_rule_P11_another_units_invoice_looks_like_none(desk: Desk, whose: str | None) -> None:
    """I7: the same words for a foreign one, for one in the central tray, and for one that does not exist."""
    desk.received_up_to(NOW)
    absent = [judged(desk, *codes, units=("sp1",), number="F/1") for codes in ([kod1()], [kod1(), kod2()])]
    desk.receive(unit=whose)
    assert [judged(desk, *codes, units=("sp1",), number="F/1") for codes in ([kod1()], [kod1(), kod2()])] == absent
    assert judged(desk, kod1(OTHER), units=("sp1",), number="F/1").invoice is None
    assert judged(desk, kod1()).colour is Colour.GREEN


def test_rule_D08_the_verdict_names_the_sellers_own_term(desk: Desk) -> None:
    """The next working day after P_1; on the day after that it is over."""
    on_time = judged(desk, kod1(), kod2(), now=datetime(2026, 11, 23, 22, tzinfo=UTC))
    assert "23.11.2026." in on_time.sentence
    late = judged(desk, kod1(), kod2(), now=datetime(2026, 11, 23, 23, tzinfo=UTC))
    assert "23.11.2026 – minął." in late.sentence


def test_rule_D09_codes_of_a_total_failure_are_not_checked(desk: Desk) -> None:
    """Neither asked for where there are none nor missed where there are."""
    desk.announce(Category.TOTAL_FAILURE, ISSUED, ISSUED)
    assert said(judged(desk, "zwykły tekst", issued=ISSUED)) == ("amber", "total_failure")
    assert said(judged(desk, kod1(), kod2())) == ("amber", "total_failure")
    assert said(judged(desk, "zwykły tekst", issued=date(2026, 11, 17))) == ("amber", "no_codes")


# -- the command ------------------------------------------------------------------------------------------------


def test_rule_P11_verify_reads_a_pdf_as_the_product_prints_it(desk: Desk, tmp_path: Path) -> None:
    """From the paper to the verdict through the real worker: both codes, the dense one too."""
    desk.receive()
    path = tmp_path / "potwierdzenie.pdf"
    path.write_bytes(printed(kod1(), kod2()))
    done = desk.run("verify", path, "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["verdicts"][0]["colour"] == "green"
    assert told["verdicts"][0]["labels"] == ["OFFLINE", "CERTYFIKAT"]
    assert told["verdicts"][0]["ksef_number"] == NUMBER


def test_rule_P11_verify_takes_a_link_and_a_red_one_ends_with_1(desk: Desk) -> None:
    """In plain Polish, with the cure."""
    desk.receive()
    green = desk.run("verify", kod1())
    assert green.exit_code == 0
    assert "ZIELONE (ONLINE)" in green.output
    red = desk.run("verify", kod1(), "--number", "F/9")
    assert red.exit_code == 1
    assert "CZERWONE" in red.output
    assert "Proszę nie księgować" in red.output


def test_rule_P11_an_invoice_that_could_not_be_read_is_found_by_its_bytes(desk: Desk) -> None:
    """What its facts do not say contradicts nothing."""
    desk.receive(seller_nip="", number="", issue_date=None)
    assert said(judged(desk, kod1(), number="F/1")) == ("green", "in_ksef")
