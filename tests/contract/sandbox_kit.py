"""A simulator in a thread of its own, and the small client its statements are checked with."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7
from sandbox_openapi import Contract
from sandbox_signing import Signer

from sandbox.server import build_app, endpoint_of
from sandbox.world import World, make_world

NIP = "5265877635"
OTHER_NIP = "1111111111"
_DATA = [above / "shared" / "ksef" / "data" for above in Path(__file__).resolve().parents[3:]]
SHARED = next((path for path in _DATA if path.is_dir()), _DATA[0])  # beside the project, or beside its worktrees
FA3 = {"systemCode": "FA (3)", "schemaVersion": "1-0E", "value": "FA"}


def b64(data: bytes) -> str:
    """Base64 text of bytes."""
    return base64.b64encode(data).decode()


def digest(data: bytes) -> str:
    """Base64 SHA-256, as KSeF writes hashes."""
    return b64(hashlib.sha256(data).digest())


def poll(look: Callable[[], Any], done: Callable[[Any], bool], seconds: float = 60.0) -> Any:
    """Look until it is done; the last thing seen, or a failure after the time."""
    end = time.monotonic() + seconds
    while True:
        seen = look()
        if done(seen):
            return seen
        assert time.monotonic() < end, f"not within {seconds} s: {seen}"
        time.sleep(0.005)


class Aes:
    """A caller's symmetric key and IV."""

    def __init__(self) -> None:
        self.key, self.iv = os.urandom(32), os.urandom(16)

    def seal(self, data: bytes) -> bytes:
        """AES-256-CBC, PKCS#7, no IV prefix."""
        padder = PKCS7(128).padder()
        encryptor = Cipher(algorithms.AES(self.key), modes.CBC(self.iv)).encryptor()
        return encryptor.update(padder.update(data) + padder.finalize()) + encryptor.finalize()

    def open(self, data: bytes) -> bytes:
        """The reverse."""
        decryptor = Cipher(algorithms.AES(self.key), modes.CBC(self.iv)).decryptor()
        unpadder = PKCS7(128).unpadder()
        return unpadder.update(decryptor.update(data) + decryptor.finalize()) + unpadder.finalize()


def oaep(certificate: str, data: bytes) -> bytes:
    """RSA-OAEP SHA-256 to the key in a Base64 DER certificate."""
    key = x509.load_der_x509_certificate(base64.b64decode(certificate)).public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    return key.encrypt(data, padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None))


@dataclass
class Session:
    """An open interactive session of a test."""

    box: Box
    token: str
    ref: str
    aes: Aes

    def request(self, xml: bytes, **changes: Any) -> dict[str, Any]:
        """The SendInvoiceRequest of an invoice, with some fields changed."""
        sealed = self.aes.seal(xml)
        return {
            "invoiceHash": digest(xml),
            "invoiceSize": len(xml),
            "encryptedInvoiceHash": digest(sealed),
            "encryptedInvoiceSize": len(sealed),
            "encryptedInvoiceContent": b64(sealed),
            **changes,
        }

    def post(self, xml: bytes, **changes: Any) -> httpx.Response:
        """Send an invoice; the raw answer."""
        path = f"/v2/sessions/online/{self.ref}/invoices"
        return self.box.post(path, self.token, self.request(xml, **changes))

    def send(self, xml: bytes, **changes: Any) -> str:
        """Send an invoice; its EE reference."""
        answer = self.post(xml, **changes)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["referenceNumber"])

    def item(self, ref: str) -> dict[str, Any]:
        """The invoice's status item."""
        body: dict[str, Any] = self.box.get(f"/v2/sessions/{self.ref}/invoices/{ref}", self.token).json()
        return body

    def verdict(self, xml: bytes, **changes: Any) -> dict[str, Any]:
        """Send an invoice and wait for its final status item."""
        return self.wait(self.send(xml, **changes))

    def wait(self, ref: str) -> dict[str, Any]:
        """The final status item of a sent invoice."""
        item: dict[str, Any] = poll(lambda: self.item(ref), lambda seen: seen["status"]["code"] >= 200)
        return item

    def close(self) -> httpx.Response:
        """Close the session; the raw answer."""
        return self.box.post(f"/v2/sessions/online/{self.ref}/close", self.token)

    def status(self) -> dict[str, Any]:
        """The session's status."""
        body: dict[str, Any] = self.box.get(f"/v2/sessions/{self.ref}", self.token).json()
        return body

    def settled(self) -> dict[str, Any]:
        """Close the session and wait for its final status."""
        assert self.close().status_code == 204
        final: dict[str, Any] = poll(self.status, lambda seen: seen["status"]["code"] >= 200)
        return final


