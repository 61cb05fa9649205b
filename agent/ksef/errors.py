"""What KSeF's codes and the network's failures mean: one table, (kind of object, code) -> rule.

The same number means different things on different objects (a session 440 was merely empty, an invoice 440 is a
duplicate), so the key is the pair (faults K06). A code that is not here is Unknown: never success, never refusal.
Sources: protocol §2.6 (login), §6.2 and §7.3 (sessions), §6.4 (invoices), §9.3 (exports), §14 (certificates),
§17 (HTTP).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from agent.ksef.api import Done, NoAnswer, Pending, Reading
from spool.domain.catalogue import problem
from spool.domain.outcomes import Later, Outcome, Refused, Scope, Unknown


class Kind(StrEnum):
    """What a code is about."""

    HTTP = "http"
    REASON = "reason"
    AUTH = "auth"
    SESSION = "session"
    BATCH = "batch"
    INVOICE = "invoice"
    EXPORT = "export"
    ENROLMENT = "enrolment"


@dataclass(frozen=True)
class Rule:
    """A row of the table: what follows from a code, the Polish reason, and the cure where a person is needed."""

    gives: type[Later] | type[Refused] | type[Unknown] | type[Pending] | type[Done]
    reason: str = ""
    hint: str = ""
    after_s: float | None = None
    scope: Scope = Scope.DOCUMENT
    person: bool = False
    new_session: bool = False
    new_login: bool = False
    new_keys: bool = False


def _again(reason: str, after_s: float | None = None) -> Rule:
    """The same operation later."""
    return Rule(Later, reason, after_s=after_s)


def _session(reason: str, *, keys: bool = False) -> Rule:
    """The same bytes in a new session, sealed with freshly fetched keys if those were the trouble."""
    return Rule(Later, reason, scope=Scope.SESSION, new_session=True, new_keys=keys)


def _login(reason: str) -> Rule:
    """A new login, then the same operation."""
    return Rule(Later, reason, scope=Scope.CONTEXT, new_login=True)


def _person(reason: str, hint: str) -> Rule:
    """Waiting will not help: the context is paused until a person changes something."""
    return Rule(Later, reason, hint, scope=Scope.CONTEXT, person=True)


_CERTIFICATE = "Proszę sprawdzić certyfikat uwierzytelniający kontekstu i jego ważność."
_BY_SIGNATURE = "Proszę najpierw zainstalować certyfikat KSeF typu 1: sluza certs import PLIK --use auth."
_TOO_MANY = "Proszę unieważnić niepotrzebne certyfikaty w Aplikacji Podatnika KSeF i ponowić."
_RIGHTS = "Proszę nadać w KSeF uprawnienia do wystawiania i odczytu faktur w tym kontekście i wznowić wysyłkę."
_MINISTRY = "Proszę skontaktować się z Ministerstwem Finansów; wysyłka jest zatrzymana."
_VENDOR = "Proszę przekazać dziennik zdarzeń dostawcy programu Śluza."

PENDING, DONE = Rule(Pending), Rule(Done)

TABLE: dict[tuple[Kind, int | str], Rule] = {
    # -- HTTP 400, by exceptionCode; every one of these proves that nothing was registered --------------------
    **{
        (Kind.HTTP, code): _person("KSeF nie przyjął podpisanego żądania logowania.", _CERTIFICATE)
        for code in (9101, 9102, 9103, 9105, 21115, 21117, 21217, 21401, 21406)
    },
    (Kind.HTTP, 21001): _again("KSeF nie odczytał żądania."),
    (Kind.HTTP, 21111): _login("Wyzwanie logowania wygasło."),
    (Kind.HTTP, 21155): _session("Sesja osiągnęła limit faktur."),
    (Kind.HTTP, 21157): _session("Rozmiar części paczki się nie zgadza."),
    (Kind.HTTP, 21161): _session("Za dużo części paczki."),
    (Kind.HTTP, 21164): _again("KSeF nie pokazuje tej faktury w tym kontekście."),
    (Kind.HTTP, 21165): _again("Faktura nie jest jeszcze dostępna do pobrania.", 30),
    (Kind.HTTP, 21166): Rule(Refused, "Faktura ma już przyjętą korektę techniczną."),
    (Kind.HTTP, 21167): Rule(Refused, "Faktura została przyjęta, korekta techniczna jest niedostępna."),
    (Kind.HTTP, 21173): _session("KSeF nie zna tej sesji."),
    (Kind.HTTP, 21175): _again("KSeF nie zna tego eksportu."),
    (Kind.HTTP, 21178): _again("UPO nie jest jeszcze dostępne."),
    (Kind.HTTP, 21180): _session("Stan sesji nie pozwala na wysyłkę.", keys=True),
    (Kind.HTTP, 21181): _again("KSeF nie pozwala na eksport dla tego podmiotu i kontekstu.", 3600),
    (Kind.HTTP, 21182): _again("Trwa już za dużo eksportów.", 60),
    (Kind.HTTP, 21183): _again("KSeF nie udostępnił jeszcze tego zakresu.", 60),
    (Kind.HTTP, 21184): _session("Sesja jest chwilowo niedostępna."),
    (Kind.HTTP, 21205): _session("Brakuje części paczki."),
    (Kind.HTTP, 21208): _session("Minął czas na przesłanie paczki."),
    (Kind.HTTP, 21301): _login("KSeF nie wydał tokenów dla tego logowania."),
    (Kind.HTTP, 21304): _login("KSeF nie zna tego logowania."),
    (Kind.HTTP, 21308): _person("KSeF odrzucił środek uwierzytelnienia osoby zmarłej.", _CERTIFICATE),
    (Kind.HTTP, 21402): _again("Rozmiar pliku uległ zmianie w drodze."),
    (Kind.HTTP, 21403): _again("Skrót pliku nie zgodził się w drodze."),
    (Kind.HTTP, 21405): _again("KSeF uznał żądanie za nieprawidłowe."),
    (Kind.HTTP, 21418): _again("Lista zmieniła się w trakcie czytania."),
    (Kind.HTTP, 21470): _session("KSeF wymienił klucz szyfrujący.", keys=True),
    **{
        (Kind.HTTP, code): _person("KSeF wydaje certyfikaty tylko po zalogowaniu certyfikatem.", _BY_SIGNATURE)
        for code in (25001, 25002)
    },
    **{
        (Kind.HTTP, code): _person("KSeF odmówił operacji na certyfikacie.", _CERTIFICATE)
        for code in (25003, 25004, 25005, 25008, 25009, 25010, 25011)
    },
    (Kind.HTTP, 25006): _person("Wyczerpano limit wniosków o certyfikat KSeF.", _TOO_MANY),
    (Kind.HTTP, 25007): _person("Osiągnięto limit aktywnych certyfikatów KSeF.", _TOO_MANY),
    **{(Kind.HTTP, code): _person("KSeF odmówił wydania tokena.", _RIGHTS) for code in (26001, 26002)},
    (Kind.HTTP, 30001): DONE,
    **{
        (Kind.HTTP, code): Rule(Refused, "KSeF odmówił nadania identyfikatora zbiorczego.")
        for code in (71001, 71002, 71004, 71005)
    },
    # -- HTTP statuses without a code of their own; a front door that says 4xx has not let the request in -------
    (Kind.HTTP, 401): _login("Token dostępu wygasł albo został unieważniony."),
    (Kind.HTTP, 403): Rule(Later, "KSeF odmówił dostępu bez podania powodu.", after_s=60, scope=Scope.CONTEXT),
    **{(Kind.HTTP, code): _again(f"KSeF odpowiedział kodem HTTP {code}.", 60) for code in (404, 405, 411, 415, 431)},
    (Kind.HTTP, 410): _again("KSeF nie przechowuje już wyniku tej operacji."),
    (Kind.HTTP, 413): _again("Żądanie jest za duże dla wejścia KSeF.", 300),
    (Kind.HTTP, 429): Rule(Later, "Limit wywołań KSeF.", scope=Scope.CONTEXT),
    # -- HTTP 403 by reasonCode -------------------------------------------------------------------------------
    (Kind.REASON, "missing-permissions"): _person("Brak uprawnień w KSeF.", _RIGHTS),
    (Kind.REASON, "insufficient-resource-access"): _person("Zasób KSeF należy do innego podmiotu.", _RIGHTS),
    (Kind.REASON, "context-type-not-allowed"): _person("KSeF nie pozwala na to w tym rodzaju kontekstu.", _RIGHTS),
    (Kind.REASON, "auth-method-not-allowed"): _person("KSeF nie pozwala na to przy tym logowaniu.", _CERTIFICATE),
    (Kind.REASON, "ip-not-allowed"): _person(
        "KSeF nie wpuszcza z tego adresu IP.", "Proszę poprawić listę adresów tokena albo adres wyjścia do internetu."
    ),
    (Kind.REASON, "security-service-blocked"): _person("KSeF zablokował dostęp ze względów bezpieczeństwa.", _MINISTRY),
    # -- login (§2.6) -----------------------------------------------------------------------------------------
    (Kind.AUTH, 100): PENDING,
    (Kind.AUTH, 200): DONE,
    (Kind.AUTH, 400): _person("KSeF nie uznał certyfikatu.", _CERTIFICATE),
    (Kind.AUTH, 415): _person("Podmiot nie ma żadnych uprawnień w tym kontekście KSeF.", _RIGHTS),
    (Kind.AUTH, 425): _login("Logowanie zostało unieważnione."),
    # 450 is also a stale challenge: the login tries once more by itself before it believes (api 2.6.1: free texts).
    (Kind.AUTH, 450): _person("KSeF nie uznał tokena.", "Proszę sprawdzić token KSeF albo przejść na certyfikat."),
    (Kind.AUTH, 460): _person("KSeF nie uznał certyfikatu (nieważny, unieważniony lub zawieszony).", _CERTIFICATE),
    (Kind.AUTH, 470): _person("Środek uwierzytelnienia należy do osoby zmarłej.", _CERTIFICATE),
    (Kind.AUTH, 480): _person("KSeF zablokował logowanie: podejrzenie incydentu bezpieczeństwa.", _MINISTRY),
    (Kind.AUTH, 500): _login("Nieznany błąd logowania po stronie KSeF."),
    (Kind.AUTH, 550): _login("KSeF anulował logowanie, prosi o ponowienie."),
    # -- interactive session (§6.2) ---------------------------------------------------------------------------
    (Kind.SESSION, 100): PENDING,
    (Kind.SESSION, 170): PENDING,
    (Kind.SESSION, 200): DONE,
    (Kind.SESSION, 415): _session("KSeF nie odszyfrował klucza sesji.", keys=True),
    (Kind.SESSION, 440): DONE,  # cancelled because empty: nothing was sent in it
    (Kind.SESSION, 445): DONE,  # no valid invoice: each one has its own verdict
    # -- batch session (§7.3) ---------------------------------------------------------------------------------
    (Kind.BATCH, 100): PENDING,
    (Kind.BATCH, 150): PENDING,
    (Kind.BATCH, 200): DONE,
    (Kind.BATCH, 405): _session("Elementy paczki nie przeszły weryfikacji."),
    (Kind.BATCH, 415): _session("KSeF nie odszyfrował klucza sesji.", keys=True),
    (Kind.BATCH, 420): _session("Paczka ma za dużo faktur."),
    (Kind.BATCH, 430): _person("KSeF nie rozpakował paczki.", _VENDOR),
    (Kind.BATCH, 435): _session("KSeF nie odszyfrował części paczki.", keys=True),
    # Seen wrongly right after a close (ksef-api issue 308): the list of documents is read before it is believed.
    (Kind.BATCH, 440): Rule(Unknown, "Sesja wsadowa anulowana; sprawdzamy listę faktur."),
    (Kind.BATCH, 445): DONE,
    (Kind.BATCH, 500): Rule(Unknown, "Nieznany błąd sesji wsadowej; sprawdzamy listę faktur."),
    # -- invoice (§6.4) ---------------------------------------------------------------------------------------
    (Kind.INVOICE, 100): PENDING,
    (Kind.INVOICE, 150): PENDING,
    (Kind.INVOICE, 200): DONE,
    (Kind.INVOICE, 405): _session("KSeF anulował przetwarzanie z powodu błędu sesji."),
    (Kind.INVOICE, 410): _person("Kontekst KSeF nie ma prawa wystawić tej faktury.", _RIGHTS),
    (Kind.INVOICE, 415): _person(
        "KSeF nie pozwala na faktury z załącznikiem.", "Proszę zgłosić załączniki w e-Urzędzie Skarbowym."
    ),
    (Kind.INVOICE, 430): Rule(Refused),
    (Kind.INVOICE, 435): _session("KSeF nie odszyfrował faktury.", keys=True),
    (Kind.INVOICE, 440): Rule(Unknown, "KSeF zgłosił duplikat; porównujemy z zarejestrowaną fakturą."),
    (Kind.INVOICE, 450): Rule(Refused),
    (Kind.INVOICE, 500): _session("Nieznany błąd po stronie KSeF."),
    (Kind.INVOICE, 550): _session("KSeF anulował przetwarzanie z przyczyn wewnętrznych, prosi o ponowienie."),
    # -- export (§9.3) ----------------------------------------------------------------------------------------
    (Kind.EXPORT, 100): PENDING,
    (Kind.EXPORT, 200): DONE,
    (Kind.EXPORT, 210): _again("Paczka eksportu wygasła."),
    (Kind.EXPORT, 415): Rule(Later, "KSeF nie odszyfrował klucza eksportu.", new_keys=True),
    (Kind.EXPORT, 420): _again("KSeF nie udostępnił jeszcze tego zakresu.", 60),
    (Kind.EXPORT, 500): _again("Nieznany błąd eksportu po stronie KSeF.", 60),
    (Kind.EXPORT, 550): _again("KSeF anulował eksport, prosi o ponowienie.", 60),
    # -- request for a certificate (§14) ----------------------------------------------------------------------
    (Kind.ENROLMENT, 100): PENDING,
    (Kind.ENROLMENT, 200): DONE,
    (Kind.ENROLMENT, 400): _person("KSeF odrzucił wniosek o certyfikat.", _TOO_MANY),
    (Kind.ENROLMENT, 500): _again("Nieznany błąd wniosku o certyfikat po stronie KSeF.", 60),
    (Kind.ENROLMENT, 550): _again("KSeF anulował wniosek o certyfikat, prosi o ponowienie.", 60),
}


def read_status(kind: Kind, status: Mapping[str, Any]) -> Reading:
    """What a `status` object of KSeF ({code, description, details, extensions}) means for this kind of object."""
    code, name = status.get("code"), f"{kind}:{status.get('code')}"
    rule = TABLE.get((kind, code)) if isinstance(code, int) else None
    if rule is None:
        return Reading(Unknown(f"KSeF podał nieznany kod: {name}."), name)
    if rule.gives is Refused:
        return Reading(_refused(status), name)
    if kind is Kind.INVOICE and code == 440:
        more = status.get("extensions") or {}
        return Reading(
            Unknown(
                rule.reason,
                duplicate=True,
                original_ksef_number=str(more.get("originalKsefNumber") or ""),
                original_session=str(more.get("originalSessionReferenceNumber") or ""),
            ),
            name,
        )
    return Reading(_outcome(rule, _told(status)), name, rule.hint)


def read_http(status: int, content: bytes, retry_after: str | None = None) -> Reading:
    """What an HTTP answer other than the expected one means.

    A 4xx proves that nothing happened; a 5xx, a redirect or a strange 2xx proves nothing at all (protocol §17).
    """
    body = _json(content)
    if status == 429:
        return Reading(_outcome(TABLE[Kind.HTTP, 429], "", _seconds(retry_after)), "http:429")
    if status == 400:
        return _read_400(body)
    if status == 403 and (rule := TABLE.get((Kind.REASON, str(body.get("reasonCode", ""))))):
        return Reading(_outcome(rule, str(body.get("detail", ""))), f"http:403:{body['reasonCode']}", rule.hint)
    rule = TABLE.get((Kind.HTTP, status))
    if rule is None:
        after = _seconds(retry_after, None) if status == 503 else None
        return Reading(Unknown(f"KSeF odpowiedział kodem HTTP {status}, bez wyjaśnienia.", after), f"http:{status}")
    return Reading(_outcome(rule, ""), f"http:{status}", rule.hint)


def garbled(what: str, *, who: str = "KSeF") -> NoAnswer:
    """The expected status, but not the expected body: HTML from a proxy, a missing field, a cut answer."""
    return NoAnswer(Reading(Unknown(f"Odpowiedź {who} jest nieczytelna ({what})."), "http:garbled"))


def broken(sent: bool, what: str, code: str) -> NoAnswer:
    """The connection failed: before anything was sent nothing can have happened, afterwards nobody knows."""
    if sent:
        return NoAnswer(Reading(Unknown(f"Połączenie z KSeF przerwane w trakcie ({what})."), f"network:{code}"))
    return NoAnswer(
        Reading(Later(f"Brak połączenia z KSeF ({what}).", scope=Scope.CONTEXT), f"network:{code}"),
    )


def is_network(code: str) -> bool:
    """True when KSeF as such did not answer: what the page shows as "unreachable"."""
    return code.startswith("network:") or code in {"http:garbled", "http:500", "http:502", "http:503", "http:504"}


def is_strange(code: str) -> bool:
    """True when KSeF is there but does not know the address or the way we ask: its API has changed (faults K11)."""
    return code in {"http:404", "http:405", "http:410", "http:415", "http:400", "http:426", "http:501"}


def _read_400(body: Mapping[str, Any]) -> Reading:
    """The legacy envelope or problem+json; the first code we know decides."""
    found = _exceptions(body)
    for item in found:
        code = item.get("exceptionCode", item.get("code"))
        rule = TABLE.get((Kind.HTTP, code)) if isinstance(code, int) else None
        if rule is None:
            continue
        told = {"description": item.get("exceptionDescription", item.get("description", ""))}
        told["details"] = item.get("details")
        if rule.gives is Refused:
            return Reading(_refused(told | {"code": code}), f"http:{code}")
        return Reading(_outcome(rule, _told(told)), f"http:{code}", rule.hint)
    codes = ",".join(str(i.get("exceptionCode", i.get("code", "?"))) for i in found) or "400"
    return Reading(Unknown(f"KSeF podał nieznany kod błędu: {codes}."), f"http:{codes}")


def _exceptions(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    envelope = body.get("exception")
    listed = envelope.get("exceptionDetailList") if isinstance(envelope, dict) else body.get("errors")
    return [item for item in listed if isinstance(item, dict)] if isinstance(listed, list) else []


def _outcome(rule: Rule, told: str, after_s: float | None = None) -> Outcome | Pending | Done:
    """The rule as a value; what KSeF said itself is kept beside our own sentence."""
    if rule.gives is Pending:
        return Pending()
    if rule.gives is Done:
        return Done()
    reason = f"{rule.reason} KSeF: {told}" if told else rule.reason
    if rule.gives is Unknown:
        return Unknown(reason, after_s)
    return Later(
        reason,
        rule.after_s if after_s is None else after_s,
        rule.scope,
        rule.person,
        rule.new_session,
        rule.new_login,
        rule.new_keys,
    )


def _refused(status: Mapping[str, Any]) -> Refused:
    details = "; ".join(_details(status))
    description = str(status.get("description") or "bez opisu").rstrip(".")
    shown = f": {details}" if details else ""
    return Refused((problem("ksef_refused", description=description, status=status.get("code"), details=shown),))


def _told(status: Mapping[str, Any]) -> str:
    """KSeF's own words in one short line."""
    words = " ".join([str(status.get("description") or ""), *_details(status)])
    return " ".join(words.split())[:300]


def _details(status: Mapping[str, Any]) -> list[str]:
    details = status.get("details")
    return [str(d) for d in details] if isinstance(details, list) else []


def _json(content: bytes) -> dict[str, Any]:
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def _seconds(header: str | None, default: float | None = 60.0) -> float | None:
    """Whole seconds of a Retry-After header; the default when it is absent or not a number (protocol §16.2)."""
    if header and header.strip().isdecimal():
        return float(header.strip())
    return default
