"""What Latarnia announces: events, messages, and what they amount to at an instant (G1–G7; protocol §18)."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from sandbox.clock import iso, parse_iso, plausible, warsaw_day

GRAVITY = {"AVAILABLE": 0, "MAINTENANCE": 1, "FAILURE": 2, "TOTAL_FAILURE": 3}
FAILURES = ("FAILURE", "TOTAL_FAILURE")
NEEDED = ("id", "eventId", "category", "type", "start", "published")
MOCK = {
    "id": "K/2026/AWR/02",
    "eventId": 2,
    "category": "TOTAL_FAILURE",
    "type": "FAILURE_START",
    "title": "Awaria całkowita (komunikat przykładowy)",
    "text": "Komunikat przykładowy środowiska testowego.",
    "start": "2026-01-31T08:00:00+01:00",
    "end": None,
    "version": 1,
    "published": "2026-01-31T08:05:00+01:00",
}
Message = dict[str, Any]


@dataclass
class Post:
    """A published message; `no` stays when its id is re-issued; hidden before `shows_ms`, if that is set."""

    no: int
    message: Message
    posted_ms: int
    shows_ms: int | None = None


@dataclass
class Event:
    """A stretch of one status; no start: since ever, no end: until ended; `shown` are its messages by number.

    `closing` is the FAILURE_END that waits for the end. While an exact event runs, only exact ones are shown.
    """

    number: int | None
    status: str
    start_ms: int | None
    end_ms: int | None
    shown: list[int]
    closing: int | None = None
    exact: bool = False

    def runs(self, now: int) -> bool:
        """Whether it has begun and not ended."""
        return (self.start_ms is None or self.start_ms <= now) and (self.end_ms is None or now < self.end_ms)


@dataclass
class Beacon:
    """Everything Latarnia knows; all of it JSON, all answers derived from the instant asked about."""

    events: list[Event] = field(default_factory=list)
    posts: list[Post] = field(default_factory=list)
    down: str | None = None
    last_event: int = 0
    issued: int = 0

    @classmethod
    def load(cls, saved: dict[str, Any] | None) -> Beacon:
        """The beacon out of what `dump` gave."""
        known = saved if saved and "posts" in saved else {}
        events = [Event(**event) for event in known.get("events", [])]
        posts = [Post(**post) for post in known.get("posts", [])]
        return cls(**known | {"events": events, "posts": posts})

    def dump(self) -> dict[str, Any]:
        """The beacon as JSON."""
        return asdict(self)

    def running(self, now: int) -> list[Event]:
        """Events that run at an instant, in order of arrival."""
        return [event for event in self.events if event.runs(now)]

    def status(self, now: int) -> tuple[str, list[Message] | None]:
        """The gravest running status with the messages of every running event; AVAILABLE has none (G1, G2)."""
        running = self.running(now)
        exact = [event for event in running if event.exact]
        if exact:
            word, chosen = exact[-1].status, exact
        elif running:
            word, chosen = max((event.status for event in running), key=lambda word: GRAVITY.get(word, 9)), running
        else:
            return "AVAILABLE", None
        numbers = {number for event in chosen for number in event.shown}
        return word, [post.message for post in self._newest_first(now) if post.no in numbers]

    def messages(self, now: int, keep_ms: int) -> list[Message]:
        """The messages not yet vanished, newest first; their time counts from the end of their event (protocol §18)."""
        ends: dict[int, int] = {}
        for event in self.events:
            end = now if event.end_ms is None else event.end_ms
            ends |= {number: max(end, ends.get(number, end)) for number in event.shown}
        return [
            post.message
            for post in self._newest_first(now)
            if now < max(ends.get(post.no, 0), _counted_from(post, keep_ms)) + keep_ms
        ]

    def publish(self, message: Message, now: int, *, shows_ms: int | None = None, as_is: bool = False) -> Post:
        """Add a message; an id again replaces its message, one version up unless a higher one is given (G3).

        `as_is` skips every check and leaves the version alone.
        """
        if not as_is:
            _check(message)
        named = [post for post in self.posts if "id" in message and post.message.get("id") == message["id"]]
        former = named[0] if named else None
        if not as_is:
            message = message | {"version": _version(message.get("version"), former)}
        number = max((post.no for post in self.posts), default=0) + 1 if former is None else former.no
        post = Post(number, message, now, shows_ms)
        self.posts = [known for known in self.posts if known is not former] + [post]
        given = message.get("eventId")
        if isinstance(given, int):
            self.last_event = max(self.last_event, given)
        return post

    def plan(self, post: Post) -> None:
        """Let the clock follow an announced maintenance that names its start and end; a new window replaces (G7)."""
        start, end = (instant(post.message.get(name)) for name in ("start", "end"))
        if post.message.get("type") != "MAINTENANCE_ANNOUNCEMENT" or start is None or end is None:
            return
        known = next((event for event in self.events if event.status == "MAINTENANCE" and post.no in event.shown), None)
        if known is None:
            known = Event(post.message.get("eventId"), "MAINTENANCE", start, end, [post.no])
            self.events.append(known)
        known.start_ms, known.end_ms = start, end

    def close(self, event: Event, end_ms: int | None) -> None:
        """Set the end of an event; the FAILURE_END that waited for its announced end is withdrawn."""
        event.end_ms = end_ms
        self.posts = [post for post in self.posts if post.no != event.closing]
        event.closing = None

    def post_of(self, message_id: str) -> Post:
        """The message of an id; ValueError if there is none."""
        for post in self.posts:
            if post.message.get("id") == message_id:
                return post
        raise ValueError(f"no message {message_id!r}")

    def fresh_id(self, category: str, now: int) -> str:
        """The next id in the ministry's pattern that no message has."""
        taken = {post.message.get("id") for post in self.posts}
        while True:
            self.issued += 1
            kind = "PRT" if category == "MAINTENANCE" else "AWR"
            name = f"K/{warsaw_day(now).year}/{kind}/{self.issued:02d}"
            if name not in taken:
                return name

    def start_of(self, event: Event) -> Any:
        """What the first message of an event calls its start, for messages that continue or end it."""
        first = next((post.message for post in self.posts if post.no in event.shown[:1]), {})
        return first.get("start")

    def _newest_first(self, now: int) -> list[Post]:
        seen = [post for post in self.posts if post.shows_ms is None or post.shows_ms <= now]
        return sorted(seen, key=lambda post: (_published(post), post.no), reverse=True)


