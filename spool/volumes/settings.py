"""The table [archive]: how long bodies stay in the spool, and when the archives are looked at."""

from dataclasses import dataclass

from spool.domain.volumes import MONTHS
from spool.toml import Table

_LONGEST = 1200


@dataclass(frozen=True)
class Archive:
    """Whole months that a body stays in the spool, 0: nothing leaves it; the hour (Warsaw) of the nightly look."""

    months: int = MONTHS
    hour: int = 3


def read(root: Table) -> Archive:
    """The table, or its defaults. Raises ConfigError by field name."""
    table = root.table("archive")
    archive = Archive(
        int(table.number("months", Archive.months, 0, _LONGEST)), int(table.number("hour", Archive.hour, 0, 23))
    )
    table.done()
    if archive.months == 1:  # the corrections of a month are made in the next one
        raise table.bad("months", archive.months, "co najmniej 2 miesiące albo 0: nic nie opuszcza spoolu")
    return archive
