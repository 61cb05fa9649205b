"""The picture of outages and of what they did to deadlines: bars on a line of days, as plain numbers for the template.

Drawn by hand on purpose: a bar on a time line is a rectangle, and a chart library would bring a script for it; the
page reads without one. Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from gateway.web.languages import say
from gateway.web.words import day_of_year, moment
from spool.domain.announcements import Category
from spool.domain.calendar import WARSAW, start_of_day
from spool.domain.ledger import Document, Outage

WIDTH, ROW, TOP = 1000, 30, 34
_BEFORE, _AFTER = timedelta(days=14), timedelta(days=14)
_MOST_DAYS_LABELLED = 12
_TONES = {Category.MAINTENANCE: "calm", Category.FAILURE: "look", Category.TOTAL_FAILURE: "alarm"}
_LEAST = 4.0
_NAME_FITS = 780
"""A bar that ends farther right than this has its name before it."""


@dataclass(frozen=True)
class Scale:
    """From instants to places on the picture."""

    start: datetime
    end: datetime

    def x(self, at: datetime) -> float:
        """Where this instant is, held within the picture."""
        share = (at - self.start) / (self.end - self.start)
        return round(min(max(share, 0.0), 1.0) * WIDTH, 1)


def picture(outages: Sequence[Outage], moved: Sequence[Document], now: datetime) -> dict[str, Any] | None:
    """What the template draws: days, bars of announcements, marks of deadlines; None when there is nothing to see."""
    scale = Scale(start_of_day(_day(now - _BEFORE)), start_of_day(_day(now + _AFTER)))
    seen = [o for o in outages if not o.cancelled_by and _within(o, scale, now)]
    due = sorted({d.due_safe for d in moved if d.due_safe and scale.start <= d.due_safe <= scale.end})
    if not seen:
        return None
    bars = [_bar(o, scale, now, index) for index, o in enumerate(seen)]
    height = TOP + ROW * (len(bars) + 1) + 6
    return {
        "width": WIDTH,
        "height": height,
        "days": _days(scale),
        "now": scale.x(now),
        "bars": bars,
        "due": [{"x": scale.x(at), "y": height - ROW, "label": moment(at, now)} for at in due],
        "about": "; ".join(bar["label"] for bar in bars),
    }


def _bar(outage: Outage, scale: Scale, now: datetime, index: int) -> dict[str, Any]:
    period, name = outage.announcement, say(outage.announcement.category.label)
    left, right = scale.x(period.start), scale.x(period.end or max(now, period.start))
    until = moment(period.end, now) if period.end else say("nadal trwa")
    waits = "" if outage.acts else f" ({say('bez skutku')})"
    return {
        "x": left,
        "y": TOP + ROW * index,
        "width": max(right - left, _LEAST),
        "height": ROW - 10,
        "tone": _TONES[period.category] if outage.acts else "unknown",
        "open": period.end is None,
        "name": name,
        "name_x": right + 6 if right < _NAME_FITS else left - 6,
        "anchor": "start" if right < _NAME_FITS else "end",
        "label": f"{name}: {moment(period.start, now)} – {until}{waits}",
    }


def _days(scale: Scale) -> list[dict[str, Any]]:
    """Midnights in Warsaw; every second one is named when there are many."""
    days, at = [], scale.start
    while at <= scale.end:
        days.append(at)
        at = start_of_day(_day(at + timedelta(hours=36)))
    step = 1 + len(days) // _MOST_DAYS_LABELLED
    return [
        {"x": scale.x(at), "label": day_of_year(at.astimezone(WARSAW)) if index % step == 0 else ""}
        for index, at in enumerate(days)
    ]


def _within(outage: Outage, scale: Scale, now: datetime) -> bool:
    period = outage.announcement
    return period.start < scale.end and (period.end or now) > scale.start


def _day(at: datetime) -> Any:
    return at.astimezone(WARSAW).date()
