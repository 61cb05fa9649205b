"""One connection to the mail server, some letters through it, and what the server said to each. aiosmtplib speaks."""

import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP as WIRE
from email.utils import format_datetime
from pathlib import Path

import aiosmtplib

from gateway.alarms.settings import Smtp
from spool.domain.catalogue import printable
from spool.domain.errors import ConfigError

_ANSWER_WITHIN_S = 30.0
_LONGEST_ANSWER = 300
_LONGEST_SUBJECT = 180


@dataclass(frozen=True)
class Letter:
    """One message to one address; `number` names it at every try, 0 for a test."""

    number: str
    address: str
    subject: str
    text: str
    at: datetime


@dataclass(frozen=True)
class Outcome:
    """`taken` when the server answered 250 to the whole letter; `answer` is a Polish sentence with its words."""

    taken: bool
    answer: str


async def send(smtp: Smtp, letters: Sequence[Letter]) -> AsyncIterator[tuple[Letter, Outcome]]:
    """Send the letters one after the other; yields each with what became of it.

    When the server cannot be reached, or hangs up, those that are left have not been taken for that reason.
    """
    if not letters:
        return
    client: aiosmtplib.SMTP | None = None
    try:
        try:
            client = await _connected(smtp)
        except (aiosmtplib.SMTPException, OSError, ValueError, ConfigError) as error:
            for letter in letters:
                yield letter, Outcome(False, _why(smtp, error))
            return
        for letter in letters:
            yield letter, await _send_one(client, smtp, letter)
    finally:
        if client is not None:
            client.close()


def compose(smtp: Smtp, letter: Letter) -> bytes:
    """The message as it goes over the wire: text/plain, UTF-8, no line break in any header."""
    message = EmailMessage(policy=WIRE)
    message["From"], message["To"] = smtp.sender, letter.address
    message["Subject"] = printable(letter.subject, _LONGEST_SUBJECT)
    message["Date"] = format_datetime(letter.at)
    domain = smtp.sender.rpartition("@")[2]
    who = letter.address.replace("@", ".at.")
    message["Message-ID"] = f"<sluza.{letter.number}.{int(letter.at.timestamp() * 1000)}.{who}@{domain}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(letter.text, charset="utf-8", cte="quoted-printable")
    return message.as_bytes()


async def _connected(smtp: Smtp) -> aiosmtplib.SMTP:
    """A connection, encrypted and logged in as the settings say."""
    password = smtp.password()  # before the connection: a wrong file is no reason to trouble the server
    client = aiosmtplib.SMTP(
        hostname=smtp.host,
        port=smtp.port,
        local_hostname=socket.gethostname(),  # the default asks DNS, and waits for it
        timeout=_ANSWER_WITHIN_S,
        use_tls=smtp.tls == "tls",
        start_tls=smtp.tls == "starttls",
        tls_context=None if smtp.tls == "none" else context_for(smtp.extra_ca),
    )
    try:
        await client.connect()
        if smtp.user:
            await client.login(smtp.user, password)
    except BaseException:
        client.close()
        raise
    return client


def context_for(extra_ca: Path | None) -> ssl.SSLContext:
    """TLS 1.2 or newer, verified; `extra_ca` is trusted, too. Raises ConfigError when it cannot be read."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if extra_ca is not None:
        try:
            context.load_verify_locations(cafile=extra_ca)
        except OSError as error:  # ssl.SSLError is one, too
            raise ConfigError(f"Nie można wczytać pliku z pola „network.extra_ca”: {extra_ca}.") from error
    return context


async def _send_one(client: aiosmtplib.SMTP, smtp: Smtp, letter: Letter) -> Outcome:
    try:
        _, answer = await client.sendmail(smtp.sender, [letter.address], compose(smtp, letter))
    except aiosmtplib.SMTPRecipientsRefused as error:
        first = error.recipients[0]
        return Outcome(False, _said(first.code, first.message))
    except (aiosmtplib.SMTPException, OSError, ValueError) as error:
        return Outcome(False, _why(smtp, error))
    return Outcome(True, f"Serwer przyjął wiadomość: {printable(answer, _LONGEST_ANSWER)}")


def _why(smtp: Smtp, error: Exception) -> str:
    """A Polish sentence about what went wrong; never the password, which no error carries."""
    where = f"{smtp.host}:{smtp.port}"
    if isinstance(error, ConfigError):
        return f"{error} {error.hint}".strip()
    if isinstance(error, aiosmtplib.SMTPAuthenticationError):
        return f"Serwer poczty {where} nie przyjął loginu i hasła. {_said(error.code, error.message)}"
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return _said(error.code, error.message)
    if isinstance(error.__cause__, ssl.SSLError) or isinstance(error, ssl.SSLError):
        return f"Serwer poczty {where}: połączenia szyfrowanego nie udało się sprawdzić ({printable(error, 200)})."
    if isinstance(error, aiosmtplib.SMTPTimeoutError):
        return f"Serwer poczty {where} nie odpowiada na czas."
    return f"Serwer poczty {where} nie odpowiada albo przerwał połączenie ({printable(error, 200)})."


def _said(code: int, text: str) -> str:
    return f"Serwer poczty odpowiedział: {code} {printable(text, _LONGEST_ANSWER)}"
