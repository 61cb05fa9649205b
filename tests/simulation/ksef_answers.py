"""The HTTP answers of the model of KSeF: path in, status, headers and body out. See `ksef_model` for what it knows."""

import io
import json
import re
import zipfile
from base64 import b64decode
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tests.simulation.ksef_batch import BatchAnswers
from tests.simulation.ksef_model import Entry, Model, Registered, Secret, Sitting, b64, sha

Reply = tuple[int, dict[str, str], bytes]
HTML = b"<html><body><h1>502 Bad Gateway</h1></body></html>"
LIMITS = {
    "onlineSession": (10, 30, 120), "onlineSessionClose": (20, 60, 240), "invoiceSend": (10, 30, 180),
    "batchSession": (10, 20, 60), "batchSessionClose": (20, 40, 120), "invoiceStatus": (30, 120, 1200),
    "sessionInvoiceList": (10, 20, 200), "sessionMisc": (10, 120, 1200), "sessionList": (5, 10, 60),
    "invoiceMetadata": (8, 16, 20), "invoiceExport": (8, 16, 20), "invoiceExportStatus": (10, 60, 600),
    "invoiceDownload": (8, 16, 64), "other": (10, 30, 120), "anonymous": (60, -1, -1),
}  # fmt: skip
_R = r"([^/]+)"
_ROUTES: list[tuple[str, re.Pattern[str], str, str]] = [
    (method, re.compile(pattern + "$"), group, name)
    for method, pattern, group, name in (
        ("POST", "/auth/challenge", "anonymous", "challenge"),
        ("POST", "/auth/xades-signature", "anonymous", "enter"),
        ("POST", "/auth/token/redeem", "anonymous", "redeem"),
        ("POST", "/auth/token/refresh", "anonymous", "renew"),
        ("GET", f"/auth/{_R}", "anonymous", "auth_status"),
        ("GET", "/security/public-key-certificates", "anonymous", "public_keys"),
        ("GET", "/rate-limits", "other", "rate_limits"),
        ("POST", "/sessions/online", "onlineSession", "open"),
        ("POST", f"/sessions/online/{_R}/invoices", "invoiceSend", "send"),
        ("POST", f"/sessions/online/{_R}/close", "onlineSessionClose", "close"),
        ("POST", "/sessions/batch", "batchSession", "open_batch"),
        ("POST", f"/sessions/batch/{_R}/close", "batchSessionClose", "close_batch"),
        ("GET", "/sessions", "sessionList", "sessions"),
        ("GET", f"/sessions/{_R}/invoices", "sessionInvoiceList", "listed"),
        ("GET", f"/sessions/{_R}/invoices/ksef/{_R}/upo", "sessionMisc", "upo_by_number"),
        ("GET", f"/sessions/{_R}/invoices/{_R}/upo", "sessionMisc", "upo"),
        ("GET", f"/sessions/{_R}/invoices/{_R}", "invoiceStatus", "status"),
        ("GET", f"/sessions/{_R}", "sessionMisc", "session"),
        ("GET", f"/invoices/ksef/{_R}", "invoiceDownload", "invoice"),
        ("POST", "/invoices/query/metadata", "invoiceMetadata", "metadata"),
        ("POST", "/invoices/exports", "invoiceExport", "export"),
        ("GET", f"/invoices/exports/{_R}", "invoiceExportStatus", "export_status"),
        ("PUT", f"/upload/{_R}/{_R}", "", "upload"),
        ("GET", f"/package/{_R}", "", "part"),
        ("GET", f"/receipt/{_R}", "", "receipt_file"),
    )
]
_SPANS = (1.0, 60.0, 3600.0)


def route(method: str, path: str) -> tuple[str, str, tuple[str, ...]]:
    """The limit group, the name and the variable parts of a request."""
    for wanted, pattern, group, name in _ROUTES:
        if wanted == method and (match := pattern.match(path)):
            return group, name, match.groups()
    raise AssertionError(f"the model does not know {method} {path}")


