"""The way into one context: its line, KSeF's public keys, its login, and the calls behind it."""

from collections.abc import Callable
from dataclasses import dataclass

from agent.ksef.budget import Budget
from agent.ksef.certificates import Certificates
from agent.ksef.client import SDK_ERRORS, KsefClient, KsefDoor
from agent.ksef.line import Line
from agent.ksef.login import Keys, Login
from agent.ksef.transport import Transport
from certs import keyring, watched
from certs.reading import Credential
from spool.clock import Clock
from spool.domain.municipality import Context


@dataclass(frozen=True)
class Entrance:
    """What a context is reached through."""

    door: KsefDoor
    keys: Keys
    login: Login
    ksef: KsefClient
    certificates: Certificates


def entrance(
    transport: Transport,
    context: Context,
    clock: Clock,
    budget: Budget | None = None,
    credential: Callable[[], Credential | None] | None = None,
) -> Entrance:
    """Reads what the context logs in with, unless another `credential` is to be tried. Raises ConfigError by field."""
    token = None
    if credential is None:
        keyring.refuse_empty_handed(context)
        credential, token = watched.authentication(context), keyring.token(context)
    line = Line(transport, context.url, budget or Budget(), clock, SDK_ERRORS)
    door = KsefDoor(line, context)
    keys = Keys(door, clock)
    login = Login(door, keys, credential, token, clock)
    return Entrance(door, keys, login, KsefClient(line, login), Certificates(line, login))
