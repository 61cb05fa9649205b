"""Our errors → HTTP status and problem+json (RFC 9457): one table of answers, one mapping of exceptions.

`title` is the Polish sentence, `detail` the cure, `code` is stable for programs. Nothing here depends on whose
document was asked for: what is foreign and what is absent leave by the same row (faults X20).
"""

import errno
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pysqlite3
from aiohttp import web

from gateway.own import AbsentError
from spool.domain.errors import BodyDamaged, ClockWrong, NoRoom, Problem, SpoolError
from spool.workers import WorkerCrashed, WorkerTimeout

CONTENT_TYPE = "application/problem+json"
CONFLICTS = frozenset(
    {"number_taken", "duplicate_in_municipality", "idempotency_key_reused", "known_from_training", "known_in_earnest"}
)
"""Refusals that are about a number or key which is taken: 409 instead of 422 (DESIGN 4.5)."""


@dataclass(frozen=True)
class Row:
    """One kind of answer: status, what is wrong, what to do."""

    status: int
    title: str
    detail: str = ""


_LATER = "Proszę wysłać to samo żądanie ponownie; ten sam plik nigdy nie zostanie zapisany dwa razy."

ROWS: dict[str, Row] = {
    "bad_request": Row(400, "Żądanie jest niezgodne z protokołem HTTP.", "Proszę sprawdzić program, który je wysłał."),
    "bad_parameter": Row(400, "Parametr „{name}” jest nieznany albo ma złą wartość.", "{hint}"),
    "bad_file_name": Row(
        400,
        "Nagłówek X-File-Name jest niepoprawny.",
        "Nazwa pliku (do 255 znaków) ma być w UTF-8 z kodowaniem procentowym, na przykład „faktura%20%C5%82.xml”.",
    ),
    "bad_key": Row(
        400, "Nagłówek Idempotency-Key jest niepoprawny.", "Klucz to od 1 do 200 drukowalnych znaków ASCII, podany raz."
    ),
    "body_cut": Row(400, "Treść urwała się przed końcem; nic nie zapisano.", _LATER),
    "unauthorized": Row(
        401, "Brakuje tokenu jednostki albo jest on nieważny.", "Nagłówek: „Authorization: Bearer <token jednostki>”."
    ),
    "unauthorized_admin": Row(
        401, "Ta strona jest dla administratora.", "Użytkownik „admin”, hasło: token administratora z pliku token_file."
    ),
    "wrong_password": Row(
        401, "Login, hasło albo kod się nie zgadza.", "Nowe hasło nadaje administrator: sluza user password LOGIN"
    ),
    "not_vouched": Row(
        403,
        "Serwer logowania podał login, którego w Śluzie nie ma albo którego konto jest wyłączone.",
        "Konto o tym samym loginie zakłada administrator Śluzy.",
    ),
    "vouched_twice": Row(
        400,
        "Serwer pośredniczący podał login więcej niż raz.",
        "Proszę zgłosić to informatykowi urzędu: pośrednik ma zastępować nagłówek, a nie dopisywać drugi.",
    ),
    "cookies_refused": Row(
        429,
        "Przeglądarka nie zachowuje ciasteczka, a bez niego nie da się pracować.",
        "Proszę zezwolić tej stronie na ciasteczka i spróbować ponownie za kilka minut.",
    ),
    "sign_in_first": Row(401, "Najpierw trzeba się zalogować.", "Strona logowania: /logowanie"),
    "not_allowed": Row(403, "Ta rola nie daje do tego prawa.", "Uprawnienia nadaje administrator Śluzy."),
    "form_stale": Row(
        403,
        "Formularz jest nieaktualny; niczego nie zmieniono.",
        "Proszę wrócić, odświeżyć stronę i spróbować ponownie.",
    ),
    "not_now": Row(409, "W tym stanie dokumentu nie można już tego zrobić.", "Proszę odświeżyć stronę dokumentu."),
    "unit_disabled": Row(
        403, "Jednostki tego tokenu nie ma już w konfiguracji.", "Proszę zgłosić to informatykowi urzędu."
    ),
    "not_found": Row(404, "Nie ma takiego zasobu.", "Proszę sprawdzić adres i identyfikator."),
    "upo_not_yet": Row(
        404,
        "Tego dokumentu jeszcze nie potwierdzono: UPO nie ma w bramce.",
        "UPO pojawi się zwykle w ciągu kilku minut po nadaniu numeru KSeF. Stan dokumentu podaje pole „state” wyniku.",
    ),
    "pdf_unreadable": Row(
        404, "Z tego pliku nie da się zrobić wizualizacji PDF.", "Oryginał jest dostępny pod adresem …/xml."
    ),
    "method_not_allowed": Row(405, "Pod tym adresem nie ma takiej operacji.", "Dozwolone podaje nagłówek Allow."),
    "too_slow": Row(408, "Treść napływała zbyt wolno; nic nie zapisano.", _LATER),
    "length_required": Row(411, "Brakuje długości treści.", "Proszę podać nagłówek Content-Length."),
    "too_big": Row(
        413,
        "Treść jest za duża; nic nie zapisano.",
        "Faktura XML może mieć najwyżej 3 000 000 bajtów, a archiwum ZIP 50 000 000 bajtów.",
    ),
    "bad_type": Row(
        415,
        "Ten rodzaj treści nie jest przyjmowany.",
        "Content-Type: application/xml, text/xml, application/zip albo application/octet-stream.",
    ),
    "bad_encoding": Row(
        415, "Treść skompresowana (Content-Encoding) nie jest przyjmowana.", "Kilka faktur można wysłać w ZIP."
    ),
    "expectation": Row(417, "Nagłówek Expect ma nieznaną wartość.", "Dozwolone jest tylko „100-continue”."),
    "wrong_host": Row(
        421, "Ta strona jest dostępna tylko pod adresem localhost.", "Proszę otworzyć http://localhost:PORT/."
    ),
    "refused": Row(
        422, "Dokument odrzucono.", "Przyczyny są w polu „errors”. Po poprawieniu proszę wysłać plik ponownie."
    ),
    "conflict": Row(409, "Dokument odrzucono: numer albo klucz jest już zajęty.", "Przyczyny są w polu „errors”."),
    "too_many_failures": Row(
        429, "Zbyt wiele prób z nieważnym tokenem.", "Proszę sprawdzić token i odczekać czas z nagłówka Retry-After."
    ),
    "too_many_passwords": Row(
        429, "Zbyt wiele błędnych haseł z tego komputera.", "Proszę odczekać kilka minut i spróbować ponownie."
    ),
    "internal": Row(
        500, "Wewnętrzny błąd bramki.", "Proszę powtórzyć żądanie, a jeśli błąd wraca, zgłosić go informatykowi urzędu."
    ),
    "body_damaged": Row(
        500, "Zapisana treść tego dokumentu jest uszkodzona.", "Proszę zgłosić to informatykowi urzędu."
    ),
    "busy": Row(503, "Bramka jest chwilowo zajęta albo właśnie się zamyka; nic nie zapisano.", _LATER),
    "pdf_later": Row(503, "Wizualizacji PDF nie udało się teraz przygotować.", "Proszę spróbować ponownie za chwilę."),
    "disk_full": Row(
        507, "Na dysku bramki brakuje miejsca; nic nie zapisano.", "Informatyk urzędu musi zwolnić miejsce. " + _LATER
    ),
    "disk_inodes": Row(
        507,
        "Na dysku bramki brakuje i-węzłów (inodes); nic nie zapisano.",
        "Informatyk urzędu musi usunąć zbędne pliki. " + _LATER,
    ),
    "disk_read_only": Row(
        507,
        "Dysk bramki jest tylko do odczytu; nic nie zapisano.",
        "Informatyk urzędu musi sprawdzić dysk i zamontować go ponownie do zapisu. " + _LATER,
    ),
    "not_remote": Row(
        403,
        "Foldery tej jednostki leżą na serwerze bramki, a nie na jej komputerze.",
        "Informatyk urzędu wpisuje w konfiguracji bramki „remote = true” przy tej jednostce, jeśli ma być inaczej.",
    ),
    "bad_client": Row(400, "Nagłówek X-Sluza-Client jest niepoprawny.", "32 małe cyfry szesnastkowe, podane raz."),
    "seat_taken": Row(
        409,
        "Foldery tej jednostki prowadzi już inny komputer: „{computer}” (ostatni znak życia: {seen}).",
        "Proszę zatrzymać program na tamtym komputerze. Gdy tamten milczy od 5 minut, ten przejmie foldery sam; od razu"
        " przejmuje je opcja --take-over.",
    ),
    "seat_lost": Row(
        409,
        "Foldery tej jednostki przejął inny komputer: „{computer}”. Ten niczego już w nich nie zapisze.",
        "Program ma działać tylko na jednym komputerze jednostki.",
    ),
    "upload_offset": Row(
        409, "Ten fragment nie zaczyna się tam, gdzie kończy się poprzedni.", "Pole „received” podaje, ile już jest."
    ),
    "upload_damaged": Row(
        409, "Przesłane fragmenty nie mają zapowiedzianego skrótu SHA-256; nic nie zapisano.", _LATER
    ),
    "uploads_full": Row(
        429, "Zbyt wiele przesyłek tej jednostki czeka na dokończenie.", "Proszę najpierw dokończyć rozpoczęte."
    ),
    "incomplete": Row(
        422, "Plik wygląda na niedokończony; nic nie zapisano.", "Proszę wysłać go ponownie, gdy będzie cały."
    ),
}