def mock(down: str | None) -> Beacon:
    """Latarnia of the ministry's TEST environment: a TOTAL_FAILURE that never ends (G6)."""
    event = Event(2, "TOTAL_FAILURE", None, None, [1])
    return Beacon([event], [Post(1, dict(MOCK), parse_iso(str(MOCK["published"])))], down, 2, 2)


def instant(value: Any) -> int | None:
    """Milliseconds of an ISO date-time with offset; None for anything else."""
    try:
        found = parse_iso(value)
    except (ValueError, TypeError, OverflowError):
        return None
    return found if plausible(found) else None


def written(body: dict[str, Any], now: int, **fixed: Any) -> Message:
    """A message as the ministry would word it; the control's own `title`, `text`, `published` come first."""
    kind = f"{fixed['category']}: {fixed['type']}"
    words = {"title": body.get("title") or kind, "text": body.get("text") or "Komunikat symulatora."}
    return fixed | words | {"version": 1, "published": body.get("published") or iso(now)}


def _check(message: Message) -> None:
    for name in NEEDED:
        if name not in message:
            raise ValueError(f"message without {name}")
    for name in ("start", "end") if message["type"] == "MAINTENANCE_ANNOUNCEMENT" else ():
        if message.get(name) is not None and instant(message[name]) is None:
            raise ValueError(f"{name}: not a date-time with an offset")


def _version(given: Any, former: Post | None) -> Any:
    if former is None:
        return 1 if given is None else given
    last = former.message.get("version")
    if not isinstance(last, int):
        return given
    return given if isinstance(given, int) and given > last else last + 1


def _published(post: Post) -> int:
    found = instant(post.message.get("published"))
    return post.posted_ms if found is None else found


def _counted_from(post: Post, keep_ms: int) -> int:
    """`published`, or the moment it was posted if that date was too old by then to be shown at all."""
    published = _published(post)
    return post.posted_ms if published <= post.posted_ms - keep_ms else published
