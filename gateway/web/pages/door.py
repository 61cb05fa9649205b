"""The door: signing in and out, one's own password, one's own one-time codes."""

import base64
import io
from urllib.parse import urlsplit

import pyotp
import qrcode
import qrcode.image.svg
from aiohttp import web
from yarl import URL

from gateway.http.problems import ROWS, HttpProblem
from gateway.web import doorman, languages, shown, switch
from gateway.web.doorman import Answers
from gateway.web.languages import say
from gateway.web.pages import forms
from gateway.web.parts import PARTS, Viewer, same_origin
from spool.domain.accounts import SHORTEST_PASSWORD
from spool.domain.errors import ConfigError

SIGN_IN, PASSWORD = "/logowanie", "/haslo"


async def way_in(request: web.Request) -> web.StreamResponse:
    """What somebody without a session gets: in at once by the word of the proxy, or to the door."""
    if request.method not in {"GET", "HEAD"}:
        raise HttpProblem("sign_in_first")
    try:
        account = await doorman.vouched_for(request)
    except HttpProblem:
        raise web.HTTPSeeOther(SIGN_IN) from None  # which says why
    if account is None:
        raise web.HTTPSeeOther(SIGN_IN)
    cookie, here = await doorman.let_in(request, account), str(request.rel_url)
    if request.headers.get("Sec-Fetch-Site") in {"same-origin", "none"}:
        response = web.HTTPSeeOther(here)
        doorman.give_cookie(request.app[PARTS], response, cookie)
        raise response
    # Led here by another site, a browser would not bring the new cookie along a redirect, only on a page's own way.
    page = shown.bare(request, "vouched.html", {"login": account.login, "here": here})
    page.headers["Refresh"] = f"0; url={here}"
    doorman.give_cookie(request.app[PARTS], page, cookie)
    return page


async def ask(request: web.Request) -> web.StreamResponse:
    """GET /logowanie. For whom the proxy vouches it is where one comes out, and asks for no password."""
    if await doorman.viewer_of(request) is not None:
        raise web.HTTPSeeOther("/")
    try:
        account = await doorman.vouched_for(request)
    except HttpProblem as found:
        return await _door(request, found)
    return (
        shown.bare(request, "vouched.html", {"login": account.login, "here": ""}) if account else await _door(request)
    )


async def enter(request: web.Request) -> web.StreamResponse:
    """POST /logowanie: in with a new session, or the same page with one sentence."""
    if not same_origin(request):
        raise HttpProblem("form_stale")
    parts, form = request.app[PARTS], await request.post()
    try:
        answers = Answers(forms.text(form, "login", 100), forms.needed(form, "password"), forms.text(form, "code", 20))
    except ConfigError:  # longer than any login or code: nobody's, and no hash is worth computing for it
        return await _door(request, HttpProblem("wrong_password"))
    try:
        cookie = await doorman.sign_in(parts, answers, request.remote or "")
    except HttpProblem as found:
        return await _door(request, found)
    known = await doorman.viewer_of(request)
    if known is not None:
        await parts.spool.write(lambda store: store.end_login(known.cookie))
    response = web.HTTPSeeOther("/")
    doorman.give_cookie(parts, response, cookie)
    raise response


async def _door(request: web.Request, found: HttpProblem | None = None) -> web.Response:
    empty = not await request.app[PARTS].spool.read(lambda store: store.accounts())
    row = ROWS[found.code] if found else None
    values = {"empty": empty, "error": shown.joined(row.title, row.detail) if row else ""}
    response = shown.bare(request, "sign_in.html", values, found.status if found else 200)
    response.headers.update(found.headers if found else {})
    return response


async def choose_language(request: web.Request) -> web.StreamResponse:
    """POST /jezyk: the language of the pages in this browser, and back to where one was; needs no account."""
    if not same_origin(request):
        raise HttpProblem("form_stale")
    before = await _before(request)
    language = forms.needed(await request.post(), "language")
    if language not in languages.LANGUAGES:
        raise HttpProblem("bad_request")
    response = web.HTTPSeeOther(before)
    switch.remember(response, language, secure=request.app[PARTS].secure)
    raise response


