"""The story itself: which documents are dropped where, and what must become of each. Seen from the folders only."""

import http
import io
import json
import ssl
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from sluza import samples
from sluza.demo.outage import Outage, Phase
from sluza.demo.stage import MUNICIPALITY_NIP, Stage
from sluza.sample_parts import Corrected, Line
from spool.bodies import sha256_hex
from spool.domain.document import ROLE_JST_ISSUER, ThirdParty

Expected = Literal["sent", "refused", "same"]
SCHOOL_NIP = "5250000015"
WELFARE_IDWEW = "5080014460-00011"
HALL_NIP = "5250000038"
_CONSUMER = {"buyer_id": "<BrakID>1</BrakID>", "buyer_name": "Łucja Żądło"}


@dataclass
class Act:
    """One document of the story: who drops it, how, and what must happen; `said` is what the folders say now."""

    unit: str
    title: str
    name: str
    expected: Expected
    drop: Callable[["Act"], None]
    said: str = "jeszcze nie wystawiona"
    sha256: str = ""
    ksef_number: str = ""
    dropped: bool = False
    done: bool = False
    ready: Callable[[], bool] = field(default=lambda: True)

    @property
    def stem(self) -> str:
        """The name of our files about it."""
        return self.name.removesuffix(".xml")


@dataclass
class Supply:
    """One supplier's invoice: `unit` where it must arrive, None for the central tray.

    `assigned`: nobody is named, it lies in the tray with a suggestion first, and a person takes that.
    """

    title: str
    unit: str | None
    assigned: bool = False
    said: str = ""
    ksef_number: str = ""
    done: bool = False


