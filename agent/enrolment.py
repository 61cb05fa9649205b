"""One certificate from KSeF: key, request, patience, certificate, proof, and only then in place of the old one.

The new key is in the safe before KSeF hears of it, and each thing that KSeF says is written down before the next
question; so a run that is cut anywhere is taken up again by the next one, and no issued certificate loses its key. A
request whose answer was lost is looked for among the certificates by its name and its key before it is made again.
Source: protocol §14.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from agent.entrance import Entrance
from agent.ksef.api import Done, NoAnswer, Pending
from agent.ksef.errors import broken, garbled
from agent.ksef.transport import Transport
from agent.trial import prove_login
from certs.csr import csr_der, new_key
from certs.fitness import refuse_other_type, refuse_out_of_time
from certs.reading import Credential, PrivateKey, Use
from certs.safe import Request, Safe
from spool.clock import Clock
from spool.domain.errors import CredentialRefused
from spool.domain.municipality import Context
from spool.domain.outcomes import Later

Tell = Callable[[str], None]
_CLOCKS_MAY_DIFFER = timedelta(minutes=5)
_FIRST_POLL_S, _LONGEST_POLL_S = 0.2, 10.0
_UNKNOWN_REQUEST = {"http:410", "http:21405"}
"""KSeF tells of a request for thirty days; afterwards only the certificate itself can be looked for."""


@dataclass(frozen=True)
class Counter:
    """Where a context asks for certificates; a wait longer than `patience_s` is left to the next run."""

    transport: Transport
    context: Context
    clock: Clock
    safe: Safe
    tell: Tell
    patience_s: float


class Enrolment:
    """A certificate for one use, asked for by who is logged in through `way`."""

    def __init__(self, counter: Counter, way: Entrance, use: Use) -> None:
        self._c = counter
        self._calls = way.certificates
        self._use = use

    async def run(self) -> Credential:
        """The new pair, proven and in place. Raises NoAnswer, CredentialRefused, OSError; then the old one stays."""
        pending = self._c.safe.request(self._use)
        request = pending or await self._begin()
        key = self._c.safe.key_of(request)
        if not request.reference and not request.serial:
            request = await self._handed_in(request, key, heard=pending is not None)
        if not request.serial:
            request = await self._issued(request)
        self._c.tell("pobieram certyfikat")
        credential = await self._fetched(request, key)
        if self._use is Use.AUTH:
            self._c.tell("loguję się nowym certyfikatem")
            await prove_login(self._c.transport, self._c.context, self._c.clock, credential)
        self._c.safe.install(self._use, credential)
        self._c.safe.forget(self._use)
        return credential

    async def _begin(self) -> Request:
        """The intent, with the key, before KSeF hears anything."""
        if not await self._calls.may_request():
            raise CredentialRefused(
                "cert_limit",
                "KSeF nie wyda teraz kolejnego certyfikatu: wyczerpano limit.",
                "Proszę unieważnić niepotrzebne certyfikaty w Aplikacji Podatnika KSeF i ponowić.",
            )
        now = self._c.clock().astimezone(UTC)
        name = f"Sluza {self._c.context.id} {self._use} {now:%Y%m%d-%H%M%S}"
        return self._c.safe.begin(self._use, name, now.isoformat(timespec="seconds"), new_key())

    async def _handed_in(self, request: Request, key: PrivateKey, *, heard: bool) -> Request:
        """With its reference number, or already with the serial number where KSeF had `heard` an earlier run."""
        if heard and (serial := await self._certificate_of(request, key)):
            return self._c.safe.note(request, serial=serial)
        self._c.tell("składam wniosek")
        try:
            asked = csr_der(await self._calls.names(), key)
        except ValueError as error:
            raise garbled("dane do wniosku o certyfikat") from error
        try:
            reference = await self._calls.request(request.name, self._use.kind, asked)
        except NoAnswer as no:
            outcome = no.reading.outcome
            if isinstance(outcome, Later) and outcome.person and not heard:
                self._c.safe.forget(self._use)  # refused, so there is nothing whose key could be lost
            raise
        return self._c.safe.note(request, reference=reference)

    async def _certificate_of(self, request: Request, key: PrivateKey) -> str:
        """The serial number of a certificate with this request's name and key; empty when there is none."""
        self._c.tell("szukam certyfikatu z poprzedniej próby")
        listed = [one.serial for one in await self._calls.listed(name=request.name)]
        for serial, der in (await self._calls.fetch(listed)).items():
            if _certificate(der).public_key() == key.public_key():
                return serial
        return ""

    async def _issued(self, request: Request) -> Request:
        """With the serial number. Raises NoAnswer, also when it takes too long."""
        pause, waited = _FIRST_POLL_S, 0.0
        while True:
            try:
                fate = await self._calls.fate(request.reference)
            except NoAnswer as no:
                if no.code in _UNKNOWN_REQUEST:
                    self._c.safe.note(request, reference="")
                raise
            outcome = fate.reading.outcome
            if isinstance(outcome, Done) and fate.serial:
                return self._c.safe.note(request, serial=fate.serial)
            if isinstance(outcome, Done):
                raise garbled("numer seryjny certyfikatu")
            if not isinstance(outcome, Pending):
                self._over(request, outcome)
                raise NoAnswer(fate.reading)
            if waited > self._c.patience_s:
                raise broken(True, "wniosek o certyfikat czeka w KSeF", "enrolment")
            self._c.tell(f"KSeF przetwarza wniosek {request.reference}")
            await asyncio.sleep(pause)
            waited, pause = waited + pause, min(pause * 1.5, _LONGEST_POLL_S)

    def _over(self, request: Request, outcome: object) -> None:
        """A rejected request gave no certificate; after a failure of KSeF's own that is looked up first."""
        if isinstance(outcome, Later) and outcome.person:
            self._c.safe.forget(self._use)
        else:
            self._c.safe.note(request, reference="")

    async def _fetched(self, request: Request, key: PrivateKey) -> Credential:
        """The certificate, if it is the one that was asked for."""
        der = (await self._calls.fetch([request.serial])).get(request.serial)
        if der is None:
            raise garbled("brak certyfikatu w odpowiedzi")
        credential, where = Credential(_certificate(der), key), f"nr {request.serial}, wydany przez KSeF"
        if credential.certificate.public_key() != key.public_key():
            raise CredentialRefused("cert_key_mismatch", f"Certyfikat ({where}) nie należy do klucza z wniosku.")
        refuse_other_type(credential, self._use, where, "innego wniosku")
        refuse_out_of_time(credential, self._c.clock() + _CLOCKS_MAY_DIFFER, where)
        return credential


def _certificate(der: bytes) -> x509.Certificate:
    """A certificate with a key of the kinds that we use. Raises NoAnswer."""
    try:
        found = x509.load_der_x509_certificate(der)
        key = found.public_key()
    except ValueError as error:
        raise garbled("certyfikat") from error
    if not isinstance(key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey):
        raise garbled("rodzaj klucza w certyfikacie")
    return found