async def _before(request: web.Request) -> str:
    """The page on which the switch was: where the browser says, or after a form that page's nearest parent.

    Taken from `Referer`, so that no page has to hold its own address: foreign and absent stay the same (faults X20).
    """
    try:
        url = urlsplit(request.headers.get("Referer", ""))
    except ValueError:  # no address at all
        return "/"
    if url.netloc.lower() != request.host.lower():
        return "/"
    path, query = "/" + url.path.strip("/"), url.query
    while path != "/":
        asked = request.clone(method="GET", rel_url=URL(path, encoded=True))
        if (await request.app.router.resolve(asked)).http_exception is None:
            return f"{path}?{query}" if query else path
        path, query = path.rpartition("/")[0] or "/", ""
    return "/"


async def leave(request: web.Request, viewer: Viewer) -> web.StreamResponse:
    """POST /wyloguj: the session ends here, and the browser forgets it."""
    parts = request.app[PARTS]
    await parts.spool.write(lambda store: store.end_login(viewer.cookie))
    response = web.HTTPSeeOther(SIGN_IN)
    doorman.take_cookie(parts, response)
    raise response


async def password_page(request: web.Request, viewer: Viewer) -> web.StreamResponse:
    """GET /haslo."""
    return _password(request, viewer)


async def set_password(request: web.Request, viewer: Viewer) -> web.StreamResponse:
    """POST /haslo: the person's own new password; other sessions of the account end."""
    parts, form = request.app[PARTS], await request.post()
    old, new, again = (forms.needed(form, name) for name in ("old", "new", "again"))
    if new != again:
        return _password(request, viewer, say("Nowe hasło wpisano za każdym razem inaczej."))
    try:
        cookie = await doorman.change_password(parts, viewer.account, old, new, request.remote or "")
    except ConfigError as error:
        return _password(request, viewer, shown.told(error))
    response = shown.back("/", "password")
    doorman.give_cookie(parts, response, cookie)
    raise response


def _password(request: web.Request, viewer: Viewer, error: str = "") -> web.Response:
    values = {"error": error, "least": SHORTEST_PASSWORD, "forced": viewer.account.must_change}
    return shown.page(request, viewer, "password.html", values, 422 if error else 200)


async def codes_page(request: web.Request, viewer: Viewer) -> web.StreamResponse:
    """GET /kody: a secret to be taken into a telephone; it counts only once a code made with it came back."""
    return _codes(request, viewer, pyotp.random_base32())


async def set_codes(request: web.Request, viewer: Viewer) -> web.StreamResponse:
    """POST /kody: on with a code, off with the password."""
    parts, form, login = request.app[PARTS], await request.post(), viewer.account.login
    secret = forms.needed(form, "secret")[:64]
    if viewer.account.totp:
        known, _, _ = await parts.spool.read(lambda store: store.password_of(login))
        if not await doorman.verified(parts, known, forms.needed(form, "password")):
            return _codes(request, viewer, pyotp.random_base32(), say("Hasło jest inne."))
        secret = ""
    elif not _made_with(secret, forms.needed(form, "code")):
        return _codes(request, viewer, secret or pyotp.random_base32(), say("Kod nie pasuje. Proszę wpisać bieżący."))
    await parts.spool.write(lambda store: store.set_totp(login, secret, parts.wall(), login))
    response = web.HTTPSeeOther(SIGN_IN)
    doorman.take_cookie(parts, response)
    raise response


def _made_with(secret: str, code: str) -> bool:
    try:
        return bool(secret) and pyotp.TOTP(secret).verify("".join(code.split()), valid_window=1)
    except ValueError:  # not base 32: somebody changed the hidden field
        return False


def _codes(request: web.Request, viewer: Viewer, secret: str, error: str = "") -> web.Response:
    picture = ""
    if not viewer.account.totp:
        address = pyotp.TOTP(secret).provisioning_uri(name=viewer.account.login, issuer_name="Śluza")
        drawn = io.BytesIO()
        qrcode.make(address, image_factory=qrcode.image.svg.SvgPathImage, box_size=12).save(drawn)
        picture = base64.b64encode(drawn.getvalue()).decode()
    values = {"secret": secret, "picture": picture, "error": error}
    response = shown.page(request, viewer, "codes.html", values, 422 if error else 200)
    response.headers["Content-Security-Policy"] = shown.POLICY.replace("img-src 'self'", "img-src 'self' data:")
    return response
