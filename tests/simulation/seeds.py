"""Which schedules there are: a seed is a base and a number, and says whether its schedule is long or short."""

from collections.abc import Iterator

BASE = 20261126
EVERY = 32
"""One schedule in so many is a long one."""
_EACH = 1_000_003


def seed_of(base: int, number: int) -> int:
    """The seed of the n-th schedule."""
    return base * _EACH + number


def is_long(seed: int) -> bool:
    """Whether it is a long schedule with a theme, or a short one with a fault or two."""
    return seed % EVERY == 0


def seeds(base: int, first: int, count: int, kind: str = "") -> Iterator[int]:
    """Those with these numbers, in order; with a `kind` only the "long" or the "short" ones among them."""
    for number in range(first, first + count):
        seed = seed_of(base, number)
        if not kind or is_long(seed) == (kind == "long"):
            yield seed
