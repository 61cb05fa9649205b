"""The model text of the procedure that a mayor signs, filled in from the configuration. Pure; Markdown.

It says what this installation does, in our own words; whoever signs it decides. What the configuration cannot know is
left as dots to be filled in by hand.
"""

from collections.abc import Sequence

from gateway.settings import GatewaySettings
from spool.domain.accounts import RIGHTS, ROLE_LABELS, Right, Role
from spool.domain.catalogue import printable
from spool.domain.municipality import Municipality, Policy, Unit
from spool.domain.policies import CONTACT_SELLER, PAYMENT_HOLD, QUESTIONS, ROLE_2, SALES, SELF_INVOICING, decided
from spool.domain.policy_words import label, value
from spool.domain.retention import FOR_EVER

_DOTS = "……………"
_RIGHTS = {
    Right.LOOK: "ogląda dokumenty", Right.WORK: "ponawia, wstrzymuje, zwalnia i wycofuje dokumenty",
    Right.LOOK_AT_TOWN: "widzi sprawy całej gminy", Right.DECIDE: "rozstrzyga, przydziela faktury, wpisuje awarie",
    Right.ADMINISTER: "prowadzi konta",
}  # fmt: skip


def written(settings: GatewaySettings) -> str:
    """The whole text."""
    town = settings.shared.municipality
    chapters = [
        _heading(town), _general(town), _sales(settings), _outages(settings), _purchases(settings), _people(settings),
        _keeping(settings), _END,
    ]  # fmt: skip
    return "\n\n".join(chapters) + "\n"


def _heading(town: Municipality) -> str:
    return (
        "# Procedura wystawiania, przesyłania i odbierania faktur w KSeF\n\n"
        f"**{_plain(town.name)}**, NIP {town.nip}\n\n"
        f"Załącznik do zarządzenia nr {_DOTS} z dnia {_DOTS}\n\n"
        "> Projekt z bramki Śluza, według jej ustawień. Wymaga przeczytania, uzupełnienia i decyzji."
    )


def _general(town: Municipality) -> str:
    rows = [f"| {_plain(u.name)} | {u.id} | {u.nip or u.idwew or '–'} | {_role_of(u)} |" for u in town.units.values()]
    return "\n".join(
        [
            "## 1. Kogo dotyczy",
            "",
            "1. Gmina jest jednym podatnikiem; jednostki wystawiają faktury w jej imieniu, poza wyjątkami z tabeli.",
            "2. Faktury idą do KSeF tylko przez bramkę: plik w folderze jednostki albo wysłany programem.",
            "3. Numer faktury nadaje jednostka. Numer odrzuconej faktury jest wolny i można go użyć ponownie.",
            "",
            "| Jednostka | Oznaczenie | NIP albo IDWew | Uwagi |",
            "|---|---|---|---|",
            *rows,
        ]
    )


def _role_of(unit: Unit) -> str:
    said = [("sama jest podatnikiem", unit.taxpayer), ("odbiera pocztę gminy", unit.town_hall), ("zdalna", unit.remote)]
    return ", ".join(text for text, true in said if true) or "–"


def _sales(settings: GatewaySettings) -> str:
    town = settings.shared.municipality
    lines = [f"   - {label(q.name)}: {_value(decided(town).of(q))};" for q in SALES]
    own = [
        f"   - {_plain(unit.name)}: {label(name)} – {_value(policy)};"
        for unit in town.units.values()
        for name, policy in unit.policies.items()
        if name in QUESTIONS
    ]
    more = ["3. Odstępstwa jednostek:", *own] if own else []
    return "\n".join(
        [
            "## 2. Wystawianie faktur",
            "",
            "1. Za treść faktury odpowiada kierownik jednostki. Bramka sprawdza plik i każdą odmowę wyjaśnia.",
            "2. Gmina postanawia o kontrolach:",
            *lines,
            *more,
        ]
    )


def _outages(settings: GatewaySettings) -> str:
    allowed = settings.policies.offline24
    office = _people_of(settings.alerts.recipients)
    on_call = _people_of(settings.alerts.on_call or settings.alerts.recipients)
    local = settings.shared.law.maintenance_after_offline24
    return "\n".join(
        [
            "## 3. Terminy, brak łączności i awarie",
            "",
            f"1. Tryb offline24 na życzenie jednostki: {_value(allowed)}.",
            "2. Terminy przesłania do KSeF, pilnowane przez bramkę:",
            "   - online: dzień wystawienia; nieprzesłana w tym dniu jest traktowana jak wystawiona w offline24;",
            "   - offline24: następny dzień roboczy po dniu wystawienia;",
            "   - niedostępność KSeF: następny dzień roboczy po jej końcu;",
            "   - awaria KSeF: siedem dni roboczych od jej końca;",
            "   - awaria całkowita: faktur się nie przesyła; działa dopiero po potwierdzeniu przez człowieka.",
            f"3. Prace serwisowe ogłoszone w terminie offline24: {_value(local)}.",
            "4. Komunikaty o awariach bramka czyta sama. Gdy Latarnia milczy, komunikat z BIP wpisuje koordynator.",
            f"5. Ostrzeżenia o terminach dostają: {office}; poza godzinami pracy: {on_call}.",
            "6. Faktura spóźniona jest wysyłana mimo wszystko, a opóźnienie zapisywane i zgłaszane skarbnikowi.",
        ]
    )


