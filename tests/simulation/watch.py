"""The rules that must hold after every step, judged with the truth of the model (faults, section E).

`Watch` hears every call, every registration and every commit. What breaks a rule is written down once and ends the
schedule; the rules about the whole spool are those of `sluza check`, asked at the end.
"""

import json
from base64 import b64decode
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from spool.domain.states import NUMBERED, State
from tests.simulation.disk import Disk
from tests.simulation.ksef_answers import LIMITS, Reply
from tests.simulation.ksef_model import RETRYABLE, Entry, Model, Registered
from tests.simulation.network import Call

ON_ITS_WAY = frozenset({State.SENDING, State.SUBMITTED, State.UNKNOWN, State.CONFLICT}) | NUMBERED
"""Where a document must be while KSeF has it: no further send leads from here to its number."""
STORED_WITHIN = timedelta(hours=24)
_OVER = frozenset({410, 415, 430, 435, 440, 450}) | RETRYABLE
_MARGIN_S = 0.5


@dataclass
class Post:
    """One send of one document's bytes, as the truth has it. `proof`: the agent heard that nothing came of it."""

    sha256: str
    session: str
    flying: bool = True
    entries: list[Entry] = field(default_factory=list)
    proof: str = ""


@dataclass
class Row:
    """A document as the spool has it."""

    id: str
    unit: str
    sha256: str
    state: str
    number: str | None


