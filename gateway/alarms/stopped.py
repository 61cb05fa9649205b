"""Telling that one of the two programs does not run: past the spool and past the gateway, which may be that program.

Quiet hours do not hold it: while the gateway does not run nobody is warned of a deadline.
"""

from gateway.alarms.settings import Alerts
from gateway.alarms.trial import Answer, tell_now
from spool.clock import Clock
from spool.domain.letters import STOPPED
from spool.domain.stopped import Why, sentences, subject


async def tell(alerts: Alerts, program: str, why: Why, clock: Clock) -> list[Answer]:
    """To everybody who looks after the server. Raises ConfigError when there is no way to tell anybody."""
    people = [*alerts.recipients, *alerts.on_call]
    return await tell_now(alerts, people, subject(program), sentences(program, why), STOPPED, clock)
