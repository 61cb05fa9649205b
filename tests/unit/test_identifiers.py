"""Check digits: the worked examples of the reference pages, and every single-digit mistake."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluza.samples import ksef_number_for
from spool.domain.identifiers import internal_id_is_valid, ksef_number_is_valid, nip_is_valid

INTERNAL_IDS = ["6824515772-12343", "7243438295-85299", "5265877635-12346", "5080014460-00011"]
KSEF_NUMBERS = [
    "5265877635-20250826-0100001AF629-AF",
    "5265877635-20250916-0200A0D6723E-C2",
    "5265877635-20250916-010040741B3E-46",
    "4188479938-20260212-5B26A1000000-36",
]


@pytest.mark.parametrize("nip", ["5080014460", "5250000015", "5265877635", "7243438295", "1111111111"])
def test_good_nips_are_valid(nip: str) -> None:
    """Ten digits with the right last one."""
    assert nip_is_valid(nip)


@pytest.mark.parametrize(
    "nip",
    ["", "508001446", "50800144600", "5080014461", "0080014460", "5000014460", "508-001-44-60", " 5080014460"],
)
def test_bad_nips_are_not(nip: str) -> None:
    """Length, first digits, separators, white space and the check digit all matter."""
    assert not nip_is_valid(nip)


def test_fault_X06_digits_of_other_scripts_are_no_digits() -> None:
    """Arabic-Indic and full-width digits look right and are refused."""
    assert not nip_is_valid("508001446٠")
    assert not nip_is_valid("５０８００１４４６０")
    assert not internal_id_is_valid("5080014460-0001１")
    assert not ksef_number_is_valid("５" + KSEF_NUMBERS[0][1:])


@given(st.sampled_from(["5080014460", "5250000015"]), st.integers(0, 9), st.integers(1, 9))
def test_one_wrong_digit_of_a_nip_is_always_found(nip: str, place: int, by: int) -> None:
    """The weights are coprime to eleven, so no single mistake passes."""
    wrong = nip[:place] + str((int(nip[place]) + by) % 10) + nip[place + 1 :]
    assert not nip_is_valid(wrong)


@pytest.mark.parametrize("internal_id", INTERNAL_IDS)
def test_worked_internal_ids_are_valid(internal_id: str) -> None:
    """The examples of KSeF's own documentation hold, and no other last digit does."""
    assert internal_id_is_valid(internal_id)
    others = [internal_id[:-1] + str(d) for d in range(10) if str(d) != internal_id[-1]]
    assert not any(internal_id_is_valid(other) for other in others)


@pytest.mark.parametrize(
    "text", ["", "5265877635-12345", "5080014461-00011", "508001446000011", "5080014460-0001", "x"]
)
def test_bad_internal_ids_are_not(text: str) -> None:
    """Shape, NIP part and check digit all matter; the sample of the schema itself is wrong."""
    assert not internal_id_is_valid(text)


@pytest.mark.parametrize("number", [*KSEF_NUMBERS, ksef_number_for()])
def test_worked_ksef_numbers_are_valid(number: str) -> None:
    """The CRC of real numbers holds, and breaks with any other last digit."""
    assert ksef_number_is_valid(number)
    last = "0" if number[-1] != "0" else "1"
    assert not ksef_number_is_valid(number[:-1] + last)


def test_numbers_of_ksef_1_are_accepted() -> None:
    """36 characters with a hyphen inside the technical part (protocol §12.1)."""
    assert ksef_number_is_valid("5265877635-20230908-8BEF28-0C8D35-4D")


@pytest.mark.parametrize("text", ["", KSEF_NUMBERS[0].lower(), KSEF_NUMBERS[0] + " ", KSEF_NUMBERS[0][:-1], "9" * 35])
def test_bad_ksef_numbers_are_not(text: str) -> None:
    """Case, length and shape matter."""
    assert not ksef_number_is_valid(text)


@given(st.text(max_size=40))
def test_any_text_gets_an_answer(text: str) -> None:
    """No text raises."""
    assert {nip_is_valid(text), internal_id_is_valid(text), ksef_number_is_valid(text)} <= {True, False}
