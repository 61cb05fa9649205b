"""`sluza reconcile`: lay KSeF's register beside the spool and put back what the spool has forgotten.

It may run beside gateway and agent: it has a role and a number of its own, so that two of them never run at once, and
every change is judged again in the transaction that makes it. It sends nothing.
"""

import asyncio
import contextlib
import getpass
from collections.abc import Iterator
from typing import Any

import click

from agent import settings as agent_settings
from agent.compare import Comparison, Outcome, Sides
from agent.ksef.transport import Transport
from agent.register import RegisterOf, Ways
from agent.settings import AgentSettings
from sluza import options
from sluza.console import emit, out, plain, sentence, table
from sluza.progress import progress
from sluza.workbench import clock_of, spool_path
from spool import identity, process, settings
from spool.access import Spool
from spool.clock import Clock
from spool.domain.errors import ConfigError
from spool.domain.exits import Exit
from spool.domain.identity import RECONCILE_FIRST
from spool.domain.invariants import KSEF, Finding
from spool.domain.municipality import Context
from spool.inspection import Tell
from spool.looking import Looking
from spool.rows import instant
from spool.workers import Workers

ROLE = "reconcile"


@click.command()
@click.option("--context", "only", metavar="KONTEKST", help="Tylko ten kontekst (domyślnie wszystkie).")
@click.option("--dry-run", is_flag=True, help="Tylko powiedz, co zostałoby zrobione.")
@click.option("--elsewhere-ok", is_flag=True, help="Faktury wystawione poza Śluzą nie są błędem.")
@options.verb
def reconcile(
    config: str | None, own_config: str | None, only: str | None, dry_run: bool, elsewhere_ok: bool, as_json: bool
) -> None:
    """Porównaj spool z rejestrem KSeF, odzyskaj numery i wznów wysyłkę po odtworzeniu kopii.

    Niczego nie wysyła. Faktury, które KSeF ma, a spool uważa za niewysłane, dostają swój numer; UPO pobierze agent.
    Przed uruchomieniem na innym serwerze proszę się upewnić, że poprzedni już nie działa.
    """
    agent = agent_settings.read(*settings.read(settings.find_config(options.chosen(config, own_config))))
    contexts = _contexts(agent, only)
    clock = _clock(agent)
    with progress() as tell, _desk(agent, clock, dry_run) as spool:
        found = asyncio.run(_Round(agent, spool, clock, tell).of(contexts))
    ok = all(_in_order(one, elsewhere_ok=elsewhere_ok) for one in found)
    emit({"ok": ok, "dry_run": dry_run, "contexts": _as_dict(found)}) if as_json else _show(found, dry_run)
    if not ok:
        raise SystemExit(Exit.REFUSED)


def _contexts(agent: AgentSettings, only: str | None) -> list[Context]:
    known = agent.shared.municipality.contexts
    if only is None:
        return list(known.values())
    if only not in known:
        raise ConfigError(f"Nie ma kontekstu „{only}”.", f"Są: {', '.join(known)}.")
    return [known[only]]


def _clock(agent: AgentSettings) -> Clock:
    """The clock that the programs live by."""
    with contextlib.closing(Looking(spool_path(agent.shared))) as looking:
        return clock_of(agent.shared, looking)


@contextlib.contextmanager
def _desk(agent: AgentSettings, clock: Clock, dry_run: bool) -> Iterator[Spool | None]:
    """The spool to write to; None when nothing is to be written."""
    if dry_run:
        yield None
        return
    contexts = list(agent.shared.municipality.contexts)
    with process.desk(agent.shared.paths, ROLE, clock) as spool:
        spool.write_now(lambda store: identity.spread(store, contexts, clock()))
        yield spool


class _Round:
    """All wanted contexts, one after the other."""

    def __init__(self, agent: AgentSettings, spool: Spool | None, clock: Clock, tell: Tell) -> None:
        self._agent = agent
        self._spool = spool
        self._clock = clock
        self._tell = tell

    async def of(self, contexts: list[Context]) -> list[Outcome]:
        """What was found in each; one that KSeF does not answer for does not keep the next from its turn."""
        network, workers = self._agent.network, Workers(processes=1)
        try:
            async with Transport(proxy=network.proxy, extra_ca=network.extra_ca) as transport:
                ways = Ways(transport, workers, self._clock, self._waiting)
                return [await self._one(ways, context) for context in contexts]
        finally:
            workers.close()

    async def _one(self, ways: Ways, context: Context) -> Outcome:
        looking = Looking(spool_path(self._agent.shared))
        try:
            shared = self._agent.shared
            person = getpass.getuser()
            sides = Sides(
                context, RegisterOf(ways, context), looking, self._spool, shared.rules, self._clock, person
            )  # fmt: skip
            doubt = looking.read_now(lambda store: store.condition(context.id, RECONCILE_FIRST))
            newest = looking.read_now(lambda store: store.newest_session_at(context.id))
            since = instant(doubt.value["until"]) if doubt and doubt.value["until"] else newest
            return await Comparison(sides, self._tell).run(since, None)
        finally:
            looking.close()

    def _waiting(self, seconds: float) -> None:
        self._tell(f"limit KSeF, przerwa {seconds / 60:.0f} min", 0, 0)


def _in_order(found: Outcome, *, elsewhere_ok: bool) -> bool:
    return found.whole and not found.left and (elsewhere_ok or not found.elsewhere)


def _findings(found: Outcome) -> list[Finding]:
    """What a person has to look at, and what KSeF did not answer."""
    if found.whole:
        return found.left
    text = f"Nie udało się porównać: {found.unanswered}"
    return [*found.left, Finding(KSEF, f"context:{found.context}", text, "Proszę powtórzyć polecenie później.")]


def _as_dict(found: list[Outcome]) -> dict[str, Any]:
    return {
        one.context: {
            "compared": one.whole,
            "adopted": [{"id": document, "ksef_number": number} for document, number in one.adopted],
            "resumed": one.resumed,
            "elsewhere": [{"ksef_number": seen.ksef_number, "number": seen.number} for seen in one.elsewhere],
            "findings": [
                {"invariant": f.invariant, "subject": f.subject, "message": f.message, "hint": f.hint}
                for f in _findings(one)
            ],
        }
        for one in found
    }


def _show(found: list[Outcome], dry_run: bool) -> None:
    verb = "do odzyskania" if dry_run else "odzyskano numer"
    for one in found:
        rows = [(plain(number), verb, plain(document)) for document, number in one.adopted]
        rows += [("–", "KSeF jeszcze przetwarza", plain(document)) for document in one.resumed]
        rows += [(plain(s.ksef_number), "nieznana Śluzie", plain(s.number)) for s in one.elsewhere]
        if rows:
            table(f"Kontekst „{plain(one.context)}”", ("Numer KSeF", "Co", "Dokument albo numer faktury"), rows)
        for finding in _findings(one):
            sentence(finding.message, finding.hint)
        if one.whole:
            out.print(f"[bold green]Porównano „{plain(one.context)}” z rejestrem KSeF.[/] {_ending(one, dry_run)}")


def _ending(found: Outcome, dry_run: bool) -> str:
    counts = f"Odzyskane numery: {len(found.adopted)}, czeka na wynik: {len(found.resumed)}."
    return f"{counts} Niczego nie zmieniono." if dry_run else f"{counts} Wysyłka w tym kontekście jest odblokowana."
