"""KSeF's register of our sellers, laid beside a snapshot of the spool: the part of `sluza check` that asks KSeF."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from agent import settings as agent_settings
from agent.ksef.api import NoAnswer
from agent.ksef.transport import Transport
from agent.register import RegisterOf, Ways
from spool import settings
from spool.clock import Clock
from spool.domain.invariants import KSEF, Finding
from spool.domain.registered import Registered, Seller
from spool.inspection import Tell
from spool.looking import Looking
from spool.workers import Workers


@dataclass(frozen=True)
class Asked:
    """How many sellers KSeF was asked about, and what it did not answer."""

    sellers: int
    unanswered: list[Finding]


def ask_ksef(chosen: str | None, spool: Looking, clock: Clock, tell: Tell) -> Asked:
    """Lay KSeF's register beside the spool, before its snapshot: what is registered meanwhile is known here then."""
    agent = agent_settings.read(*settings.read(settings.find_config(chosen)))
    sellers = spool.read_now(lambda store: store.sellers())
    spool.aside(lambda store: store.prepare_register())

    def waiting(seconds: float) -> None:
        tell(f"limit KSeF, przerwa {seconds / 60:.0f} min", 0, 0)

    async def work() -> list[Finding]:
        workers = Workers(processes=1)
        try:
            async with Transport(proxy=agent.network.proxy, extra_ca=agent.network.extra_ca) as transport:
                ways = Ways(transport, workers, clock, waiting)
                contexts = agent.shared.municipality.contexts
                registers = {s.context: RegisterOf(ways, c) for s in sellers if (c := contexts.get(s.context))}
                return [f for s in sellers if (f := await _read(registers.get(s.context), spool, s, tell)) is not None]
        finally:
            workers.close()

    return Asked(len(sellers), asyncio.run(work()))


async def _read(register: RegisterOf | None, spool: Looking, seller: Seller, tell: Tell) -> Finding | None:
    """One seller's part of the register; a finding when it could not be read to its end."""
    what, subject = f"rejestr KSeF „{seller.context}”", f"context:{seller.context}"
    if register is None:
        return Finding(KSEF, subject, f"Kontekstu „{seller.context}” nie ma już w konfiguracji: nie zapytano KSeF.")

    def keep(found: Sequence[Registered]) -> None:
        spool.aside(lambda store: store.keep_registered(found))
        tell(what, spool.aside(lambda store: store.registered_count()), 0)

    try:
        tell(what, 0, 0)
        upto = await register.read(seller, keep)
    except NoAnswer as no:
        reason = no.reading.reason or no.code
        return Finding(KSEF, subject, f"Nie udało się odczytać rejestru KSeF: {reason}", no.reading.hint)
    if upto is not None:
        spool.aside(lambda store: store.heard_upto(seller, upto))
    return None
