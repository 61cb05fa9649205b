"""Who takes part: the municipality, its units, and the KSeF contexts they issue and receive in.

Values only; `spool.settings` reads them from the configuration file.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path

from spool.domain.environments import PROD
from spool.domain.errors import ConfigError


@dataclass(frozen=True)
class Policy:
    """One setting that differs between municipalities, with the number of the mayor's order behind it."""

    value: str
    order: str = ""


class ContextType(StrEnum):
    """How we present ourselves to KSeF (protocol §2.3)."""

    NIP = "nip"
    INTERNAL_ID = "internal-id"


@dataclass(frozen=True)
class Context:
    """One KSeF context: who we are there, and with what. Paths are absolute or None; nothing is read here.

    `safe` is the directory of the pairs that `sluza certs` keeps for it, `safe_password_file` what opens their keys,
    `safe_previous_file` what opened them before;
    `renew_days` before the end of a certificate the agent renews it, never with 0. `own_sandbox`: its KSeF is the
    sandbox that this machine's service runs for training (`Settings.sandbox_port`).
    """

    id: str
    type: ContextType
    value: str
    environment: str
    url: str
    latarnia_url: str
    qr_url: str
    auth_cert: Path | None = None
    auth_key: Path | None = None
    auth_password_file: Path | None = None
    token_file: Path | None = None
    offline_cert: Path | None = None
    offline_key: Path | None = None
    offline_password_file: Path | None = None
    safe: Path | None = None
    safe_password_file: Path | None = None
    safe_previous_file: Path | None = None
    renew_days: float = 0
    own_sandbox: bool = False

    @property
    def nip(self) -> str:
        """The NIP of the context, or the NIP part of its internal id."""
        return self.value[:10]


@dataclass(frozen=True)
class Unit:
    """A unit of the municipality: `id` is folder, share and API name; `context` where its sales go.

    `series` is a regular expression for whole invoice numbers, with the running part in its group `n`; `series_order`
    (off, warn, strict) says what follows from it: `spool.domain.series`. `alerts` are e-mail addresses that get the
    warnings about this unit's documents, beside the municipality's own. `retention` is the class of its documents
    (`spool.domain.retention`), empty for the municipality's default. `remote`: its folders lie on a computer of its
    own, where `sluza folders` looks after them, and not here. `known_by` are texts by which suppliers name
    it without its identifiers: addresses, contract and customer numbers. `repair_encoding` lets us mend the encoding
    of its files, as new documents. `policies` outrank the municipality's.
    """

    id: str
    name: str
    context: str
    nip: str = ""
    idwew: str = ""
    taxpayer: bool = False
    town_hall: bool = False
    series: str = ""
    series_order: str = "warn"
    alerts: tuple[str, ...] = ()
    retention: str = ""
    remote: bool = False
    known_by: tuple[str, ...] = ()
    repair_encoding: bool = False
    policies: Mapping[str, Policy] = field(default_factory=dict)


def no_unit(unit_id: str) -> ConfigError:
    """What to raise where somebody names a unit that is not configured: one sentence, whoever asks."""
    return ConfigError("Nie ma jednostki „{unit}”.", "Listę pokaże: sluza unit list", unit=unit_id)


@dataclass(frozen=True)
class Municipality:
    """The taxpayer (one NIP) with its units and contexts, by id; `coat_of_arms` is a PNG, JPEG or SVG file.

    `contact` is the person named in letters to suppliers; `policies` is what the mayor's orders decided, by name.
    """

    name: str
    nip: str
    contexts: dict[str, Context] = field(default_factory=dict)
    units: dict[str, Unit] = field(default_factory=dict)
    coat_of_arms: Path | None = None
    contact: str = ""
    policies: Mapping[str, Policy] = field(default_factory=dict)

    def training(self, context_id: str) -> str:
        """The environment of a context that is for training, beside others that are in earnest; empty for these.

        Where no context is in production the whole town trains, and nothing has to be told apart.
        """
        context = self.contexts.get(context_id)
        in_earnest = any(c.environment == PROD.name for c in self.contexts.values())
        return context.environment if context and in_earnest and context.environment != PROD.name else ""

    def trained(self) -> dict[str, str]:
        """The units that are in training now, with the environment of each."""
        return {u.id: where for u in self.units.values() if (where := self.training(u.context))}

    def of_training(self, environment: str) -> "Municipality":
        """The part of it that trains in this environment; what comes from there is for nobody else."""
        here = self.trained()
        return replace(self, units={u.id: u for u in self.units.values() if here.get(u.id) == environment})

    def context_of(self, unit_id: str) -> Context:
        """The context in which this unit issues; KeyError for an unknown unit."""
        return self.contexts[self.units[unit_id].context]

    def town_hall(self) -> Unit | None:
        """The unit that receives mail addressed to the municipality itself, if one is marked."""
        return next((u for u in self.units.values() if u.town_hall), None)
