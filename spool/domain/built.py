"""When this program was made: no clock that says less can be right (faults F14). Pure."""

from datetime import UTC, datetime

BUILT = datetime(2026, 11, 1, tzinfo=UTC)
"""A moment before which this version cannot run. Moved forward with each release; a day too early is harmless."""
WRONG = (
    "Zegar tego serwera wskazuje {day}, czyli czas sprzed powstania programu. Nic nie jest przyjmowane ani wysyłane, "
    "dopóki zegar nie będzie dobry. Proszę włączyć synchronizację czasu."
)


def too_early(now: datetime) -> bool:
    """True when the clock is certainly wrong: a start in 1970, or a battery that died."""
    return now < BUILT


def wrong_clock(now: datetime) -> str:
    """What people are told then."""
    return WRONG.format(day=f"{now:%d.%m.%Y}")
