"""Signing in: passwords (argon2id), one-time codes, the brake on guessing, and the sessions behind the cookies.

The brake counts wrong answers per address and account together, so nobody can lock the owner out from elsewhere, and
per address alone; while it waits, nothing is verified at all (faults X17). An unknown account takes the same time and
gets the same sentence as a wrong password. A cookie is 256 random bits, made anew at every sign-in; only its hash is
stored (faults X18).
"""

import asyncio
import hmac
import secrets
from dataclasses import dataclass, replace
from functools import cache

import pyotp
import structlog
from aiohttp import web
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from gateway.http.problems import HttpProblem
from gateway.web import vouching
from gateway.web.languages import say
from gateway.web.parts import HASHER, PARTS, AdminParts, Viewer
from spool.bodies import sha256_hex
from spool.domain.accounts import SESSION_LIFE, Account, is_login, weakness
from spool.domain.catalogue import printable
from spool.domain.errors import ConfigError

_AT_ONCE = asyncio.Semaphore(2)
"""Each verification takes 64 MiB for some 50 ms: no crowd at the door may take the memory of the others."""
_SEEN_EVERY_S = 60
_TOLD_EVERY = 5
_CODE_STEP_S = 30
log = structlog.get_logger("door")


@dataclass(frozen=True)
class Answers:
    """What somebody typed."""

    login: str
    password: str
    code: str = ""


def hashed(password: str, hasher: PasswordHasher = HASHER) -> str:
    """The argon2id hash to be stored."""
    return hasher.hash(password)


def cookie_name(parts: AdminParts) -> str:
    """With TLS the browser itself holds the cookie to this host and to TLS."""
    return "__Host-sluza" if parts.secure else "sluza"


async def sign_in(parts: AdminParts, answers: Answers, address: str) -> str:
    """The cookie of a new session. Raises HttpProblem `wrong_password` or `too_many_passwords`."""
    login = answers.login.strip().lower()[:64]
    pair = f"{address} {login}"
    if wait := max(parts.pairs.wait(pair), parts.addresses.wait(address)):
        raise HttpProblem("too_many_passwords", headers={"Retry-After": str(wait)})
    if not await _right(parts, login, answers):
        await _wrong(parts, login, pair, address)
        raise HttpProblem("wrong_password")
    parts.pairs.forget(pair)
    return await opened(parts, login, address)


async def opened(parts: AdminParts, login: str, address: str, *, vouched: bool = False) -> str:
    """The cookie of a new session; `vouched`: by the word of the reverse proxy."""
    cookie, token, now = secrets.token_urlsafe(32), secrets.token_urlsafe(32), parts.wall()
    key = sha256_hex(cookie.encode())
    await parts.spool.write(lambda store: store.open_login(key, login, token, now, address, vouched=vouched))
    log.info("signed_in", login=login, peer=address, way="proxy" if vouched else "password")
    return cookie


async def _right(parts: AdminParts, login: str, answers: Answers) -> bool:
    """Password and code, both always looked at; the password of nobody takes as long as one of somebody."""
    account = await parts.spool.read(lambda store: store.account(login))
    known, secret, _ = (
        await parts.spool.read(lambda s: s.password_of(login)) if account else (_nobody(parts.hasher), "", 0)
    )
    fits = await verified(parts, known, answers.password)
    if account is None or not account.active or not fits:
        return False
    if secret and not await _code_fits(parts, login, secret, answers.code):
        return False
    if parts.hasher.check_needs_rehash(known):
        renewed = await asyncio.to_thread(hashed, answers.password, parts.hasher)
        await parts.spool.write(lambda store: store.rehash(login, renewed))
    return True


@cache
def _nobody(hasher: PasswordHasher) -> str:
    return hashed(secrets.token_urlsafe(16), hasher)


async def verified(parts: AdminParts, known: str, password: str) -> bool:
    """True when this is the password behind the hash."""
    async with _AT_ONCE:
        return await asyncio.to_thread(_fits, parts.hasher, known, password)


def _fits(hasher: PasswordHasher, known: str, password: str) -> bool:
    try:
        return hasher.verify(known, password)
    except (VerificationError, InvalidHashError):
        return False


