"""The gateway process: settings, spool, workers, front door; folders, drop-point and status page; a clean stop.

    python -m gateway --config /etc/sluza/sluza.toml

Exit codes: those of `spool.domain.exits`; a part that dies or cannot start is 5, and the supervisor restarts us.
"""

import asyncio
import contextlib
import json
import re
import resource
import signal
import socket
import sys
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import replace
from ssl import SSLContext

import structlog

from certs import tls
from gateway import settings as gateway_settings
from gateway.alarms.post import Post
from gateway.alarms.troubles import Troubles
from gateway.alarms.watch import Alarms, Patience
from gateway.archives import Archives
from gateway.backups import Backups, backup_workers
from gateway.folders.leftovers import Leftovers
from gateway.folders.presence import Presence
from gateway.folders.returns import Returns
from gateway.folders.setup import set_up
from gateway.folders.watcher import Watcher
from gateway.http.app import create_app
from gateway.http.listener import Listener
from gateway.http.state import Parts
from gateway.http.throttle import Throttle
from gateway.intake import FrontDoor
from gateway.own import Behind
from gateway.registers.gather import Sources
from gateway.registers.incidents import Incidents
from gateway.registers.keeper import Keeper
from gateway.registers.work import register_workers
from gateway.render.work import drawing_workers
from gateway.scans import scan_workers
from gateway.seals import Seals
from gateway.settings import GatewaySettings
from gateway.uploads import Uploads
from gateway.web.app import AdminParts, create_admin_app
from gateway.web.guard import Gate, read_token
from spool import process, pulse, worlds
from spool.access import Spool
from spool.clock import Clock, system_clock
from spool.domain.errors import LeaseLost, SluzaError
from spool.domain.exits import Exit
from spool.hands import Hands
from spool.workers import WorkerCrashed, Workers, WorkerTimeout

ROLE = "gateway"
_PARTS_STOP_S = 8.0
_LOOK_AT_CERTIFICATE_S = 6 * 3600
_DESCRIPTORS = 8192

log = structlog.get_logger(ROLE)


