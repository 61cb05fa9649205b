"""What people were told: warnings of dates and of what else is wrong, how each letter went, and a trial of the ways."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from aiohttp import web

from gateway.alarms.trial import Answer, trial
from gateway.results import local
from gateway.web import shown
from gateway.web.languages import say
from gateway.web.parts import PARTS, Viewer
from gateway.web.words import moment
from spool.domain.accounts import Right
from spool.domain.alarms import Alarm, Mail
from spool.domain.errors import ConfigError
from spool.domain.ladder import LABELS, ON_CALL
from spool.domain.letters import WEBHOOK, Letter
from spool.domain.troubles import Trouble

_ROWS = 50


async def listing(request: web.Request, viewer: Viewer) -> web.StreamResponse:
    """GET /alarmy."""
    return await _page(request, viewer)


async def test(request: web.Request, viewer: Viewer) -> web.StreamResponse:
    """POST /alarmy: a message of trial on every way; the page says what each answered."""
    parts = request.app[PARTS]
    try:
        answers = await trial(parts.alerts, list(parts.municipality.units.values()), parts.clock)
    except ConfigError as error:
        return await _page(request, viewer, error=shown.told(error))
    return await _page(request, viewer, answers)


async def _page(
    request: web.Request, viewer: Viewer, answers: Sequence[Answer] = (), error: str = ""
) -> web.StreamResponse:
    parts = request.app[PARTS]
    now = parts.clock()
    alarms, troubles, letters = await parts.spool.read(
        lambda s: (
            [(a, [*s.mails(a.id), *s.hooks(a.id)]) for a in s.alarms(_ROWS)],
            s.troubles(_ROWS),
            s.letters(_ROWS),
        )
    )
    values = {
        "alarms": [_alarm(alarm, mails, now) for alarm, mails in alarms],
        "troubles": [_trouble(one, now) for one in troubles],
        "letters": [_letter(letter, mails, now) for letter, mails in letters],
        "ways": _ways(parts.alerts.ways),
        "answers": answers,
        "error": error,
        "may_test": viewer.account.may(Right.ADMINISTER),
    }
    return shown.page(request, viewer, "alarms.html", values, 409 if error else 200)


def _alarm(alarm: Alarm, mails: Sequence[Mail], now: datetime) -> dict[str, Any]:
    grave = alarm.step in ON_CALL
    return {
        "at": moment(alarm.at, now),
        "at_iso": local(alarm.at),
        "sentence": alarm.sentence,
        "step": say(LABELS[alarm.step]),
        "open": alarm.over_at is None,
        "tone": "calm" if alarm.over_at else "alarm" if grave else "look",
        "sent": [_sent(mail, now) for mail in mails],
    }


def _trouble(one: Trouble, now: datetime) -> dict[str, Any]:
    return {
        "since": moment(one.since, now),
        "since_iso": local(one.since),
        "sentence": one.seen.sentence,
        "over": moment(one.over_at, now) if one.over_at else "",
        "tone": "calm" if one.over_at else "alarm" if one.seen.grave else "look",
    }


def _letter(letter: Letter, mails: Sequence[Mail], now: datetime) -> dict[str, Any]:
    return {
        "at": moment(letter.at, now),
        "at_iso": local(letter.at),
        "subject": letter.subject,
        "sent": [_sent(mail, now) for mail in mails],
    }


def _sent(mail: Mail, now: datetime) -> str:
    """To whom, and how far it has come."""
    where = f"webhook {mail.address}" if mail.way == WEBHOOK else mail.address
    if mail.sent_at is not None:
        return say("{where}: wysłano {at}", where=where, at=moment(mail.sent_at, now))
    return f"{where}: {mail.error}" if mail.error else say("{where}: czeka na wysłanie", where=where)


def _ways(ways: Sequence[tuple[str, str]]) -> list[str]:
    return [f"webhook {address}" if way == WEBHOOK else address for way, address in ways]
