"""The refusals KSeF can give, and their bodies in both error formats.

Refusal
├── BadRequest        400, numbered (exceptionCode)
├── Unauthorized      401, always problem+json
├── Forbidden         403, always problem+json with reasonCode
├── NotFound          404, an endpoint that does not exist
├── Gone              410, always problem+json
└── TooManyRequests   429 with Retry-After
"""

from __future__ import annotations

import uuid
from typing import Any

DESCRIPTIONS = {
    9101: "Nieprawidłowy dokument.",
    9102: "Brak podpisu.",
    9103: "Przekroczona liczba dozwolonych podpisów.",
    9105: "Nieprawidłowy podpis.",
    21001: "Nieczytelna treść.",
    21111: "Nieprawidłowe wyzwanie autoryzacyjne.",
    21115: "Nieprawidłowy certyfikat.",
    21117: "Nieprawidłowy identyfikator podmiotu dla wskazanego typu kontekstu.",
    21155: "Przekroczono dozwoloną liczbę faktur w sesji.",
    21157: "Nieprawidłowy rozmiar części pakietu.",
    21161: "Przekroczono dozwoloną liczbę części pakietu.",
    21164: "Faktura o podanym identyfikatorze nie istnieje.",
    21165: "Faktura o podanym numerze KSeF nie jest jeszcze dostępna.",
    21166: "Korekta techniczna niedostępna.",
    21167: "Status faktury nie pozwala na korektę techniczną.",
    21173: "Brak sesji o wskazanym numerze referencyjnym.",
    21175: "Wynik zapytania o podanym identyfikatorze nie istnieje.",
    21178: "Nie znaleziono UPO dla podanych kryteriów.",
    21180: "Status sesji nie pozwala na wykonanie operacji.",
    21181: "Nieprawidłowe żądanie eksportu faktur.",
    21182: "Osiągnięto limit trwających eksportów.",
    21183: "Zakres filtrowania wykracza poza dostępny zakres danych.",
    21184: "Sesja tymczasowo niedostępna.",
    21205: "Pakiet nie może być pusty.",
    21208: "Czas oczekiwania na requesty upload lub finish został przekroczony.",
    21217: "Nieprawidłowe kodowanie znaków.",
    21301: "Brak autoryzacji.",
    21304: "Brak uwierzytelnienia.",
    21308: "Próba wykorzystania metod autoryzacyjnych osoby zmarłej.",
    21401: "Dokument nie jest zgodny ze schemą (xsd).",
    21402: "Nieprawidłowy rozmiar pliku.",
    21403: "Nieprawidłowy skrót pliku.",
    21405: "Błąd walidacji danych wejściowych.",
    21406: "Konflikt podpisu i typu uwierzytelnienia.",
    21418: "Przekazany token kontynuacji ma nieprawidłowy format.",
    21470: "Przesłany identyfikator klucza jest nieznany lub wskazuje na wycofany klucz.",
    25001: "Brak możliwości pobrania danych do CSR dla wykorzystanego sposobu uwierzytelnienia.",
    25002: "Brak możliwości złożenia wniosku certyfikacyjnego dla wykorzystanego sposobu uwierzytelnienia.",
    25003: "Dane w CSR nie zgadzają się z danymi w użytym wektorze uwierzytelniającym.",
    25004: "Niepoprawny format CSR lub niepoprawny podpis CSR.",
    25006: "Osiągnięto limit możliwych do złożenia wniosków certyfikacyjnych.",
    25007: "Osiągnięto limit dopuszczalnej liczby posiadanych certyfikatów.",
    25008: "Certyfikat o podanym numerze seryjnym nie istnieje.",
    25009: "Nie można odwołać wskazanego certyfikatu, ponieważ jest już odwołany, zablokowany lub nieważny.",
    25010: "Nieprawidłowy typ lub długość klucza.",
    26001: "Nie można nadać tokenowi uprawnień których nie posiadasz.",
    26002: "Nie można wygenerować tokena dla obecnego typu kontekstu.",
    30001: "Podmiot lub uprawnienie już istnieje.",
}


class ControlError(ValueError):
    """A control call that cannot be understood; becomes 400 with `{"error"}`; not KSeF's own."""


class Refusal(Exception):  # noqa: N818 - the word of the domain
    """Any answer other than success; knows its HTTP status."""

    status = 500

    def problem(self, instance: str, now: str) -> dict[str, Any]:
        """The problem+json body (L4)."""
        return {
            "title": type(self).__name__,
            "status": self.status,
            "instance": instance,
            "detail": str(self),
            "timestamp": now,
            "traceId": uuid.uuid4().hex,
        }


class BadRequest(Refusal):
    """HTTP 400 with one numbered error and its details."""

    status = 400

    def __init__(self, code: int, *details: str) -> None:
        self.code = code
        self.details = list(details)
        self.problems = [(code, text) for text in details] or [(code, "")]
        super().__init__(DESCRIPTIONS[code])

    @classmethod
    def of(cls, problems: list[tuple[int, str]]) -> BadRequest:
        """One refusal for several problems (code, detail), in their order; at least one (L4)."""
        refusal = cls(problems[0][0], *(text for _, text in problems))
        refusal.problems = problems
        return refusal

    def legacy(self, now: str) -> dict[str, Any]:
        """The default envelope `exception.exceptionDetailList`, one entry per code (L4)."""
        items: list[dict[str, Any]] = []
        for code in dict.fromkeys(code for code, _ in self.problems):
            texts = [text for other, text in self.problems if other == code and text]
            named = {"exceptionCode": code, "exceptionDescription": DESCRIPTIONS[code]}
            items.append(named | ({"details": texts} if texts else {}))
        body = {"exceptionDetailList": items, "serviceCode": uuid.uuid4().hex, "timestamp": now}
        return {"exception": body}

    def problem(self, instance: str, now: str) -> dict[str, Any]:
        """Problem details with one `errors[]` item per problem (L4)."""
        body = super().problem(instance, now) | {"title": "Bad Request"}
        body["errors"] = [
            {"code": code, "description": DESCRIPTIONS[code]} | ({"details": [text]} if text else {})
            for code, text in self.problems
        ]
        return body


class Unauthorized(Refusal):
    """HTTP 401: token missing, malformed or expired (A10)."""

    status = 401


class Forbidden(Refusal):
    """HTTP 403 with the documented reasonCode and its `security` object (L5)."""

    status = 403

    def __init__(self, reason: str, detail: str, *, security: dict[str, Any] | None = None) -> None:
        self.reason = reason
        self.security = security
        super().__init__(detail)

    def problem(self, instance: str, now: str) -> dict[str, Any]:
        """Problem details; `security-service-blocked` carries no timestamp (L5)."""
        body = super().problem(instance, now) | {"reasonCode": self.reason}
        if self.security is not None:
            body["security"] = self.security
        if self.reason == "security-service-blocked":
            del body["timestamp"]
        return body


class NotFound(Refusal):
    """HTTP 404: no such endpoint."""

    status = 404


class Gone(Refusal):
    """HTTP 410: the status of an operation is past its retention (A11)."""

    status = 410


class TooManyRequests(Refusal):
    """HTTP 429; `retry_after` in whole seconds (L2)."""

    status = 429

    def __init__(self, retry_after: int, limit: str) -> None:
        self.retry_after = retry_after
        super().__init__(f"Przekroczono limit {limit}. Spróbuj ponownie po {retry_after} sekundach.")

    def legacy(self) -> dict[str, Any]:
        """The default body of a 429 (L2)."""
        return {"status": {"code": 429, "description": "Too Many Requests", "details": [str(self)]}}