def _purchases(settings: GatewaySettings) -> str:
    town = settings.shared.municipality
    hall = town.town_hall()
    receives = f"jednostka {_plain(hall.name)}" if hall else f"{_DOTS} (żadna jednostka nie jest wskazana)"
    hours = settings.alerts.tray_hours
    lying = f"po {hours:g} godzinach (w dni robocze) dostają ostrzeżenie" if hours else "nie dostają ostrzeżeń"
    questions = (ROLE_2, SELF_INVOICING, PAYMENT_HOLD, CONTACT_SELLER)
    return "\n".join(
        [
            "## 4. Odbieranie faktur zakupowych",
            "",
            f"1. Faktury dla samej gminy odbiera centralnie: {receives}.",
            "2. Faktura ze wskazaną jednostką trafia do folderu tej jednostki; inne czekają w tacce centralnej.",
            f"3. Tackę prowadzi koordynator KSeF; osoby z tabeli ostrzeżeń {lying}.",
            "4. Datą otrzymania jest dzień nadania numeru KSeF; przy awarii – wpisany dzień faktycznego otrzymania.",
            "5. Gmina postanawia:",
            *(f"   - {label(q.name)}: {_value(decided(town).of(q))};" for q in questions),
        ]
    )


def _people(settings: GatewaySettings) -> str:
    town = settings.shared.municipality
    roles = [f"| {ROLE_LABELS[role]} | {_may(role)} | {_DOTS} |" for role in Role]
    return "\n".join(
        [
            "## 5. Osoby, role i kontakt",
            "",
            "1. Każda osoba ma własne konto; hasła nie wolno udostępniać. Historia zapisuje, kto co zrobił.",
            "2. Uprawnienia w KSeF nadaje i odbiera gmina; rejestr użytkowników i oświadczeń prowadzi bramka.",
            "",
            "| Rola | Co wolno | Osoby |",
            "|---|---|---|",
            *roles,
            "",
            f"Kontakt dla dostawców: {_plain(town.contact) or _DOTS}",
            "",
            f"Podsumowanie dnia dostają: {_people_of(settings.alerts.summary.recipients)}.",
        ]
    )


def _may(role: Role) -> str:
    rights = [_RIGHTS[right] for right in Right if right in RIGHTS[role]]
    own = " (tylko swoich jednostek)" if role is Role.ACCOUNTANT else ""
    return "; ".join(rights) + own


def _keeping(settings: GatewaySettings) -> str:
    classes = settings.shared.classes
    rows = [
        f"   - {_plain(name)}: {'bezterminowo' if years == FOR_EVER else f'{years} lat od końca roku wystawienia'};"
        for name, years in classes.years.items()
    ]
    return "\n".join(
        [
            "## 6. Przechowywanie i kontrola",
            "",
            f"1. Klasą archiwalną jest {_plain(classes.default)}, chyba że jednostka albo dokument ma inną:",
            *rows,
            f"2. Kopie zapasowe bramki wykonuje: {_DOTS}; odtworzenie sprawdza się co: {_DOTS}.",
            "3. Raz w miesiącu koordynator uruchamia „sluza check --against-ksef” i odkłada wynik do akt.",
            "4. Dla kontroli i sądu wydaje się paczkę dowodów faktury („sluza queue proof”).",
        ]
    )


_END = f"""## 7. Postanowienia końcowe

1. Procedura wchodzi w życie z dniem {_DOTS}.
2. Nad jej wykonaniem czuwa: {_DOTS}.

{_DOTS} (podpis)"""


def _value(policy: Policy) -> str:
    return f"{value(policy.value)}{_order(policy)}"


def _order(policy: Policy) -> str:
    return f" ({_plain(policy.order)})" if policy.order else ""


def _people_of(addresses: Sequence[str]) -> str:
    return ", ".join(_plain(address) for address in addresses) or _DOTS


def _plain(text: str) -> str:
    """On one line, and nothing that Markdown would make something of."""
    return printable(text, 200).replace("|", "/").replace("<", "‹").replace(">", "›")