class Refusal(Exception):  # noqa: N818 - an answer
    """A 4xx answer."""

    def __init__(self, status: int, code: int = 0, reason: str = "", after: int = 0) -> None:
        super().__init__(status, code)
        self.status, self.code, self.reason, self.after = status, code, reason, after

    def reply(self) -> Reply:
        """As HTTP."""
        if self.status == 429:
            return 429, {"Retry-After": str(self.after)}, b'{"status":{"code":429,"description":"Too Many Requests"}}'
        if self.status == 400:
            told = [{"exceptionCode": self.code, "exceptionDescription": "model", "details": []}]
            return 400, {}, json.dumps({"exception": {"exceptionDetailList": told}}).encode()
        return self.status, {}, json.dumps({"title": "x", "status": self.status, "reasonCode": self.reason}).encode()


@dataclass
class _Export:
    secret: Secret | None
    parts: bytes
    plain: bytes
    count: int
    ready: datetime
    truncated: bool
    last: datetime | None
    hwm: datetime


@dataclass
class Answers(BatchAnswers):
    """KSeF as it is heard. `handle` is one request that arrived."""

    model: Model
    url: str
    _tokens: dict[str, datetime] = field(default_factory=dict)
    _refresh: dict[str, datetime] = field(default_factory=dict)
    _logins: dict[str, bool] = field(default_factory=dict)
    _exports: dict[str, _Export] = field(default_factory=dict)
    _spent: dict[str, deque[datetime]] = field(default_factory=dict)
    limits: dict[str, tuple[int, int, int]] = field(default_factory=lambda: dict(LIMITS))

    def handle(
        self, method: str, path: str, headers: Mapping[str, str], params: Mapping[str, Any], content: bytes
    ) -> Reply:
        """One request, whole."""
        group, name, parts = route(method, path)
        try:
            if group:
                self._count(group)
            if group not in ("", "anonymous"):
                self._let_in(headers)
            return getattr(self, f"_{name}")(*parts, headers=headers, params=params, content=content)
        except Refusal as no:
            return no.reply()

    def forget_tokens(self) -> None:
        """Every access token is revoked."""
        self._tokens.clear()

    def _count(self, group: str) -> None:
        now, spent = self.model.now(), self._spent.setdefault(group, deque())
        while spent and spent[0] <= now - timedelta(seconds=_SPANS[-1]):
            spent.popleft()
        for span, most in zip(_SPANS, self.limits[group], strict=True):
            if 0 < most <= len(spent) and spent[-most] > now - timedelta(seconds=span):
                left = (spent[-most] + timedelta(seconds=span) - now).total_seconds()
                raise Refusal(429, after=int(left) + 1)
        spent.append(now)

    def _let_in(self, headers: Mapping[str, str]) -> None:
        token = headers.get("Authorization", "").removeprefix("Bearer ")
        if self._tokens.get(token, self.model.now()) <= self.model.now():
            raise Refusal(401)

    # -- login -------------------------------------------------------------------------------------------------

    def _challenge(self, **_: Any) -> Reply:
        now = self.model.now()
        return _json(
            {
                "challenge": self.model.ref("CR"),
                "timestamp": now.isoformat(),
                "timestampMs": 1790000000000,
                "clientIp": "192.0.2.7",
            }
        )

    def _enter(self, **_: Any) -> Reply:
        ref = self.model.ref("AU")
        self._logins[ref] = False
        return _json({"referenceNumber": ref, "authenticationToken": self._token("auth", 45)}, 202)

    def _auth_status(self, ref: str, **_: Any) -> Reply:
        if ref not in self._logins:
            raise Refusal(400, 21304)
        return _json({"status": {"code": 200 if self.model.dice.random() < 0.8 else 100, "description": ""}})

    def _redeem(self, headers: Mapping[str, str], **_: Any) -> Reply:
        bearer = headers.get("Authorization", "")
        if self._logins.get(bearer, False):
            raise Refusal(400, 21301)
        self._logins[bearer] = True
        access, refresh = self._token("access", 15), self._token("refresh", 7 * 24 * 60)
        self._tokens[access["token"]] = datetime.fromisoformat(access["validUntil"])
        self._refresh[refresh["token"]] = datetime.fromisoformat(refresh["validUntil"])
        return _json({"accessToken": access, "refreshToken": refresh})

    def _renew(self, headers: Mapping[str, str], **_: Any) -> Reply:
        bearer = headers.get("Authorization", "").removeprefix("Bearer ")
        if self._refresh.get(bearer, self.model.now()) <= self.model.now():
            raise Refusal(401)
        access = self._token("access", 15)
        self._tokens[access["token"]] = datetime.fromisoformat(access["validUntil"])
        return _json({"accessToken": access})

    def _token(self, kind: str, minutes: int) -> dict[str, str]:
        return {
            "token": f"{kind}-{self.model.ref('TK')}",
            "validUntil": (self.model.now() + timedelta(minutes=minutes)).isoformat(),
        }

    def _public_keys(self, **_: Any) -> Reply:
        usage = ["KsefTokenEncryption", "SymmetricKeyEncryption"]
        period = {"validFrom": "2026-01-01T00:00:00+00:00", "validTo": "2028-01-01T00:00:00+00:00"}
        return _json(
            [{"certificate": k.certificate, "publicKeyId": k.id, "usage": usage} | period for k in self.model.keys]
        )

    def _rate_limits(self, **_: Any) -> Reply:
        return _json({g: {"perSecond": s, "perMinute": m, "perHour": h} for g, (s, m, h) in self.limits.items()})

    # -- sessions ----------------------------------------------------------------------------------------------

    def _find(self, ref: str) -> Sitting:
        session = self.model.sessions.get(ref)
        if session is None:
            raise Refusal(400, 21173)
        if session.hidden:
            raise Refusal(400, 21173) if session.hidden == "unknown" else Refusal(403, reason=session.hidden)
        self.model.settle(session)
        return session

    def _secret(self, encryption: dict[str, str]) -> Secret | None:
        try:
            return self.model.secret(encryption)
        except KeyError:
            raise Refusal(400, 21470) from None

    def _open(self, content: bytes, **_: Any) -> Reply:
        session = Sitting(self.model.ref("SO"), self._secret(json.loads(content)["encryption"]), self.model.now())
        self.model.sessions[session.ref] = session
        return _json({"referenceNumber": session.ref, "validUntil": session.valid_until.isoformat()}, 201)

    def _send(self, ref: str, content: bytes, **_: Any) -> Reply:
        session, body = self._find(ref), json.loads(content)
        if session.closed is not None:
            raise Refusal(400, 21180)
        sealed = b64decode(body["encryptedInvoiceContent"])
        if len(sealed) != body["encryptedInvoiceSize"]:
            raise Refusal(400, 21402)
        if b64(sha(sealed)) != body["encryptedInvoiceHash"]:
            raise Refusal(400, 21403)
        assert session.secret is not None
        raw = session.secret.decrypt(sealed)
        if b64(sha(raw)) != body["invoiceHash"] or len(raw) != body["invoiceSize"]:
            raise Refusal(400, 21403)
        entry = self.model.take_in(session, raw, offline=bool(body.get("offlineMode")))
        return _json({"referenceNumber": entry.ref}, 202)

    def _close(self, ref: str, **_: Any) -> Reply:
        session = self._find(ref)
        if session.closed is not None:
            raise Refusal(400, 21180)
        session.closed = self.model.now()
        return 204, {}, b""

    def _session(self, ref: str, **_: Any) -> Reply:
        session = self._find(ref)
        code = session.code if session.final else (170 if session.closed else 100)
        if session.batch and not session.final:
            code = 150 if session.closed else 100
            if session.says_440_until is not None and self.model.now() < session.says_440_until:
                code = 440  # as was seen once right after a close
        return _json({"status": {"code": code, "description": ""}, "dateCreated": session.created.isoformat()})

    def _sessions(self, params: Mapping[str, Any], **_: Any) -> Reply:
        """Newest first, on one page; sessions that we are not shown are not listed."""
        since = datetime.fromisoformat(str(params["dateCreatedFrom"]))
        batch = params["sessionType"] == "Batch"
        mine = [s for s in self.model.sessions.values() if s.batch == batch and s.created >= since and not s.hidden]
        told = [
            {"referenceNumber": s.ref, "dateCreated": s.created.isoformat(), "totalInvoiceCount": len(s.entries)}
            for s in reversed(mine)
        ]
        return _json({"sessions": told})

    def _listed(self, ref: str, headers: Mapping[str, str], params: Mapping[str, Any], **_: Any) -> Reply:
        """The list lags behind while the session is not final."""
        session, now = self._find(ref), self.model.now()
        seen = [e for e in session.entries if session.final is not None or e.listed_at <= now]
        start = int(headers.get("x-continuation-token") or params.get("continuationToken") or 0)
        page = seen[start : start + self.model.habits.page]
        more = start + len(page) < len(seen)
        body: dict[str, Any] = {"invoices": [self._item(n, e) for n, e in enumerate(page, start + 1)]}
        return _json(body | ({"continuationToken": str(start + len(page))} if more else {}))

    def _said(self, body: Any, status: int = 200) -> Reply:
        return _json(body, status)

    def _no(self, code: int) -> Refusal:
        return Refusal(400, code)

    def _entry(self, session: Sitting, ref: str) -> Entry:
        entry = next((e for e in session.entries if e.ref == ref), None)
        if entry is None:
            raise Refusal(400, 21405)
        return entry

    def _status(self, session: str, ref: str, **_: Any) -> Reply:
        return _json(self._item(1, self._entry(self._find(session), ref)))

    def _item(self, ordinal: int, entry: Entry) -> dict[str, Any]:
        status: dict[str, Any] = {"code": entry.code, "description": "", "details": []}
        item: dict[str, Any] = {
            "ordinalNumber": ordinal, "referenceNumber": entry.ref, "invoiceHash": b64(sha(entry.paper.raw)),
            "invoicingDate": entry.at.isoformat(), "status": status,
        }  # fmt: skip
        if entry.name:
            item["invoiceFileName"] = entry.name
        if entry.code == 200:
            known = self.model.by_number[entry.number]
            item |= {"ksefNumber": entry.number, "acquisitionDate": known.acquired.isoformat()}
            if self.model.now() >= known.acquired + timedelta(seconds=self.model.habits.upo_s):
                item["upoDownloadUrl"] = f"{self.url}/receipt/{entry.number}"
        if entry.original is not None and not entry.lost_extensions:
            session = entry.original.session or self.model.ref("SO")
            wrong = self.model.dice.random() < 0.3
            status["extensions"] = {
                "originalKsefNumber": entry.original.number,
                "originalSessionReferenceNumber": entry.session.ref if wrong else session,
            }
        return item

    # -- receipts and the register -----------------------------------------------------------------------------

    def _upo(self, session: str, ref: str, **_: Any) -> Reply:
        sitting = self._find(session)
        entry = self._entry(sitting, ref)
        known = self.model.by_number.get(entry.number)
        return self._receipt(sitting, known if entry.code == 200 else None)

    def _upo_by_number(self, session: str, number: str, **_: Any) -> Reply:
        sitting = self._find(session)
        known = next((r for r in self.model.register if r.number == number and r.session == session), None)
        return self._receipt(sitting, known)

    def _receipt(self, session: Sitting, known: Registered | None) -> Reply:
        habits, now = self.model.habits, self.model.now()
        if known is None or now < known.acquired + timedelta(seconds=habits.upo_s):
            raise Refusal(400, 21178)
        if habits.upo_after_close and session.final is None:
            raise Refusal(400, 21178)
        return self._receipt_of(known)

    def _receipt_of(self, known: Registered) -> Reply:
        if self.model.dice.random() < self.model.habits.wrong_upo and not self.model.calm:
            known = self.model.register[0]
        text = (
            '<?xml version="1.0" encoding="UTF-8"?><Potwierdzenie xmlns="http://upo.schematy.mf.gov.pl/KSeF/v4-3">'
            f"<Dokument><NumerKSeFDokumentu>{known.number}</NumerKSeFDokumentu>"
            f"<SkrotDokumentu>{b64(bytes.fromhex(known.sha256))}</SkrotDokumentu></Dokument></Potwierdzenie>"
        )
        return 200, {}, text.encode()

    def _invoice(self, number: str, **_: Any) -> Reply:
        known = next((r for r in [*self.model.register, *self.model.purchases] if r.number == number), None)
        if known is None or known.hidden:
            raise Refusal(400, 21164)
        if known.stored > self.model.now():
            raise Refusal(400, 21165)
        return 200, {}, known.paper.raw

    def _metadata(self, content: bytes, **_: Any) -> Reply:
        asked = json.loads(content)
        wanted = [
            r for r in self.model.register
            if r.paper.nip == asked["sellerNip"] and r.paper.number == asked["invoiceNumber"] and not r.hidden
        ]  # fmt: skip
        by_storage = asked["dateRange"]["dateType"] == "PermanentStorage"
        since = datetime.fromisoformat(asked["dateRange"]["from"])
        found = [r for r in self.model.shown(wanted) if not by_storage or r.stored >= since]
        body = {"hasMore": False, "isTruncated": False, "invoices": [_metadata(r) for r in found]}
        return _json(body | ({"permanentStorageHwmDate": self.model.hwm().isoformat()} if by_storage else {}))

    # -- exports -----------------------------------------------------------------------------------------------

    def _export(self, content: bytes, **_: Any) -> Reply:
        asked, now = json.loads(content), self.model.now()
        dates, hwm = asked["filters"]["dateRange"], self.model.hwm()
        since = datetime.fromisoformat(dates["from"])
        until = min(hwm, datetime.fromisoformat(dates["to"])) if dates.get("to") else hwm
        if since > hwm or not self.model.purchases:
            raise Refusal(400, 21183)
        kept = self.model.purchases if asked["filters"]["subjectType"] == "Subject2" else []
        inside = sorted((r for r in kept if since <= r.stored <= until), key=lambda r: r.stored)
        page = inside[: self.model.habits.package]
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as package:
            for r in page:
                package.writestr(zipfile.ZipInfo(f"{r.number}.xml"), r.paper.raw)
            package.writestr(zipfile.ZipInfo("_metadata.json"), json.dumps({"invoices": [_metadata(r) for r in page]}))
        secret, plain, ref = self._secret(asked["encryption"]), archive.getvalue(), self.model.ref("EH")
        sealed = secret.encrypt(plain) if secret else b""
        cut = len(inside) > len(page)
        ready = now + timedelta(seconds=self.model.dice.random())
        last = page[-1].stored if cut else None
        self._exports[ref] = _Export(
            secret, sealed, plain, len(page), ready, cut, last, until if dates.get("to") else hwm
        )
        return _json({"referenceNumber": ref}, 201)

    def _export_status(self, ref: str, **_: Any) -> Reply:
        export = self._exports.get(ref)
        if export is None:
            raise Refusal(400, 21175)
        if self.model.now() < export.ready:
            return _json({"status": {"code": 100, "description": ""}})
        part = {
            "ordinalNumber": 1, "partName": "p-001.zip.aes", "method": "GET", "url": f"{self.url}/package/{ref}",
            "partSize": len(export.plain), "partHash": b64(sha(export.plain)), "encryptedPartSize": len(export.parts),
            "encryptedPartHash": b64(sha(export.parts)), "expirationDate": "2027-01-01T00:00:00+00:00",
        }  # fmt: skip
        package: dict[str, Any] = {
            "invoiceCount": export.count, "size": len(export.plain), "parts": [part] if export.count else [],
            "isTruncated": export.truncated, "permanentStorageHwmDate": export.hwm.isoformat(),
            "compressionType": "Zip",
        }  # fmt: skip
        if export.last is not None:
            package["lastPermanentStorageDate"] = export.last.isoformat()
        return _json({"status": {"code": 200, "description": ""}, "package": package})

    def _part(self, ref: str, **_: Any) -> Reply:
        return 200, {}, self._exports[ref].parts


def _metadata(r: Registered) -> dict[str, Any]:
    kind = {"VAT": "Vat", "KOR": "Kor"}.get(r.paper.kind, r.paper.kind)
    return {
        "ksefNumber": r.number, "invoiceNumber": r.paper.number, "invoiceType": kind, "issueDate": r.paper.issued,
        "invoiceHash": b64(bytes.fromhex(r.sha256)), "acquisitionDate": r.acquired.isoformat(),
        "permanentStorageDate": r.stored.isoformat(), "seller": {"nip": r.paper.nip},
    }  # fmt: skip


def _json(body: Any, status: int = 200) -> Reply:
    return status, {"Content-Type": "application/json"}, json.dumps(body).encode()
