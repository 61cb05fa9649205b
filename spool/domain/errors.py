"""Every error of ours, on one screen.

    Problem                  one thing wrong with one document: code, field, line, sentence, cure (data, not raised)
    Failed                   an error that crossed from a worker process (data, not raised)
    SluzaError               base of everything we raise; carries a stable code, a Polish sentence and a hint
    ├── ClockWrong           this machine's clock says a time that cannot be
    ├── ConfigError          the configuration file or a credential is wrong; names field and value
    │   └── CredentialRefused  a certificate, key or password that is not what it was offered for
    ├── RegisterRefused      an entry that a register may not have
    └── SpoolError           the spool cannot be used
        ├── SpoolTooNew      the schema was written by a newer program
        ├── SpoolDamaged     the file is not what we left: nothing is taken in or sent
        ├── SpoolFailed      the disk did not confirm a commit: nothing is promised until it is read anew
        ├── NoRoom           a disk is full, without inodes or read-only
        ├── AlreadyRunning   another process holds this role on this spool
        │   └── LeaseLost    this process held the role; another has taken it over
        ├── BodyDamaged      stored bytes no longer match their SHA-256
        └── MoveRefused      the document is not in a state that this move may leave

`spool.workers` adds WorkerTimeout and WorkerCrashed: a document that broke its worker.

A refusal at intake is a verdict with problems, not an exception: `gateway.intake.Verdict`. What KSeF or the network
answered is not an error but an outcome: `spool.domain.outcomes`.
"""

from dataclasses import asdict, dataclass
from typing import Any

PUT_AWAY = "put_away_before"
"""The problem of bytes that a person quarantined or ceased: only a person brings them back (faults E)."""


@dataclass(frozen=True)
class Problem:
    """One finding about one document, ready for a person and for a program.

    `code` is stable snake_case English; `field` the FA(3) element path or empty; `line` the 1-based line in the
    file or None; `message` says in Polish what is wrong, `hint` what to do about it.
    """

    code: str
    message: str
    hint: str = ""
    field: str = ""
    line: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """The five keys of the result JSON contract."""
        return asdict(self)


class SluzaError(Exception):
    """Base of our errors: `code` for programs, `str(error)` in Polish for people, `hint` with the cure.

    `values` fill the braces of `sentence`, which a catalogue of another language can know without them.
    """

    code = "error"

    def __init__(self, message: str, hint: str = "", **values: object) -> None:
        super().__init__(message.format(**values) if values else message)
        self.sentence, self.values = message, values
        self.hint = hint


@dataclass(frozen=True)
class Failed:
    """An error of ours as data that crosses processes."""

    code: str
    reason: str
    hint: str

    @classmethod
    def of(cls, error: SluzaError) -> "Failed":
        """What was raised over there."""
        return cls(error.code, str(error), error.hint)


class ConfigError(SluzaError):
    """The configuration is wrong; the sentence names the field and shows the bad value."""

    code = "config"


class CredentialRefused(ConfigError):  # noqa: N818 - reads as the fact it states
    """A certificate, key or password that cannot be used for what it was offered for; `code` says what is wrong."""

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.code = code


class ClockWrong(SluzaError):  # noqa: N818 - reads as the fact it states
    """The clock of this machine says a time before this program was made: nothing is judged by it (faults F14)."""

    code = "clock_wrong"


class RegisterRefused(SluzaError):  # noqa: N818 - reads as the fact it states
    """An entry that contradicts what the register says already, or lacks what must come before it."""

    code = "register_refused"


class SpoolError(SluzaError):
    """The spool cannot be used as it is."""

    code = "spool"


class SpoolTooNew(SpoolError):  # noqa: N818 - reads as the fact it states
    """The spool was written by a newer program; an older one must not touch it."""

    code = "spool_too_new"


class SpoolDamaged(SpoolError):  # noqa: N818 - reads as the fact it states
    """The spool is not what we left in it: it must be restored before anything is taken in or sent."""

    code = "spool_damaged"


class SpoolFailed(SpoolError):  # noqa: N818 - reads as the fact it states
    """A sync failed. What the kernel holds and what the disk holds may differ: this process must end."""

    code = "spool_failed"


class NoRoom(SpoolError):  # noqa: N818 - reads as the fact it states
    """Nothing more can be written there; `code` is disk_full, disk_inodes or disk_read_only."""

    def __init__(self, code: str, message: str, hint: str) -> None:
        super().__init__(message, hint)
        self.code = code


class AlreadyRunning(SpoolError):  # noqa: N818 - reads as the fact it states
    """Another process already has this role on this spool."""

    code = "already_running"


class LeaseLost(AlreadyRunning):
    """This process had the role, did not say for too long that it lives, and another has taken over (faults F13)."""

    code = "lease_lost"


class BodyDamaged(SpoolError):  # noqa: N818 - reads as the fact it states
    """The stored bytes of a document no longer match their SHA-256."""

    code = "body_damaged"


class MoveRefused(SpoolError):  # noqa: N818 - reads as the fact it states
    """The document is no longer in a state that the wanted move may leave."""

    code = "move_refused"