class Story:
    """The acts in order. `advance` drops what is due and looks into the folders; call it until `over`."""

    def __init__(self, stage: Stage, today: date, serial: str) -> None:
        self._stage = stage
        self._today = today
        self._serial = serial
        self._late: list[tuple[float, Callable[[], None]]] = []
        self._outage = Outage(stage, today)
        self._waiting = self._acts_of_the_outage()
        self.acts = [*self._acts(), *self._waiting]
        self.supplies = [
            Supply("dostawca podał NIP szkoły (rola 8)", "sp1"),
            Supply("dostawca podał IDWew ośrodka (rola 8)", "gops"),
            Supply("dostawca podał tylko adres szkoły", "sp1", assigned=True),
            Supply("dostawca nie wskazał jednostki", None),
        ]

    @property
    def over(self) -> bool:
        """True when everything expected has arrived."""
        return all(a.done for a in self.acts) and all(s.done for s in self.supplies)

    def send_supplies(self) -> None:
        """Four suppliers issue their invoices in KSeF."""
        day, serial = self._today, self._serial
        bodies = (
            samples.purchase_for_unit(issue_date=day, number=f"F/{serial}/77", nip=SCHOOL_NIP),
            samples.purchase_for_unit(issue_date=day, number=f"F/{serial}/78", internal_id=WELFARE_IDWEW),
            samples.purchase_for_unit(
                issue_date=day, number=f"F/{serial}/79", third_parties=(), notes=(("Dostawa", "ul. Szkolna 1"),)
            ),
            samples.purchase_for_unit(issue_date=day, number=f"F/{serial}/80", third_parties=()),
        )
        for supply, body in zip(self.supplies, bodies, strict=True):
            answer = _post(f"{self._stage.sandbox_url}/sandbox/inbound", body, {"Content-Type": "application/xml"})
            supply.ksef_number = json.loads(answer)["ksef_number"]

    def advance(self) -> None:
        """One look: drop what is due, then read what the folders say."""
        self._outage.advance(self._waiting, self._first_chapter_is_over)
        for act in self.acts:
            if not act.dropped and act.ready():
                act.dropped, act.said = True, "wystawiona"
                act.drop(act)
        now = time.monotonic()
        for entry in [e for e in self._late if e[0] <= now]:
            self._late.remove(entry)
            entry[1]()
        for act in self.acts:
            if act.dropped and not act.done:
                self._look(act)
        for supply in self.supplies:
            if supply.assigned and not supply.said:
                self._take_suggestion(supply)
            supply.done = supply.done or self._arrived(supply)

    def summary(self, seconds: float) -> dict[str, int | float | bool]:
        """The summary object of DESIGN 4.1; `ok` only when every expected result arrived."""
        sent = [a for a in self.acts if a.expected == "sent"]
        return {
            "sent": len(sent),
            "numbered": sum(bool(a.ksef_number) for a in sent),
            "upo": sum(a.done for a in sent),
            "refused": sum(a.done for a in self.acts if a.expected == "refused"),
            "received": sum(s.done for s in self.supplies),
            "unassigned": sum(s.done for s in self.supplies if s.unit is None),
            "seconds": round(seconds, 1),
            "ok": self.over,
        }

    def _acts(self) -> list[Act]:
        hall = samples.unit_invoice(**self._own("SP1/1", lines=(Line("Wynajem sali gimnastycznej", "450.00"),)))
        first = Act("ug", "zwykła faktura", "dzierzawa.xml", "sent", self._drop(self._of_the_hall("UG/1")))
        correction = Act("ug", "korekta pierwszej faktury, z jej numerem KSeF", "korekta.xml", "sent", self._correct)
        correction.ready = lambda: bool(first.ksef_number)
        consumer = self._of_the_hall("UG/2", **_CONSUMER)
        broken = samples.invoice(**self._own("SP1/2")).replace(b"<P_2>", b"<P_22>").replace(b"</P_2>", b"</P_22>")
        legacy = samples.invoice(**self._own("GOPS/2"), prolog='<?xml version="1.0" encoding="windows-1250"?>\n')
        tomorrow = self._of_the_hall("UG/3", issue_date=self._today + timedelta(1))
        welfare = samples.unit_invoice(**self._own("GOPS/1"), internal_id=WELFARE_IDWEW)
        school_again = self._drop(hall)
        acts = [
            first,
            Act("ug", "dla konsumenta, bez NIP", "bilet.xml", "sent", self._drop(consumer)),
            Act("sp1", "szkoła w Podmiot3, rola 7", "sala.xml", "sent", self._drop(hall)),
            Act("sp1", "program zapisuje ją dwie sekundy", "basen.xml", "sent", self._drop_slowly),
            Act("sp1", "błąd w polach: P_22 zamiast P_2", "stolowka.xml", "refused", self._drop(broken)),
            Act("gops", "HTTP: IDWew ośrodka, rola 7", "obiady.xml", "sent", self._post(welfare)),
            Act(
                "gops",
                "HTTP: polskie litery w Windows-1250",
                "ksiegowa.xml",
                "refused",
                self._post(legacy.decode().encode("cp1250", "replace")),
            ),
            Act("gops", "HTTP: dwie faktury w jednym ZIP-ie", "paczka-1.xml", "sent", self._post_zip),
            Act("gops", "HTTP: druga z ZIP-a", "paczka-2.xml", "sent", lambda _: None),
            Act("ug", "data wystawienia jutro", "za-wczesnie.xml", "refused", self._drop(tomorrow)),
            correction,
        ]
        again = Act("sp1", "ten sam plik drugi raz", "sala-kopia.xml", "same", school_again)
        again.ready = lambda: any(a.name == "sala.xml" and a.ksef_number for a in acts)
        return [*acts, again]

    def _acts_of_the_outage(self) -> list[Act]:
        """Two units go on issuing while KSeF does not answer."""
        consumer = self._of_the_hall("UG/A1", **_CONSUMER)
        school = samples.unit_invoice(**self._own("SP1/A2"))
        acts = [
            Act("ug", "wystawiona w czasie awarii KSeF", "awaria-bilet.xml", "sent", self._drop(consumer)),
            Act("sp1", "wystawiona w czasie awarii KSeF", "awaria-sala.xml", "sent", self._drop(school)),
        ]
        for act in acts:
            act.ready = lambda: self._outage.running
        return acts

    def _first_chapter_is_over(self) -> bool:
        return all(a.done for a in self.acts if a not in self._waiting) and all(s.done for s in self.supplies)

    def _own(self, number: str, **more: Any) -> dict[str, Any]:
        return {
            "seller_nip": MUNICIPALITY_NIP,
            "seller_name": "Gmina Śluzowo",
            "number": f"{number}/{self._serial}",
            "issue_date": self._today,
        } | more

    def _of_the_hall(self, number: str, **more: Any) -> bytes:
        """An invoice that the town hall issues, itself in `Podmiot3` with role 7."""
        hall = ThirdParty(ROLE_JST_ISSUER, HALL_NIP, "", "Urząd Gminy Śluzowo")
        return samples.invoice(**self._own(number, third_parties=(hall,)) | more)

    def _inbox(self, unit: str) -> Path:
        return self._stage.folders / unit / "do-wyslania"

    def _drop(self, content: bytes) -> Callable[[Act], None]:
        def put(act: Act) -> None:
            act.sha256 = sha256_hex(content)
            (self._inbox(act.unit) / act.name).write_bytes(content)

        return put

    def _drop_slowly(self, act: Act) -> None:
        """As an old program does: half of the file now, the rest two seconds later."""
        content = samples.unit_invoice(**self._own("SP1/3"))
        act.sha256 = sha256_hex(content)
        handle = (self._inbox(act.unit) / act.name).open("wb", buffering=0)
        handle.write(content[: len(content) // 2])
        act.said = "zapisywana przez program"

        def finish() -> None:
            handle.write(content[len(content) // 2 :])
            handle.close()

        self._late.append((time.monotonic() + 2, finish))

    def _post_zip(self, act: Act) -> None:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for i in (1, 2):
                content = samples.unit_invoice(**self._own(f"GOPS/Z{i}"), internal_id=WELFARE_IDWEW)
                archive.writestr(f"paczka-{i}.xml", content)
                next(a for a in self.acts if a.name == f"paczka-{i}.xml").sha256 = sha256_hex(content)
        self._hand_in(act.unit, "paczka.zip", packed.getvalue(), "application/zip")

    def _post(self, content: bytes) -> Callable[[Act], None]:
        def post(act: Act) -> None:
            act.sha256 = sha256_hex(content)
            self._hand_in(act.unit, act.name, content, "application/xml")

        return post

    def _hand_in(self, unit: str, name: str, content: bytes, kind: str) -> None:
        """One call of the unit's program; a refusal (422) is told in the folder, as everything else."""
        headers = {
            "Authorization": f"Bearer {self._stage.tokens[unit]}",
            "Content-Type": kind,
            "X-File-Name": quote(name),
        }
        try:
            _post(f"{self._stage.gateway_url}/v1/invoices", content, headers, self._stage.ca_file)
        except urllib.error.HTTPError as error:
            if error.code != http.HTTPStatus.UNPROCESSABLE_ENTITY:
                raise

    def _correct(self, act: Act) -> None:
        first = self.acts[0]
        original = Corrected(f"UG/1/{self._serial}", self._today, first.ksef_number)
        content = self._of_the_hall("UG/K1", kind="KOR", corrects=(original,), lines=(Line(net="-10.00"),))
        self._drop(content)(act)

    def _look(self, act: Act) -> None:
        """What the unit's folders say of this document."""
        folder = self._stage.folders / act.unit
        if act.expected == "same":
            if not (folder / "do-wyslania" / act.name).exists():
                act.said, act.done = "to samo już jest w KSeF – nic nie wysłano", True
            return
        told = _newest(folder, act)
        if told is None:
            return
        path, result = told
        act.ksef_number = result.get("ksef_number") or ""
        if result["state"] == "REFUSED":
            act.said = result["errors"][0]["message"] if result["errors"] else "odrzucona"
            act.done = act.expected == "refused" and path.with_name(f"{path.stem}.blad.txt").exists()
        elif result["state"] == "DELIVERED":
            act.said = "numer KSeF i UPO w folderze wyslane"
            right_mode = result["mode"] == ("failure" if act in self._waiting else "online")
            act.done = act.expected == "sent" and right_mode and path.with_name(f"{path.stem}.upo.xml").exists()
        elif act not in self._waiting or self._outage.phase is Phase.OVER:
            act.said = result["history"][-1]["note"] if result["history"] else result["state"]

    def _take_suggestion(self, supply: Supply) -> None:
        """What the person in the town hall does: reads the JSON in the tray, and agrees."""
        tray = self._stage.folders / "_centrala"
        for path in tray.glob(f"odebrane/*/*{supply.ksef_number}.json"):
            told = json.loads(path.read_text(encoding="utf-8"))
            if told["suggested_unit"] != supply.unit:
                supply.said = "brak podpowiedzi"
                return
            supply.said = f"tacka centralna → {supply.unit}: {told['suggestions'][0]['why']}"
            self._stage.assign(supply.ksef_number, "zgodnie z podpowiedzią")

    def _arrived(self, supply: Supply) -> bool:
        """Its copy lies where it belongs, and nowhere else."""
        if not supply.ksef_number:
            return False
        copies = self._stage.folders.glob(f"*/odebrane/*/*{supply.ksef_number}.json")
        return [path.relative_to(self._stage.folders).parts[0] for path in copies] == [supply.unit or "_centrala"]


def _newest(folder: Path, act: Act) -> tuple[Path, dict[str, Any]] | None:
    """The most telling JSON about these very bytes: a final folder outranks `w-toku`."""
    found = [path for pattern in (f"w-toku/{act.stem}*.json", f"*/*/{act.stem}*.json") for path in folder.glob(pattern)]
    for path in reversed(found):
        try:
            result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if result["sha256"] == act.sha256:
            return path, result
    return None


def _post(url: str, body: bytes, headers: dict[str, str], ca_file: Path | None = None) -> bytes:
    context = ssl.create_default_context(cafile=str(ca_file)) if ca_file else None
    request = urllib.request.Request(url, body, headers)  # noqa: S310 - our own loopback addresses
    with urllib.request.urlopen(request, timeout=20, context=context) as answer:  # noqa: S310
        content: bytes = answer.read()
        return content
