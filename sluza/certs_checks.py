"""What `sluza certs check` looks at: files and dates first, then KSeF itself: login, permissions, revocation."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from agent.entrance import Entrance, entrance
from agent.ksef.api import NoAnswer
from agent.ksef.certificates import ACTIVE
from agent.ksef.transport import Transport
from agent.trial import missing_rights, without_rights
from certs import credentials, keyring, kod2
from certs.credentials import Known
from certs.reading import Use
from gateway.web.words import DAYS, counted
from sluza.keyroom import Room, cure
from spool.clock import system_clock
from spool.domain.calendar import WARSAW
from spool.domain.errors import ConfigError
from spool.domain.municipality import Context

_STATUS = {
    "Blocked": "KSeF zablokował ten certyfikat.",
    "Revoked": "Ten certyfikat jest w KSeF unieważniony.",
    "Expired": "KSeF uważa ten certyfikat za wygasły.",
}


class Mark(StrEnum):
    """How a check ended: all right, something to see to, or not usable."""

    OK = "ok"
    LOOK = "look"
    BAD = "bad"


@dataclass(frozen=True)
class Check:
    """One thing that was looked at; `use` is auth, offline, token, login or tls."""

    context: str
    use: str
    mark: Mark
    text: str
    cure: str = ""


def of_files(room: Room, context: Context) -> Iterator[Check]:
    """What the files of a context say by themselves."""
    now, seen = room.clock(), credentials.look(context)
    for known in seen:
        yield _of_known(known, now)
    if not any(known.role == Use.OFFLINE for known in seen):
        yield Check(
            context.id, Use.OFFLINE, Mark.LOOK, "Nie ma certyfikatu typu 2, więc faktury offline nie dostaną KODU II.",
            f"sluza certs enrol --context {context.id} --use offline",
        )  # fmt: skip
    yield from _of_sealing(room, context)


def of_tls(room: Room) -> list[Check]:
    """The drop-point's certificate, or our own authority behind it."""
    return [_of_known(known, system_clock()) for known in room.of_tls()]


def _of_known(known: Known, now: datetime) -> Check:
    name, expiry = known.context, known.expiry
    if expiry is None:
        return Check(name, known.role, Mark.BAD, known.problem, known.cure)
    if known.replaced and expiry.until:
        still = f"ważny do {_day(expiry.until)}" if now < expiry.until else f"stracił ważność {_day(expiry.until)}"
        return Check(name, known.role, Mark.OK, f"Zastąpiony nowszym, {still} (nr {expiry.serial}).", known.cure)
    if not known.used:
        return Check(name, known.role, Mark.OK, f"Nieużywany ({known.place}).", known.cure)
    if now < expiry.since:
        text = f"Certyfikat będzie ważny dopiero od {_day(expiry.since)} ({known.place})."
        return Check(name, known.role, Mark.BAD, text, "Proszę zainstalować certyfikat, który jest już ważny.")
    if expiry.until is None:
        return Check(name, known.role, Mark.OK, f"Ma bezterminowo ważność ({known.place}).")
    if expiry.until <= now:
        return Check(name, known.role, Mark.BAD, f"Stracił ważność {_day(expiry.until)} ({known.place}).", known.cure)
    text = f"Ważny do {_day(expiry.until)}, jeszcze {counted(expiry.days_left(now) or 0, DAYS)} ({known.place})."
    return Check(name, known.role, Mark.LOOK if expiry.grade(now) else Mark.OK, text, known.cure)


def _of_sealing(room: Room, context: Context) -> Iterator[Check]:
    """Keys of the safe that lie open although there is a password."""
    safe = room.safe(context)
    try:
        sealed = safe.password() is not None
        loose = [use for use in Use if sealed and safe.path(use).exists() and not safe.is_sealed(use)]
    except ConfigError as error:
        yield Check(context.id, "keys", Mark.BAD, str(error), error.hint)
        return
    for use in loose:
        text = f"Klucz nie jest zaszyfrowany, choć podano hasło kluczy ({safe.path(use)})."
        yield Check(context.id, use, Mark.LOOK, text, "sluza certs seal")


async def at_ksef(room: Room, context: Context, transport: Transport) -> list[Check]:
    """What KSeF says: does it let us in, with the permissions that we need, and is the Offline certificate alive."""
    try:
        way = entrance(transport, context, room.clock)
        missing = await missing_rights(way)
        found = [_of_rights(context, missing)]
        return [*found, *await _of_offline(context, way)]
    except ConfigError as error:
        return [Check(context.id, "login", Mark.BAD, str(error), error.hint)]
    except NoAnswer as no:
        return [Check(context.id, "login", Mark.BAD, no.reading.reason, cure(no))]


def _of_rights(context: Context, missing: tuple[str, ...]) -> Check:
    if missing:
        return Check(context.id, "login", Mark.BAD, *without_rights(context, missing))
    return Check(context.id, "login", Mark.OK, "KSeF wpuszcza i pozwala wystawiać i czytać faktury.")


async def _of_offline(context: Context, way: Entrance) -> list[Check]:
    """Revoked or blocked; a certificate of somebody else is not in our list, so silence says nothing."""
    try:
        credential = keyring.offline(context)
    except ConfigError:
        return []  # said among the files
    if credential is None:
        return []
    serial = kod2.serial(credential)
    listed = await way.certificates.listed(serial=serial) if len(serial) == kod2.SERIAL_DIGITS else []
    status = next((one.status for one in listed), None)
    if status is None:
        text = f"Certyfikatu nr {serial} KSeF nie pokazuje temu, kto się loguje; o jego ważności wie jego właściciel."
        return [Check(context.id, Use.OFFLINE, Mark.OK, text)]
    if status == ACTIVE:
        return [Check(context.id, Use.OFFLINE, Mark.OK, f"W KSeF aktywny (nr {serial}).")]
    text = _STATUS.get(status, f"KSeF podaje stan „{status}”.")
    again = f"Proszę zamówić nowy: sluza certs enrol --context {context.id} --use offline."
    return [Check(context.id, Use.OFFLINE, Mark.BAD, f"{text} Kody na wydrukach nie będą uznane.", again)]


def _day(moment: datetime) -> str:
    return f"{moment.astimezone(WARSAW):%d.%m.%Y}"