class Watch:
    """See the module. `broken` holds what was found."""

    def __init__(self, model: Model, now: Callable[[], float], trace: Callable[..., None]) -> None:
        self.model, self.now, self.trace = model, now, trace
        self.disk: Disk
        self.broken: list[str] = []
        self.posts: list[Post] = []
        self.rows: dict[str, Row] = {}
        self.sent_to: dict[str, str] = {}
        self._bans: dict[tuple[int, str], float] = {}
        self._spent: dict[tuple[int, str], deque[float]] = {}
        self.clock_moved = -1e9

    def wrong(self, rule: str, text: str) -> None:
        """A rule is broken."""
        self.trace("BROKEN", rule, text)
        self.broken.append(f"{rule}: {text}")

    # -- the network -------------------------------------------------------------------------------------------

    def asked(self, call: Call) -> None:
        """The agent begins a call: bans and limits hold, and a send has its intent and its right."""
        self.trace("asks", call)
        if call.group:
            self._paced(call)
        if call.name == "send":
            self._may_send(call)

    def _paced(self, call: Call) -> None:
        key, now = (id(call.owner), call.group), self.now()
        until = self._bans.get(key, 0.0)
        if now < until - _MARGIN_S and self.clock_moved < until - 3600:
            self.wrong("K04", f"{call} {until - now:.1f} s before the end of a ban")
        spent = self._spent.setdefault(key, deque(maxlen=300))
        spent.append(now)
        for span, most in zip((1.0, 60.0, 3600.0), LIMITS[call.group], strict=True):
            if 0 < most < len(spent) and spent[-most - 1] > now - span and self.clock_moved < now - 3600:
                self.wrong("K04", f"{call}: more than {most} calls of {call.group} in {span:g} s")

    def _may_send(self, call: Call) -> None:
        sha256, session = b64decode(call.post).hex(), call.parts[0]
        attempts = self.disk.eye.execute(
            """SELECT d.id, d.state, a.session, a.ended_at FROM document AS d LEFT JOIN attempt AS a ON a.id =
               (SELECT max(id) FROM attempt WHERE document = d.id) WHERE d.sha256 = ?""",
            (sha256,),
        ).fetchall()
        on = [a for a in attempts if a["state"] == State.SENDING]
        if len(on) != 1 or on[0]["session"] != session or on[0]["ended_at"] is not None:
            self.wrong("I6", f"a send of {sha256[:8]} without its intent: {[tuple(a) for a in attempts]}")
        for earlier in self.posts:
            if earlier.sha256 == sha256:
                self._may_repeat(earlier)
        post = Post(sha256, session)
        self.posts.append(post)
        call.post = post

    def _may_repeat(self, earlier: Post) -> None:
        """Sent again: the earlier send must be over in truth, and the agent must have heard so."""
        short = earlier.sha256[:8]
        if any(e.open or e.code == 200 for e in earlier.entries):
            self.wrong("I2", f"{short} is sent again while KSeF has it ({[e.code for e in earlier.entries]})")
        session = self.model.sessions.get(earlier.session)
        if earlier.flying and session is not None:
            self.model.settle(session)
            if session.closed is None:
                self.wrong("I2", f"{short} is sent again while the earlier one may still arrive")
        if not earlier.proof:
            self.wrong("I2", f"{short} is sent again without any proof about the send into {earlier.session}")

    def vanished(self, call: Call, proof: str = "") -> None:
        """A call that never arrives; `proof` if the agent can tell."""
        if isinstance(call.post, Post):
            call.post.flying = False
            call.post.proof = proof
        self.trace("lost", call)

    def arrived(self, call: Call, reply: Reply) -> None:
        """KSeF dealt with it."""
        self.trace("at KSeF", call, reply[0])
        if isinstance(call.post, Post):
            call.post.flying = False
            if reply[0] == 202:
                call.post.entries.append(self._entry(call.parts[0], json.loads(reply[2])["referenceNumber"]))
        if call.name == "listed":
            session = self.model.sessions.get(call.parts[0])
            call.heard = session is not None and session.final is not None

    def _entry(self, session: str, ref: str) -> Entry:
        return next(e for e in self.model.sessions[session].entries if e.ref == ref)

    def answered(self, call: Call, reply: Reply) -> None:
        """The agent heard it: what does it prove?"""
        status, headers, content = reply
        self.trace("hears", call, status)
        if status == 429:
            key = (id(call.owner), call.group)
            self._bans[key] = max(self._bans.get(key, 0.0), self.now() + float(headers["Retry-After"]))
        if call.name == "send" and 400 <= status < 500:
            call.post.proof = f"HTTP {status}"
        if status != 200 or call.name not in ("listed", "status", "metadata"):
            return
        try:
            body = json.loads(content)
        except ValueError:
            return
        if call.name == "metadata":
            self._heard_register(json.loads(call.content), body)
            return
        items = body["invoices"] if call.name == "listed" else [body]
        over = {i["referenceNumber"] for i in items if i["status"]["code"] in _OVER}
        for post in self.posts:
            if post.session == call.parts[0]:
                if any(e.ref in over for e in post.entries):
                    post.proof = post.proof or "verdict"
                if call.name == "listed" and call.heard and not post.entries:
                    post.proof = post.proof or "closed list"

    def _heard_register(self, asked: dict[str, Any], body: dict[str, Any]) -> None:
        """A register final beyond the end of the session, a day after it, without the bytes."""
        text = body.get("permanentStorageHwmDate")
        if not text:
            return
        hwm = datetime.fromisoformat(text)
        hashes = {b64decode(i["invoiceHash"]).hex() for i in body["invoices"]}
        for post in self.posts:
            session = self.model.sessions.get(post.session)
            if session is not None and post.sha256 not in hashes and session.valid_until + STORED_WITHIN < hwm:
                post.proof = post.proof or "register"

    # -- registrations and commits -----------------------------------------------------------------------------

    def registered(self, made: Registered) -> None:
        """KSeF has it: the spool must know that it may."""
        self.trace("registers", made.number, made.sha256[:8])
        if sum(r.sha256 == made.sha256 for r in self.model.register) > 1:
            self.wrong("I2", f"{made.sha256[:8]} is registered twice")
        if made.ours:
            self._known(made)

    def _known(self, made: Registered) -> None:
        rows = [r for r in self.rows.values() if r.sha256 == made.sha256]
        if not any(r.state in ON_ITS_WAY for r in rows):
            self.wrong("I3", f"KSeF has {made.sha256[:8]}, and it is {[r.state for r in rows]} here")

    def committed(self) -> None:
        """The rules about what stands in the spool, after each commit."""
        changed = False
        for r in self.disk.eye.execute("SELECT id, unit, sha256, state, ksef_number FROM document"):
            before = self.rows.get(r["id"])
            if before is None or (before.state, before.number) != (r["state"], r["ksef_number"]):
                self.rows[r["id"]] = Row(r["id"], r["unit"], r["sha256"], r["state"], r["ksef_number"])
                self.trace("stands", r["id"][-6:], r["sha256"][:8], r["state"])
                changed = True
                if r["ksef_number"]:
                    self._number(self.rows[r["id"]])
                elif before is not None and before.number:
                    self.wrong("I9", f"{r['sha256'][:8]} lost its number")
        if changed:
            for made in self.model.register:
                if made.ours:
                    self._known(made)
        if self.model.purchases:
            self._marks()

    def _number(self, row: Row) -> None:
        made = [r for r in self.model.register if r.number == row.number]
        if len(made) != 1 or made[0].sha256 != row.sha256:
            self.wrong("I4", f"{row.sha256[:8]} has the number {row.number} of {[r.sha256[:8] for r in made]}")

    def _marks(self) -> None:
        """The cursor never passes a purchase that is not stored (I13)."""
        eye = self.disk.eye
        marks = eye.execute("SELECT upto FROM mark WHERE subject = 'Subject2'").fetchall()
        if not marks:
            return
        upto = max(datetime.fromisoformat(m["upto"]) for m in marks)
        have = {r["ksef_number"] for r in eye.execute("SELECT ksef_number FROM received")}
        for made in self.model.purchases:
            if made.stored < upto and made.number not in have:
                self.wrong("I13", f"the mark passed {made.number}, which is not stored")