def main(argv: Sequence[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT; returns the exit code. What a person must mend is one Polish sentence on stderr."""
    return process.run(
        ROLE, "Śluza: bramka KSeF", argv, lambda shared, root: serve(gateway_settings.read(shared, root))
    )


async def serve(settings: GatewaySettings) -> int:
    """The whole life of the process: open what is needed, say that we are ready, wait, close in reverse order."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    _allow_many_descriptors()
    if settings.alerts.smtp:
        settings.alerts.smtp.password()  # a file that is missing, or open to everybody, is said before the first alarm
    if settings.alerts.webhook:
        settings.alerts.webhook.secret()
    state = settings.shared.paths.state
    with contextlib.ExitStack() as closing:
        clock = process.clock_for(settings.shared.clock_url)
        desk = closing.enter_context(process.desk(settings.shared.paths, ROLE, clock))
        desk.verify(meanwhile=True)
        desk.write_now(lambda store: worlds.settle(store, settings.shared.municipality, clock()))
        pools = (
            Workers(),
            drawing_workers(),
            register_workers(),
            backup_workers(),
            scan_workers(),
        )  # all before one starts: they share the fork server
        for pool in pools:
            closing.callback(pool.close)
        await _warm(*pools[:2])  # the others have time, and are started by their first work
        hands = Hands(state, ROLE, desk, clock)
        closing.callback(hands.close)
        await hands.begin()
        return await _run(settings, desk, pools, clock, hands, stop)


async def _warm(*pools: Workers) -> None:
    """Every worker started and ready. Raises SluzaError, about this machine and not about a file, when one cannot."""
    try:
        await asyncio.gather(*(pool.warm() for pool in pools))
    except (WorkerCrashed, WorkerTimeout) as error:
        log.error("workers_not_started", cause=str(getattr(error, "detail", "")))  # noqa: TRY400 - a sentence follows
        raise SluzaError(
            "Procesy, które sprawdzają i rysują faktury, nie mogą wystartować.",
            "Proszę sprawdzić wolną pamięć serwera i prawa do zapisu w /dev/shm.",
        ) from error


async def _run(
    settings: GatewaySettings,
    desk: Spool,
    pools: tuple[Workers, Workers, Workers, Workers, Workers],
    clock: Clock,
    hands: Hands,
    stop: asyncio.Event,
) -> int:
    """The parts around one spool, until `stop` or until one ends. `pools`: reading, drawing, registers, backups,
    scans."""
    workers, drawing, registers, copying, scanning = pools
    municipality, folders = settings.shared.municipality, settings.shared.paths.folders
    seals = Seals(municipality, clock)
    door = FrontDoor(desk, workers, municipality, settings.policies, clock, settings.shared.law, seals, hands)
    names = [*settings.http.names, *_own_name()]
    material = _material(settings, names)
    context = tls.server_context(material) if material else None
    uploads = Uploads(settings.shared.paths.state / "uploads")
    uploads.sweep()
    behind = Behind(desk, door, municipality, clock, folders, uploads, seals)
    shared = Parts(drawing, municipality)
    drop_point = Listener(create_app(shared, behind), settings.http.listen, context if settings.http.tls else None)
    pages = replace(_admin_parts(settings, desk, door, drawing, clock), requests=shared.requests, scanning=scanning)
    listen = settings.admin.listen
    admin = Listener(create_admin_app(pages), listen, None if listen.loopback else context)
    try:
        await _make_folders(settings, desk, clock)  # before anybody is answered: who hears us may drop a file
        await drop_point.start()
        await admin.start()
        watcher = Watcher(door, municipality, folders, settings.folders, clock, leftovers=Leftovers(desk, clock))
        returns = Returns(desk, drawing, municipality, folders, clock, seals, hands, door.crowded)
        presence = Presence(desk, municipality, folders, clock)
        parts: dict[str, Awaitable[None]] = {
            "watcher": watcher.run(stop), "returns": returns.run(stop), "presence": presence.run(stop),
        }  # fmt: skip
        parts |= _registers(settings, desk, registers, clock, (shared.throttle, pages.gate.throttle, pages.pairs), stop)
        parts |= _keeping(settings, desk, copying, clock, stop)
        parts |= _alarms(settings, desk, clock, stop) | _life(desk, stop)
        if material and context:
            parts["certificate"] = _keep_certificate(material, context, names, stop)
        _say_ready(drop_point, admin, material if settings.http.tls else None)
        return await _watch_over(parts, stop)
    finally:
        await asyncio.gather(drop_point.stop(), admin.stop())
        log.info("stopped")


def _life(desk: Spool, stop: asyncio.Event) -> dict[str, Awaitable[None]]:
    """That this process is the one with the role, and that its loop turns."""
    parts: dict[str, Awaitable[None]] = {"role": process.keep_role(desk, stop)}
    return parts | ({"pulse": pulse.live(ROLE, stop.is_set)} if pulse.wanted() else {})


def _registers(
    settings: GatewaySettings, desk: Spool, workers: Workers, clock: Clock, brakes: Sequence[Throttle],
    stop: asyncio.Event,
) -> dict[str, Awaitable[None]]:  # fmt: skip
    """The monthly registers, and what the program itself enters into the incident register."""
    shared = settings.shared
    sources = Sources(desk, workers, shared.municipality, shared.classes, shared.law, clock)
    return {
        "registers": Keeper(sources, shared.paths.folders, shared.paths.state, clock).run(stop),
        "incidents": Incidents(desk, brakes, clock).run(stop),
    }


def _keeping(
    settings: GatewaySettings, desk: Spool, workers: Workers, clock: Clock, stop: asyncio.Event
) -> dict[str, Awaitable[None]]:
    """Backups and yearly archives, one after the other in one process that gives way to everything."""
    return {
        "backups": Backups(desk, workers, settings.backup, settings.shared, clock).run(stop),
        "archives": Archives(desk, workers, settings.archive, clock).run(stop),
    }


def _alarms(settings: GatewaySettings, desk: Spool, clock: Clock, stop: asyncio.Event) -> dict[str, Awaitable[None]]:
    """The warnings before a date passes and about what else is wrong; they are sent only where there is a way."""
    alerts, shared = settings.alerts, settings.shared
    patience = Patience.sandbox() if shared.clock_url else Patience()
    alarms = Alarms(desk, shared.rules, alerts, clock, patience)
    parts: dict[str, Awaitable[None]] = {"alarms": alarms.run(stop)}
    cert = settings.http.cert
    parts["troubles"] = Troubles(desk, shared.rules, alerts, clock, alarms.raised, patience.look, cert).run(stop)
    if alerts.smtp or alerts.webhook:
        parts["post"] = Post(desk, alerts, clock, alarms.raised, patience.look).run(stop)
    return parts


async def _watch_over(parts: Mapping[str, Awaitable[None]], stop: asyncio.Event) -> int:
    """Wait for `stop`; a part that ends before it ends the process: with its sentence, or with code 5.

    Raises LeaseLost when another process has taken our role over.
    """
    tasks = [asyncio.ensure_future(part) for part in parts.values()]
    names = dict(zip(tasks, parts, strict=True))
    asked = asyncio.ensure_future(stop.wait())
    await asyncio.wait([asked, *tasks], return_when=asyncio.FIRST_COMPLETED)
    died = [] if stop.is_set() else [task for task in tasks if task.done()]
    for task in died:
        if not isinstance(task.exception(), LeaseLost):
            log.error("part_died", part=names[task], exc_info=task.exception())
    stop.set()
    await asked
    late = (await asyncio.wait(tasks, timeout=_PARTS_STOP_S))[1]
    for task in late:
        log.warning("part_late", part=names[task])
        task.cancel()
    ends = await asyncio.gather(*tasks, return_exceptions=True)
    if (lost := next((end for end in ends if isinstance(end, LeaseLost)), None)) is not None:
        raise lost
    if failure := next((error for task in died if isinstance(error := task.exception(), SluzaError)), None):
        raise failure
    return Exit.FAILED if died else Exit.OK


async def _keep_certificate(
    material: tls.Material, context: SSLContext, names: Sequence[str], stop: asyncio.Event
) -> None:
    """Renew our own server certificate in time; new connections get it at once. A failure is logged and tried again."""
    while not stop.is_set():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), _LOOK_AT_CERTIFICATE_S)
        try:
            if tls.refresh(material, names, system_clock()):
                tls.load_into(context, material)
                log.info("certificate_renewed", file=str(material.cert))
        except (SluzaError, OSError) as error:
            log.error("certificate_not_renewed", cause=str(error))  # noqa: TRY400 - a sentence, not a traceback