async def _code_fits(parts: AdminParts, login: str, secret: str, code: str) -> bool:
    """A code of this half minute or the one before or after, and each of them once."""
    now = int(parts.wall().timestamp())
    typed = "".join(code.split())
    for step in (now // _CODE_STEP_S + off for off in (0, -1, 1)):
        if hmac.compare_digest(pyotp.TOTP(secret).at(step * _CODE_STEP_S).encode(), typed.encode()):
            return await parts.spool.write(lambda store, used=step: store.use_code(login, used))  # type: ignore[misc]
    return False


async def _wrong(parts: AdminParts, login: str, pair: str, address: str) -> None:
    parts.addresses.failed(address)
    parts.pairs.failed(pair)
    times = parts.pairs.count(pair)
    log.warning("sign_in_failed", peer=address)
    if times % _TOLD_EVERY == 0:
        known = await parts.spool.read(lambda store: store.account(login))
        if known is not None:
            now = parts.wall()
            await parts.spool.write(lambda store: store.login_failed(login, now, address, times))


async def viewer_of(request: web.Request) -> Viewer | None:
    """Who sent this request; None without a session that still lives.

    A session that the proxy opened counts only while each request names the same person; what is asked of people with
    a password (to change it) is not asked of them.
    """
    parts = request.app[PARTS]
    cookie = request.cookies.get(cookie_name(parts), "")
    if not cookie:
        return None
    key, now = sha256_hex(cookie.encode("utf-8", "surrogateescape")), parts.wall()
    session = parts.spool.glance(lambda store: store.login(key))
    if session is None:
        return None
    if session.over(now) or (session.vouched and vouching.login_of(request) != session.account.login):
        await parts.spool.write(lambda store: store.end_login(key))
        return None
    if (now - session.seen_at).total_seconds() >= _SEEN_EVERY_S:
        await parts.spool.write(lambda store: store.login_used(key, now))
    if session.vouched:
        parts.rounds.forget(session.account.login)
        session = replace(session, account=replace(session.account, must_change=False))
    return Viewer(session, key)


async def vouched_for(request: web.Request) -> Account | None:
    """The account that the proxy vouches for; None when it names nobody.

    Raises HttpProblem `not_vouched` for a login that is unknown, disabled or none, and `vouched_twice`.
    """
    login = vouching.login_of(request)
    if not login:
        return None
    spool = request.app[PARTS].spool
    account = await spool.read(lambda store: store.account(login)) if is_login(login) else None
    if account is None or not account.active:
        log.warning("vouched_for_nobody", peer=request.remote, login=printable(login, 64))
        raise HttpProblem("not_vouched")
    return account


async def let_in(request: web.Request, account: Account) -> str:
    """The cookie of a new session by the word of the proxy, without a password.

    A browser that keeps no cookie would ask for ever: after some rounds HttpProblem `cookies_refused`.
    """
    parts = request.app[PARTS]
    if wait := parts.rounds.failed(account.login):
        raise HttpProblem("cookies_refused", headers={"Retry-After": str(wait)})
    return await opened(parts, account.login, request.remote or "", vouched=True)


def give_cookie(parts: AdminParts, response: web.StreamResponse, cookie: str) -> None:
    """HttpOnly, never sent by another site's page, and over TLS only where there is TLS."""
    response.set_cookie(
        cookie_name(parts), cookie, httponly=True, samesite="Strict", secure=parts.secure, path="/",
        max_age=int(SESSION_LIFE.total_seconds()),
    )  # fmt: skip


def take_cookie(parts: AdminParts, response: web.StreamResponse) -> None:
    """The browser forgets it, too."""
    response.del_cookie(cookie_name(parts), path="/", secure=parts.secure, httponly=True, samesite="Strict")


async def change_password(parts: AdminParts, account: Account, old: str, new: str, address: str) -> str:
    """The person's own new password; returns the cookie of a new session, all others have ended.

    Raises ConfigError for a wrong old password or a weak new one.
    """
    known, _, _ = await parts.spool.read(lambda store: store.password_of(account.login))
    pair = f"{address} {account.login}"
    if parts.pairs.wait(pair) or not await verified(parts, known, old):
        parts.pairs.failed(pair)
        raise ConfigError(say("Dotychczasowe hasło jest inne."))
    if found := weakness(new, account.login):
        raise ConfigError(found)
    if hmac.compare_digest(old.encode(), new.encode()):
        raise ConfigError(say("Nowe hasło jest takie samo jak dotychczasowe."))
    made, now = await asyncio.to_thread(hashed, new, parts.hasher), parts.wall()
    await parts.spool.write(lambda s: s.set_password(account.login, made, now, account.login, must_change=False))
    return await opened(parts, account.login, address)


def one_time_password() -> str:
    """What an administrator hands over; good for one sign-in, which asks for another password."""
    alphabet = "abcdefghjkmnpqrstuvwxyz23456789"
    return "-".join("".join(secrets.choice(alphabet) for _ in range(4)) for _ in range(4))
