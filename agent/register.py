"""Reading KSeF's register for `sluza check --against-ksef` and `sluza reconcile`: what was registered in the name of
our sellers. Only reads.

A package of facts holds 10,000 invoices, and KSeF gives twenty packages an hour to a context, which the agent needs for
receiving, too: here half of them are used, and a ban is waited out.
"""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from agent import exports, package
from agent.bench import Bench
from agent.entrance import entrance
from agent.ksef.api import Export, Ksef, NoAnswer
from agent.ksef.budget import Budget
from agent.ksef.errors import garbled
from agent.ksef.login import Keys
from agent.ksef.sealing import FOR_SESSIONS, SymmetricKey, hex_of
from agent.ksef.transport import Transport
from agent.ksef.values import LONGEST_WINDOW, maybe_instant
from agent.package import BadPackage
from spool.clock import Clock
from spool.domain.municipality import Context, ContextType
from spool.domain.outcomes import Later
from spool.domain.registered import Registered, Seller

T = TypeVar("T")
_HALF = {"invoiceExport": (4, 8, 10)}
_EARLIER = timedelta(days=1)
_LONGEST_BAN_S = 3700.0
_TRIES = 3


@dataclass(frozen=True)
class Ways:
    """What reading needs: the way out, a bench for what comes from outside, a clock, and whom to tell of a wait.

    A wait longer than `longest_s` is an answer that did not come.
    """

    transport: Transport
    bench: Bench
    clock: Clock
    waiting: Callable[[float], None]
    longest_s: float = _LONGEST_BAN_S


class RegisterOf:
    """KSeF's register as one context sees it."""

    def __init__(self, ways: Ways, context: Context, within: tuple[Ksef, Keys] | None = None) -> None:
        """`within` is a login that there is already; without it one of its own, for which it reads the credential.

        Raises ConfigError by field.
        """
        self._ways = ways
        self._context = context
        self.ksef, self._keys = within or _enter(ways, context)

    async def read(self, seller: Seller, keep: Callable[[Sequence[Registered]], None]) -> datetime | None:
        """Hand everything of this seller to `keep`; returns up to when it is all. Raises NoAnswer."""
        since, upto = seller.since - _EARLIER, None
        while True:
            until = since + LONGEST_WINDOW
            last = until >= self._ways.clock()
            export, key = await self._package(seller, since, None if last else until)
            if export is None:
                return upto
            keep(await self._facts(export, key))
            reached = export.last if export.truncated else export.hwm if last else until
            if reached is None or (export.truncated and reached <= since):
                raise garbled("koniec okna eksportu")
            since = upto = reached
            if last and not export.truncated:
                return upto

    async def _package(
        self, seller: Seller, since: datetime, until: datetime | None
    ) -> tuple[Export | None, SymmetricKey]:
        """The package of one window; None when KSeF has nothing that late yet."""
        key = SymmetricKey()

        async def start() -> str:
            wrapped = key.wrapped_for(await self._keys.get(FOR_SESSIONS))
            return await self.ksef.start_export(wrapped, self._subject(seller), since, until, facts_of=seller.nip)

        try:
            reference = await self.patiently(start)
            return await self.patiently(lambda: exports.ready(self.ksef, reference)), key
        except NoAnswer as no:
            if no.code in exports.NOTHING_YET:
                return None, key
            raise

    def _subject(self, seller: Seller) -> str:
        """As whom we see this seller's invoices (protocol §15)."""
        own = self._context.type is ContextType.NIP and self._context.value == seller.nip
        return "Subject1" if own else "Subject3"

    async def _facts(self, export: Export, key: SymmetricKey) -> list[Registered]:
        """What the package says; its archive is opened on the bench."""
        if not export.invoices:
            return []
        with tempfile.TemporaryDirectory(prefix="sluza-check-") as place:
            archive = Path(place) / "package.zip"
            for part in export.parts:
                await exports.fetch(self.ksef, part, key, Path(place) / "part.aes", archive)
            try:
                inside = await self._ways.bench.run(package.contents, archive)
            except BadPackage as error:
                raise garbled(f"paczka eksportu: {error}") from error
        if len(inside.metadata) != export.invoices:
            raise garbled("liczba faktur w paczce eksportu")
        return [_registered(number, about) for number, about in inside.metadata.items()]

    async def patiently(self, call: Callable[[], Awaitable[T]]) -> T:
        """Wait as long as the budget or KSeF says, and try again; what fails for another reason is raised."""
        for last in (False,) * (_TRIES - 1) + (True,):
            try:
                return await call()
            except NoAnswer as no:
                outcome = no.reading.outcome
                pause = outcome.after_s if isinstance(outcome, Later) else None
                paced = no.code.startswith("budget:") or no.code == "http:429"
                if last or not paced or pause is None or pause > self._ways.longest_s:
                    raise
                self._ways.waiting(pause)
                await asyncio.sleep(pause)
        raise AssertionError("the last try returns or raises")


def _enter(ways: Ways, context: Context) -> tuple[Ksef, Keys]:
    """A login and half a budget of our own, beside those of an agent that may be running."""
    way = entrance(ways.transport, context, ways.clock, Budget(_HALF))
    return way.ksef, way.keys


def _registered(number: str, about: dict[str, Any]) -> Registered:
    """KSeF's own words about one invoice; without its hash nothing can be said of it."""
    sha256 = hex_of(str(about.get("invoiceHash") or ""))
    if not sha256:
        raise garbled("skrót faktury w paczce eksportu")
    try:
        acquired = maybe_instant(about.get("acquisitionDate"))
    except (ValueError, TypeError) as error:
        raise garbled("data w paczce eksportu") from error
    return Registered(number, sha256, str(about.get("invoiceNumber") or ""), acquired)
