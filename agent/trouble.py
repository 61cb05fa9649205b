"""Receiving that fails: a condition of its own, so that it stops nothing else and people still see it (faults K15)."""

from agent.forward import Tools
from agent.ksef.api import NoAnswer
from spool.store import Store

RECEIVE_FAILING = "receive_failing"


class Trouble:
    """Which subjects cannot be received now. The condition stays until every subject was heard again."""

    def __init__(self, tools: Tools, subjects: frozenset[str]) -> None:
        self._t = tools
        self._unheard = set(subjects)
        self._failing: dict[str, str] = {}
        self._lifted = False

    async def unanswered(self, subject: str, no: NoAnswer) -> None:
        """KSeF gave no answer: written down here, and the probe finds out whether that is all."""
        self._t.contact.doubt(no)
        await self.failed(subject, no.reading.reason, no.code)

    async def failed(self, subject: str, detail: str, code: str) -> None:
        """Write it down, with the moment at which it began."""
        t, now = self._t, self._t.clock()
        t.contact.log.warning("receive_failed", subject=subject, code=code)
        if self._failing.get(subject) != code:

            def job(store: Store) -> None:
                since = _since(store, t.context.id) or now.isoformat()
                value = {"since": since, "detail": detail, "code": code, "subject": subject}
                store.set_condition(t.context.id, RECEIVE_FAILING, value, now)

            await t.spool.write(job)
            self._failing[subject] = code
        self._lifted = False

    async def worked(self, subject: str) -> bool:
        """True when nothing fails any more; then the condition is lifted, unless a subject was not heard yet."""
        t, now = self._t, self._t.clock()
        self._unheard.discard(subject)
        self._failing.pop(subject, None)
        if not self._failing and not self._unheard and not self._lifted:
            await t.spool.write(lambda store: store.set_condition(t.context.id, RECEIVE_FAILING, None, now))
            self._lifted = True
        return not self._failing


def _since(store: Store, context: str) -> str:
    found = [c.value.get("since") for c in store.conditions(context) if c.name == RECEIVE_FAILING]
    return str(found[0]) if found and found[0] else ""
