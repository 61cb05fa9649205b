"""The planted defects can still be planted: the text that each one replaces stands in the product exactly once."""

from pathlib import Path

import pytest

from tests.simulation.planted import MUTANTS, Mutant

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_the_text_that_it_replaces_is_there(mutant: Mutant) -> None:
    """A defect that nobody can plant any more proves nothing."""
    for file, old, new in mutant.patches:
        assert (ROOT / file).read_text(encoding="utf-8").count(old) == 1
        assert old != new