RETRY_AFTER_S = {
    "busy": 5,
    "pdf_later": 10,
    "disk_full": 60,
    "disk_inodes": 60,
    "disk_read_only": 60,
    "uploads_full": 60,
}


class HttpProblem(Exception):  # noqa: N818 - an answer, not always an error of ours
    """An answer other than success; raised by handlers, turned into a response in one place."""

    def __init__(
        self,
        code: str,
        *,
        errors: Iterable[Problem] = (),
        headers: Mapping[str, str] | None = None,
        close: bool = False,
        values: Mapping[str, str] | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        """`code` is a row of the table; `values` fill its sentence; `close` ends the connection after the answer."""
        super().__init__(code)
        self.code = code
        self.errors = tuple(errors)
        self.headers = dict(headers or {})
        self.close = close
        self._values = dict(values or {})
        self._extra = dict(extra or {})
        if code in RETRY_AFTER_S:
            self.headers.setdefault("Retry-After", str(RETRY_AFTER_S[code]))

    @property
    def status(self) -> int:
        """The HTTP status."""
        return ROWS[self.code].status

    def body(self) -> dict[str, Any]:
        """The problem+json members."""
        row = ROWS[self.code]
        out: dict[str, Any] = {
            "type": f"urn:sluza:problem:{self.code}",
            "title": row.title.format_map(self._values) if self._values else row.title,
            "status": row.status,
            "code": self.code,
            "detail": row.detail.format_map(self._values) if self._values else row.detail,
        }
        if self.errors:
            out["errors"] = [e.as_dict() for e in self.errors]
        return out | self._extra

    def response(self) -> web.Response:
        """The whole answer."""
        text = json.dumps(self.body(), ensure_ascii=False)
        answer = web.Response(status=self.status, text=text, content_type=CONTENT_TYPE, headers=self.headers)
        if self.close:
            answer.force_close()
        return answer


def refusal(errors: Iterable[Problem], **extra: Any) -> HttpProblem:
    """A document that intake refused: 409 when a number or key is taken, else 422."""
    found = tuple(errors)
    code = "conflict" if any(p.code in CONFLICTS for p in found) else "refused"
    return HttpProblem(code, errors=found, extra={k: v for k, v in extra.items() if v is not None})


_BY_STATUS = {404: "not_found", 405: "method_not_allowed", 413: "too_big", 417: "expectation"}
_FULL = {errno.ENOSPC, errno.EDQUOT}


def from_exception(error: Exception) -> HttpProblem:
    """What an exception means to the client. Anything unforeseen is `internal`, without a word about the cause."""
    match error:
        case HttpProblem():
            return error
        case web.HTTPException():
            allow = error.headers.get("Allow")
            return HttpProblem(_BY_STATUS.get(error.status, "bad_request"), headers={"Allow": allow} if allow else None)
        case AbsentError():
            return HttpProblem("not_found")
        case BodyDamaged():
            return HttpProblem("body_damaged")
        case NoRoom():
            return HttpProblem(error.code)
        case WorkerTimeout() | WorkerCrashed() | SpoolError() | ClockWrong():
            return HttpProblem("busy")
        case pysqlite3.Error():
            return HttpProblem("busy")
        case OSError(errno=number) if number in _FULL:
            return HttpProblem("disk_full")
        case _:
            return HttpProblem("internal")