@dataclass
class Box:
    """A running simulator and the calls tests make to it."""

    url: str
    world: World
    contract: Contract
    http: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=10, verify=False))
    signers: dict[str, Signer] = field(default_factory=dict)
    stop: Callable[[], None] = lambda: None

    def get(self, path: str, token: str | None = None, **options: Any) -> httpx.Response:
        """GET with an optional bearer."""
        return self.http.get(self.url + path, headers=self._headers(token, options), **options)

    def post(self, path: str, token: str | None = None, body: Any = None, **options: Any) -> httpx.Response:
        """POST JSON with an optional bearer."""
        return self.http.post(self.url + path, json=body, headers=self._headers(token, options), **options)

    def delete(self, path: str, token: str | None = None) -> httpx.Response:
        """DELETE with an optional bearer."""
        return self.http.delete(self.url + path, headers=self._headers(token, {}))

    @staticmethod
    def _headers(token: str | None, options: dict[str, Any]) -> dict[str, str]:
        headers: dict[str, str] = options.pop("headers", {})
        return headers | ({"Authorization": f"Bearer {token}"} if token else {})

    def switch(self, **values: Any) -> None:
        """Set switches."""
        answer = self.post("/sandbox/switches", body=values)
        assert answer.status_code == 200, answer.text

    def advance(self, seconds: float) -> None:
        """Move the simulated clock."""
        self.post("/sandbox/clock", body={"advance_s": seconds})

    def fault(self, endpoint: str, kind: str, **more: Any) -> str:
        """Script a fault; its id."""
        answer = self.post("/sandbox/faults", body={"endpoint": endpoint, "kind": kind, **more})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def ledger(self) -> list[dict[str, Any]]:
        """Accepted invoices."""
        rows: list[dict[str, Any]] = self.get("/sandbox/ledger").json()["invoices"]
        return rows

    def signer(self, nip: str = NIP) -> Signer:
        """An EC signer for a NIP, made once."""
        return self.signers.setdefault(nip, Signer(nip))

    def challenge(self) -> str:
        """A fresh challenge."""
        return str(self.post("/v2/auth/challenge").json()["challenge"])

    def submit(self, document: bytes) -> httpx.Response:
        """Submit a signed login document."""
        headers = {"Content-Type": "application/xml"}
        return self.http.post(f"{self.url}/v2/auth/xades-signature", content=document, headers=headers)

    def auth_status(self, started: dict[str, Any]) -> dict[str, Any]:
        """The final status of a login operation."""
        path, token = f"/v2/auth/{started['referenceNumber']}", started["authenticationToken"]["token"]
        final: dict[str, Any] = poll(lambda: self.get(path, token).json(), lambda seen: seen["status"]["code"] != 100)
        return final

    def tokens(self, nip: str = NIP, context: tuple[str, str] | None = None, **options: Any) -> dict[str, Any]:
        """Log in by XAdES; the redeemed tokens."""
        kind, value = context or ("Nip", nip)
        document = self.signer(nip).login(self.challenge(), kind, value, **options)
        started = self.submit(document).json()
        final = self.auth_status(started)
        assert final["status"]["code"] == 200, final
        answer = self.post("/v2/auth/token/redeem", started["authenticationToken"]["token"])
        body: dict[str, Any] = answer.json()
        return body

    def login(self, nip: str = NIP, context: tuple[str, str] | None = None) -> str:
        """Log in by XAdES; an access token."""
        return str(self.tokens(nip, context)["accessToken"]["token"])

    def key(self, usage: str = "SymmetricKeyEncryption") -> dict[str, Any]:
        """The first published key of a usage."""
        keys = self.get("/v2/security/public-key-certificates").json()
        return next(key for key in keys if usage in key["usage"])

    def encryption(self, aes: Aes) -> dict[str, Any]:
        """The EncryptionInfo for a caller's key."""
        key = self.key()
        wrapped = b64(oaep(key["certificate"], aes.key))
        return {
            "encryptedSymmetricKey": wrapped,
            "initializationVector": b64(aes.iv),
            "publicKeyId": key["publicKeyId"],
        }

    def session(self, token: str, form: dict[str, str] | None = None, **options: Any) -> Session:
        """Open an interactive session."""
        aes = Aes()
        body = {"formCode": form or FA3, "encryption": self.encryption(aes)}
        answer = self.post("/v2/sessions/online", token, body, **options)
        assert answer.status_code == 201, answer.text
        return Session(self, token, answer.json()["referenceNumber"], aes)

    def accept(self, token: str, xml: bytes) -> dict[str, Any]:
        """Send one invoice in a session of its own; its accepted item."""
        item = self.session(token).verdict(xml)
        assert item["status"]["code"] == 200, item
        return item

    def code(self, answer: httpx.Response) -> int:
        """The exception code of a 400."""
        assert answer.status_code == 400, (answer.status_code, answer.text)
        return int(answer.json()["exception"]["exceptionDetailList"][0]["exceptionCode"])


class Server:
    """An application served by a loop in a thread."""

    def __init__(self, data: Path, contract: Contract, **options: Any) -> None:
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._ready = threading.Event()
        chosen = {"profile": "test", "speed": "fast", "storage_base": None} | options
        self._thread = threading.Thread(target=self._run, args=(data, contract, chosen), daemon=True)
        self._thread.start()
        assert self._ready.wait(10)

    def _run(self, data: Path, contract: Contract, options: dict[str, Any]) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve(data, contract, options))

    async def _serve(self, data: Path, contract: Contract, options: dict[str, Any]) -> None:
        world = make_world(data, **options)
        app = build_app(world)

        async def see(request: web.Request, response: web.StreamResponse) -> None:
            body = response.body if isinstance(response, web.Response) else None
            contract.see(endpoint_of(request), response.status, response.content_type, body)

        app.on_response_prepare.append(see)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.box = Box(f"http://127.0.0.1:{runner.addresses[0][1]}", world, contract)
        self.box.stop = self.stop
        self._ready.set()
        await self._stop.wait()
        await runner.cleanup()

    @property
    def alive(self) -> bool:
        """Whether it still serves."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """Stop as on SIGTERM."""
        self.box.http.close()
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        self._loop.close()