def _admin_parts(settings: GatewaySettings, desk: Spool, door: FrontDoor, drawing: Workers, clock: Clock) -> AdminParts:
    """What the pages for people are made of; beyond loopback they have TLS and, for programs, the token."""
    admin = settings.admin
    token = read_token(admin.token_file) if admin.token_file else None
    gate = Gate(token, open_on_loopback=admin.listen.loopback, names=admin.names)
    shared = settings.shared
    return AdminParts(
        desk, shared.municipality, shared.paths.folders, clock, gate, door, drawing, shared.rules, settings,
        secure=not admin.listen.loopback or bool(admin.names), proxy=admin.proxy,
    )  # fmt: skip


def _material(settings: GatewaySettings, names: Sequence[str]) -> tls.Material | None:
    """The certificate that the listeners need, if any of them speaks TLS."""
    http = settings.http
    if not http.tls and settings.admin.listen.loopback:
        return None
    if http.cert and http.key:
        return tls.supplied(http.cert, http.key)
    try:
        return tls.own(settings.shared.paths.state / "tls", names, system_clock())
    except OSError as error:
        raise SluzaError(f"Nie można zapisać certyfikatu TLS: {error.strerror}.") from error


async def _make_folders(settings: GatewaySettings, desk: Spool, clock: Clock) -> None:
    """Folders of new units. A share that is not mounted must not stop the drop-point; the watcher looks again."""
    try:
        await set_up(desk, settings.shared.paths.folders, settings.shared.municipality, clock)
    except OSError as error:
        log.error("folders_not_made", root=str(settings.shared.paths.folders), cause=str(error))  # noqa: TRY400


def _own_name() -> list[str]:
    """This machine's name for the certificate, unless it is one that no certificate can carry."""
    name = socket.gethostname()
    return [name] if re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,61}[A-Za-z0-9])?", name) else []


def _say_ready(drop_point: Listener, admin: Listener, material: tls.Material | None) -> None:
    """One line of JSON on stdout for whoever started us."""
    ca = str(material.ca) if material and material.ca else None
    ready = {"ready": True, "role": ROLE, "url": drop_point.url, "admin_url": admin.url, "ca_file": ca}
    print(json.dumps(ready), flush=True)
    log.info("ready", url=drop_point.url, admin_url=admin.url)


def _allow_many_descriptors() -> None:
    """The soft limit of 1024 is too low for two listeners, folders and a spool; the hard one is not ours to raise."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


if __name__ == "__main__":
    sys.exit(main())
