"""The rules that must hold after every step, judged with the truth of the model (faults, section E).

`Watch` hears every call, every registration and every commit. What breaks a rule is written down once and ends the
schedule; the rules about the whole spool are those of `sluza check`, asked at the end.
"""

import json
from base64 import b64decode
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from spool.domain.states import NUMBERED, State
from tests.simulation.disk import Disk
from tests.simulation.ksef_answers import LIMITS, Reply
from tests.simulation.ksef_model import RETRYABLE, Entry, Model, Registered, sha
from tests.simulation.network import Call

ON_ITS_WAY = frozenset({State.SENDING, State.SUBMITTED, State.UNKNOWN, State.CONFLICT}) | NUMBERED
"""Where a document must be while KSeF has it: no further send leads from here to its number."""
STORED_WITHIN = timedelta(hours=24)
_OVER = frozenset({410, 415, 430, 435, 440, 450}) | RETRYABLE
_MARGIN_S = 0.5


@dataclass
class Post:
    """One send of one document's bytes. `flying`: calls that may still arrive. `proof`: the agent heard that nothing
    came of it."""

    sha256: str
    session: str
    flying: int = 0
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
        self.root: Path
        self.broken: list[str] = []
        self.posts: list[Post] = []
        self.rows: dict[str, Row] = {}
        self.moves = 0
        self.sent_to: dict[str, str] = {}
        self._bans: dict[tuple[int, str], float] = {}
        self._spent: dict[tuple[int, str], deque[float]] = {}
        self.clock_moved = -1e9
        self.limits = LIMITS
        self._told: set[int] = set()

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
        elif call.name == "close_batch":
            self._may_close(call)
        for post in call.posts:
            post.flying += 1

    def _paced(self, call: Call) -> None:
        key, now = (id(call.owner), call.group), self.now()
        until = self._bans.get(key, 0.0)
        if now < until - _MARGIN_S and self.clock_moved < until - 3600:
            self.wrong("K04", f"{call} {until - now:.1f} s before the end of a ban")
        spent = self._spent.setdefault(key, deque(maxlen=300))
        spent.append(now)
        for span, most in zip(
            (1.0, 60.0, 3600.0), (self.limits if id(call.owner) in self._told else LIMITS)[call.group], strict=True
        ):
            if 0 < most < len(spent) and spent[-most - 1] > now - span and self.clock_moved < now - 3600:
                self.wrong("K04", f"{call}: more than {most} calls of {call.group} in {span:g} s")

    def _may_send(self, call: Call) -> None:
        """One document into an interactive session."""
        call.posts = (self._post(call.sha256, call.parts[0]),)

    def _may_close(self, call: Call) -> None:
        """A package is handed in by its close; a close that is repeated sends nothing new."""
        session = call.parts[0]
        inside = self.disk.eye.execute("SELECT sha256 FROM attempt WHERE session = ?", (session,)).fetchall()
        known = {post.sha256: post for post in self.posts if post.session == session}
        call.posts = tuple(known.get(r["sha256"]) or self._post(r["sha256"], session) for r in inside)

    def _post(self, sha256: str, session: str) -> Post:
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
        return post

    def _may_repeat(self, earlier: Post) -> None:
        """Sent again: the earlier send must be over in truth, and the agent must have heard so."""
        short = earlier.sha256[:8]
        entries = self._entries(earlier)
        if any(e.open or e.code == 200 for e in entries):
            self.wrong("I2", f"{short} is sent again while KSeF has it ({[e.code for e in entries]})")
        session = self.model.sessions.get(earlier.session)
        if session is not None:
            self.model.settle(session)
            if earlier.flying > 0 and session.closed is None:
                self.wrong("I2", f"{short} is sent again while the earlier one may still arrive")
            if session.batch and session.closed is not None and session.final is None:
                self.wrong("I2", f"{short} is sent again while KSeF unpacks the package with it")
        if not earlier.proof:
            self.wrong("I2", f"{short} is sent again without any proof about the send into {earlier.session}")

    def _entries(self, post: Post) -> list[Entry]:
        """What KSeF made of a send."""
        session = self.model.sessions.get(post.session)
        return [e for e in session.entries if e.sha256 == post.sha256] if session is not None else []

    def doubled(self, call: Call) -> None:
        """A second copy of it is on its way."""
        for post in call.posts:
            post.flying += 1
        self.trace("doubles", call)

    def vanished(self, call: Call, proof: str = "") -> None:
        """A call that never arrives; `proof` if the agent can tell."""
        for post in call.posts:
            post.flying -= 1
            if call.name == "send":
                post.proof = proof
        self.trace("lost", call)

    def arrived(self, call: Call, reply: Reply) -> None:
        """KSeF dealt with it."""
        self.trace("at KSeF", call, reply[0])
        for post in call.posts:
            post.flying -= 1
        if call.name == "listed":
            session = self.model.sessions.get(call.parts[0])
            call.heard = session is not None and session.final is not None

    def answered(self, call: Call, reply: Reply) -> None:
        """The agent heard it: what does it prove?"""
        status, headers, content = reply
        self.trace("hears", call, status)
        if status == 429:
            key = (id(call.owner), call.group)
            self._bans[key] = max(self._bans.get(key, 0.0), self.now() + float(headers["Retry-After"]))
        if call.name == "rate_limits" and status == 200:  # from now on it knows them
            self._told.add(id(call.owner))
            self._spent.clear()
        if call.name == "send" and 400 <= status < 500:
            call.posts[0].proof = f"HTTP {status}"
        if status != 200 or call.name not in ("listed", "status", "metadata"):
            return
        try:
            body = json.loads(content)
        except ValueError:
            return
        if call.name == "metadata":
            self._heard_register(body)
            return
        items = body["invoices"] if call.name == "listed" else [body]
        over = {i["referenceNumber"] for i in items if i["status"]["code"] in _OVER}
        for post in self.posts:
            if post.session == call.parts[0]:
                entries = self._entries(post)
                if any(e.ref in over for e in entries):
                    post.proof = post.proof or "verdict"
                if call.heard and not entries:
                    post.proof = post.proof or "closed list"

    def _heard_register(self, body: dict[str, Any]) -> None:
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

    def unpacked(self, entry: Entry) -> None:
        """KSeF takes a document out of a package: it had its intent there."""
        session, sha256 = entry.session.ref, entry.sha256
        found = self.disk.eye.execute("SELECT 1 FROM attempt WHERE session = ? AND sha256 = ?", (session, sha256))
        if found.fetchone() is None:
            self.wrong("I6", f"{sha256[:8]} is in the package {session} without its intent")

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
                changed, self.moves = True, self.moves + 1
                if r["state"] == State.DELIVERED:
                    self.handed_out(r["unit"], r["sha256"])
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

    def handed_out(self, unit: str, sha256: str) -> None:
        """DELIVERED says that the unit has it: its file lies there before the word is durable (F02)."""
        lying = (self.root / unit / "wyslane").rglob("*.xml")
        if not any(sha(path.read_bytes()).hex() == sha256 for path in lying):
            self.wrong("F02", f"{sha256[:8]} is DELIVERED, and its unit has no file")

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
