"""Batch sessions of the model of KSeF: opening, parts, closing, unpacking. A part of `ksef_answers.Answers`."""

import gzip
import io
import json
import tarfile
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from tests.simulation.ksef_model import Model, Registered, Secret, Sitting, b64, sha

_WHOLE = (405, 415, 430, 435, 500)


class BatchAnswers:
    """What KSeF says about packages."""

    model: Model
    url: str
    _find: Callable[[str], Sitting]
    _secret: Callable[[dict[str, str]], Secret | None]
    _said: Callable[..., Any]
    _no: Callable[[int], Exception]
    _receipt_of: Callable[[Registered], Any]

    def _open_batch(self, content: bytes, **_: Any) -> Any:
        body = json.loads(content)
        file = body["batchFile"]
        session = Sitting(self.model.ref("SB"), self._secret(body["encryption"]), self.model.now(), batch=True)
        session.offline = bool(body.get("offlineMode"))
        session.package = (file["fileSize"], file["fileHash"])
        session.declared = {p["ordinalNumber"]: (p["fileSize"], p["fileHash"]) for p in file["fileParts"]}
        self.model.sessions[session.ref] = session
        uploads = [
            {"ordinalNumber": n, "method": "PUT", "url": f"{self.url}/upload/{session.ref}/{n}", "headers": {}}
            for n in session.declared
        ]
        return self._said({"referenceNumber": session.ref, "partUploadRequests": uploads}, 201)

    def _upload(self, ref: str, number: str, content: bytes, **_: Any) -> Any:
        session = self.model.sessions[ref]
        size, digest = session.declared[int(number)]
        if session.closed is not None:
            return 403, {}, b""
        if (len(content), b64(sha(content))) != (size, digest):
            return 400, {}, b""
        session.parts[int(number)] = content
        return 201, {}, b""

    def _close_batch(self, ref: str, **_: Any) -> Any:
        session = self._find(ref)
        if session.closed is not None:
            raise self._no(21180)
        if session.parts.keys() != session.declared.keys():
            raise self._no(21205)
        model, habits = self.model, self.model.habits
        session.closed = model.now()
        pause = (model.calm or habits.unpacking_s) * model.dice.random()
        session.processing_until = model.now() + timedelta(seconds=pause + 0.01)
        if model.dice.random() < habits.false_440 and not model.calm:
            session.says_440_until = model.now() + timedelta(seconds=20)
        model.later(pause, self._unpack, session)
        return 204, {}, b""

    def _unpack(self, session: Sitting) -> None:
        """KSeF looks at the package; sometimes it throws it out as a whole."""
        model = self.model
        if model.dice.random() < model.habits.package_fails and not model.calm:
            session.code = model.dice.choice(_WHOLE)
            return
        if session.secret is None:
            session.code = 415
            return
        archive = b"".join(session.secret.decrypt(session.parts[n]) for n in sorted(session.parts))
        if (len(archive), b64(sha(archive))) != session.package:
            session.code = 405
            return
        with tarfile.open(fileobj=io.BytesIO(gzip.decompress(archive))) as package:
            entries = list(package)
            model.dice.shuffle(entries)  # a list follows no order of ours
            for entry in entries:
                file = package.extractfile(entry)
                assert file is not None
                raw, times = file.read(), 1 + (model.dice.random() < model.habits.packed_twice and not model.calm)
                for _ in range(times):
                    model.on_unpacked(model.take_in(session, raw, offline=session.offline, name=entry.name))
        if not session.entries:
            session.code = 440

    def _receipt_file(self, number: str, **_: Any) -> Any:
        return self._receipt_of(self.model.by_number[number])
