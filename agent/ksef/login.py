"""The access token of one context and its life: challenge, signature or token, wait, redeem, refresh, again.

One task logs in at a time; the others wait for its result. A refusal that needs a person is remembered, so that
KSeF is not asked again and again: `unblock` forgets it, and so does another certificate in place of the refused one.
Sources: protocol §2; faults K10.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from agent.ksef.api import AuthOperation, Challenge, Done, Door, NoAnswer, Pending, PublicKey, Reading, Token
from agent.ksef.errors import broken
from agent.ksef.sealing import FOR_TOKENS, choose, wrap
from certs.reading import Credential
from spool.clock import Clock
from spool.domain.outcomes import Later, Scope

MARGIN = timedelta(seconds=60)
"""A token is renewed this long before its end, so that no call carries one that ends on the way."""
_LOGIN_PATIENCE_S = 180.0
"""How long a login may stay at 100: OCSP and CRL checks of foreign certificates take their time (protocol §2.4)."""
_FIRST_POLL_S, _LONGEST_POLL_S = 0.15, 3.0
_KEYS_LIVE = timedelta(hours=1)


class Keys:
    """KSeF's public keys, fetched when first needed and after a rotation (protocol §3)."""

    def __init__(self, door: Door, clock: Clock) -> None:
        self._door = door
        self._clock = clock
        self._known: list[PublicKey] = []
        self._since: datetime | None = None

    async def get(self, usage: str) -> PublicKey:
        """The key for this use. Raises NoAnswer when KSeF does not give one."""
        now = self._clock()
        if self._since is None or not now - _KEYS_LIVE <= self._since <= now:
            self._known, self._since = await self._door.public_keys(), now
        chosen = choose(self._known, usage, now)
        if chosen is None:
            self.forget()
            raise NoAnswer(Reading(Later("KSeF nie podał klucza szyfrującego.", 60, Scope.CONTEXT), "keys:none"))
        return chosen

    def forget(self) -> None:
        """Fetch them anew before the next use: KSeF has changed them."""
        self._since = None


class Login:
    """`access()` gives a valid access token, however that has to be got."""

    def __init__(
        self, door: Door, keys: Keys, credential: Callable[[], Credential | None], token: str | None, clock: Clock
    ) -> None:
        """`credential` gives the present certificate (`certs.watched`); it outranks the token, which KSeF takes only
        until the end of 2026 (protocol §2.5)."""
        self._door = door
        self._keys = keys
        self._credential = credential
        self._ksef_token = token
        self._clock = clock
        self._lock = asyncio.Lock()
        self._access: Token | None = None
        self._refresh: Token | None = None
        self._refused: Reading | None = None
        self._refused_with: Credential | None = None
        self._rejections = 0

    @property
    def valid_until(self) -> datetime | None:
        """When the present access token ends; None when there is none."""
        return self._access.valid_until if self._access else None

    @property
    def refused(self) -> Reading | None:
        """Why a person has to do something before the next login."""
        return self._refused

    def unblock(self) -> None:
        """A person changed something: try again."""
        self._refused = None
        self._rejections = 0

    async def access(self) -> str:
        """See `client.Tokens`. Raises NoAnswer when there is no way in now."""
        async with self._lock:
            if self._refused is not None and self._credential() is not self._refused_with:
                self.unblock()
            if self._refused is not None:
                raise NoAnswer(self._refused)
            if self._access is None or self._ends_soon(self._access):
                self._access = await self._renewed()
            return self._access.text

    def rejected(self, token: str) -> None:
        """KSeF answered 401 to this token: renew; the second time within one login a person has to look (K10)."""
        if self._access is None or self._access.text != token:
            return
        self._access = None
        self._rejections += 1
        if self._rejections > 1:
            self._refresh = None
        if self._rejections > 2:
            self._block(Later("KSeF odrzuca świeżo wydany token dostępu.", scope=Scope.CONTEXT), "http:401", "")

    def worked(self) -> None:
        """A call with the present token was answered: earlier rejections no longer count."""
        self._rejections = 0

    async def _renewed(self) -> Token:
        """By the refresh token while it lives, else by a full login."""
        if self._refresh is not None and not self._ends_soon(self._refresh):
            try:
                return await self._door.refresh(self._refresh)
            except NoAnswer as no:
                if not isinstance(no.reading.outcome, Later) or no.code.startswith(("network:", "http:429")):
                    raise
        self._refresh = None
        access, self._refresh = await self._enter()
        return access

    async def _enter(self) -> tuple[Token, Token]:
        """A full login. A refusal for good is believed at the second time: 450 may mean a stale challenge only."""
        for attempt in (1, 2):
            try:
                operation = await self._hand_in(await self._door.challenge())
                await self._finished(operation)
                return await self._door.redeem(operation)
            except NoAnswer as no:
                outcome = no.reading.outcome
                if no.code == "http:21470":
                    self._keys.forget()
                elif isinstance(outcome, Later) and outcome.person and (attempt == 2 or no.code != "auth:450"):
                    self._block(outcome, no.code, no.reading.hint)
                    raise
                if attempt == 2 or no.code not in {"http:21470", "auth:450", "http:21111"}:
                    raise
        raise AssertionError("unreachable")

    async def _hand_in(self, challenge: Challenge) -> AuthOperation:
        if (credential := self._credential()) is not None:
            return await self._door.enter_signed(challenge, credential.certificate_pem, credential.key_pem)
        assert self._ksef_token is not None, "nobody comes here without a credential"
        public = await self._keys.get(FOR_TOKENS)
        secret = f"{self._ksef_token}|{challenge.timestamp_ms}".encode()
        return await self._door.enter_with_token(challenge, wrap(public, secret), public.key_id)

    async def _finished(self, operation: AuthOperation) -> None:
        """Wait while KSeF checks. Raises NoAnswer unless it ends well."""
        pause, waited = _FIRST_POLL_S, 0.0
        while True:
            reading = await self._door.auth_status(operation)
            if isinstance(reading.outcome, Done):
                return
            if not isinstance(reading.outcome, Pending):
                raise NoAnswer(reading)
            if waited > _LOGIN_PATIENCE_S:
                raise broken(True, "logowanie trwa zbyt długo", "login")
            await asyncio.sleep(pause)
            waited, pause = waited + pause, min(pause * 1.5, _LONGEST_POLL_S)

    def _block(self, outcome: Later, code: str, hint: str) -> None:
        self._refused = Reading(replace(outcome, person=True), code, hint)
        self._refused_with = self._credential()

    def _ends_soon(self, token: Token) -> bool:
        return token.valid_until - MARGIN <= self._clock()
