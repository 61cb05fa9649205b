"""What the verbs of `sluza certs` share: a safe, the way to KSeF, refusals in words, and the history."""

import contextlib
import os
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent import settings as agent_settings
from agent.enrolment import Counter
from agent.ksef.api import NoAnswer
from agent.ksef.errors import is_network
from agent.ksef.transport import Transport
from agent.renewal import lock_name
from agent.settings import AgentSettings
from certs import credentials, keyring, kod2
from certs.credentials import Known
from certs.reading import Use
from certs.safe import Safe
from gateway import settings as gateway_settings
from sluza.console import emit, err, plain, sentence
from sluza.options import person
from sluza.progress import progress
from sluza.workbench import bench, clock_of, spool_path
from spool import process, settings
from spool.actions import certificate_installed, certificate_revoked
from spool.backup.contents import TLS
from spool.clock import Clock
from spool.domain.errors import ConfigError, CredentialRefused, SpoolError
from spool.domain.exits import Exit
from spool.domain.municipality import Context
from spool.looking import Looking

PATIENCE_S = 600.0
_LATER = "Niczego nie zmieniono; proszę powtórzyć polecenie później."


@dataclass(frozen=True)
class Room:
    """The settings of this machine and the clock that its programs live by."""

    config: str | None
    agent: AgentSettings
    clock: Clock
    supplied: Path | None
    """The town hall's own TLS certificate of the drop-point."""

    def context(self, name: str | None) -> Context:
        """The named context, or the only one. Raises ConfigError."""
        known = self.agent.shared.municipality.contexts
        if name is None and len(known) == 1:
            return next(iter(known.values()))
        if name not in known:
            said = f"Nie ma kontekstu „{name}”." if name else "Jest kilka kontekstów KSeF."
            raise ConfigError(said, f"Proszę podać --context; są: {', '.join(known)}.")
        return known[name]

    def safe(self, context: Context) -> Safe:
        """The context's safe."""
        safe = keyring.safe_of(context)
        assert safe is not None, "a context read from a configuration has one"
        return safe

    @contextlib.contextmanager
    def alone(self, context: Context) -> Iterator[None]:
        """Nobody else asks for or installs certificates of this context meanwhile. Raises AlreadyRunning."""
        with as_owner(self):
            lock = process.hold(self.agent.shared.paths.state, lock_name(context))
        try:
            yield
        finally:
            lock.release()

    def refuse_in_use(self, serial: str) -> None:
        """Raises CredentialRefused for a certificate that a context uses or is about to, whichever asks; ConfigError
        where that cannot be seen."""
        for context in self.agent.shared.municipality.contexts.values():
            for use, load in ((Use.AUTH, keyring.authentication), (Use.OFFLINE, keyring.offline)):
                present, pending = load(context), self.safe(context).request(use)
                used = present is not None and kod2.serial(present) == serial
                if used or (pending is not None and pending.serial == serial):
                    raise CredentialRefused(
                        "cert_in_use",
                        f"Certyfikatu nr {serial} używa kontekst „{context.id}” ({use}).",
                        f"Proszę najpierw go zastąpić: sluza certs enrol --context {context.id} --use {use}.",
                    )

    def unsent_with(self, serial: str) -> int:
        """How many invoices that KSeF has not numbered yet are signed with it (KOD II)."""
        path = spool_path(self.agent.shared)
        if not path.exists():
            return 0
        with contextlib.closing(Looking(path)) as looking:
            return looking.read_now(lambda store: store.unsent_with(serial))

    def revoked(self, context: Context, serial: str, text: str, who: str | None) -> None:
        """The pair is of no use any more; into the history, where there is one."""
        safe = self.safe(context)
        for use in Use:
            before = safe.previous(use)
            if before is not None and kod2.serial_of(before) == serial:
                safe.drop_previous(use)
        if spool_path(self.agent.shared).exists():
            with as_owner(self), bench(self.config) as opened:
                now, name = opened.clock(), person(who)
                opened.spool.write_now(lambda store: certificate_revoked(store, context.id, now, name, text, serial))

    def of_tls(self) -> list[Known]:
        """What is known of the drop-point's TLS."""
        return credentials.look_at_tls(self.agent.shared.paths.state / TLS, self.supplied)

    def transport(self) -> Transport:
        """The way out to KSeF."""
        network = self.agent.network
        return Transport(proxy=network.proxy, extra_ca=network.extra_ca)

    @contextlib.contextmanager
    def counter(self, context: Context, transport: Transport) -> Iterator[Counter]:
        """Where certificates are asked for; says how far it is."""
        with progress() as tell:
            yield Counter(transport, context, self.clock, self.safe(context), lambda what: tell(what, 0, 0), PATIENCE_S)

    def note(self, context: Context, text: str, who: str | None, *, proven: bool) -> None:
        """Into the history, and an end to a pause for the login; where Śluza has never run there is none yet."""
        if not spool_path(self.agent.shared).exists():
            return
        with as_owner(self), bench(self.config) as opened:
            now, name = opened.clock(), person(who)
            opened.spool.write_now(
                lambda store: certificate_installed(store, context.id, now, name, text, proven=proven)
            )


def enter(config: str | None) -> Room:
    """Read the configuration. Raises ConfigError."""
    shared, root = settings.read(settings.find_config(config))
    supplied = gateway_settings.read(shared, root).http.cert
    return Room(config, agent_settings.read(shared, root), _clock(shared), supplied)


def _clock(shared: settings.Settings) -> Clock:
    """The clock that the programs live by; a damaged spool is no reason to be left without keys."""
    path = spool_path(shared)
    try:
        if path.exists():
            with contextlib.closing(Looking(path)) as looking:
                return clock_of(shared, looking)
    except SpoolError as error:
        err.print(plain(f"{error} {error.hint}"))
    return process.clock_for(shared.clock_url)


@contextlib.contextmanager
def as_owner(room: Room) -> Iterator[None]:
    """Root works on the state directory as its owner, so that the programs can go on working there."""
    state = room.agent.shared.paths.state
    if os.geteuid() != 0 or not state.exists() or state.stat().st_uid == 0:
        yield
        return
    owner, group = state.stat(), os.getegid()
    os.setegid(owner.st_gid)
    os.seteuid(owner.st_uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)


@contextlib.contextmanager
def refusing(as_json: bool) -> Iterator[None]:
    """A credential that is refused, by us or by KSeF, is a sentence with its cure and exit code 1."""
    try:
        yield
    except CredentialRefused as refused:
        _refuse(as_json, refused.code, str(refused), refused.hint)
    except NoAnswer as no:
        _refuse(as_json, no.code, no.reading.reason or "KSeF nie odpowiedział zrozumiale.", cure(no))


def cure(no: NoAnswer) -> str:
    """What to do about an answer that did not come."""
    return no.reading.hint or ("KSeF jest teraz nieosiągalny. " if is_network(no.code) else "") + _LATER


def _refuse(as_json: bool, code: str, message: str, hint: str) -> None:
    if as_json:
        emit({"ok": False, "code": code, "message": message, "hint": hint})
    else:
        sentence(message, hint)
    raise SystemExit(Exit.REFUSED)


Work = Callable[[Transport], Coroutine[Any, Any, Any]]


async def online(room: Room, work: Work) -> Any:
    """Something that needs KSeF."""
    async with room.transport() as transport:
        return await work(transport)
