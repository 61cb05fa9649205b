"""The table [backup]: where to, when, how many are kept, who alone can read them."""

from dataclasses import dataclass
from pathlib import Path

from spool.backup import sealing
from spool.domain.backups import Keep
from spool.domain.errors import ConfigError
from spool.toml import Table

_LONGEST = 1000


@dataclass(frozen=True)
class Backup:
    """Without `directory` nothing is made by itself. `recipient` is an age public key, empty: not encrypted."""

    directory: Path | None = None
    hour: int = 2
    keep: Keep = Keep()  # noqa: RUF009 - frozen
    recipient: str = ""
    same_disk: bool = False


def read(root: Table) -> Backup:
    """The table, or its defaults. Raises ConfigError by field name."""
    table = root.table("backup")
    keep = Keep(
        int(table.number("keep_daily", Keep.daily, 1, _LONGEST)),
        int(table.number("keep_weekly", Keep.weekly, 0, _LONGEST)),
        int(table.number("keep_monthly", Keep.monthly, 0, _LONGEST)),
    )
    backup = Backup(
        table.path("directory"),
        int(table.number("hour", Backup.hour, 0, 23)),
        keep,
        table.text("recipient", ""),
        table.flag("same_disk", False),
    )
    table.done()
    if backup.recipient:
        try:
            sealing.recipient(backup.recipient)
        except ConfigError as error:
            raise table.bad("recipient", backup.recipient, "klucz publiczny age zaczyna się od age1") from error
    return backup
