"""The policies in plain Polish, for the settings page and for the procedure that a mayor signs."""

from spool.domain.policies import OFF, REFUSE, WARN, Question

LABELS = {
    "issuing_unit": "Jednostka wystawiająca w Podmiot3 z rolą 7",
    "correction_original": "Korekta wskazuje fakturę innego sprzedawcy",
    "correction_unknown": "Korekta wskazuje fakturę, której Śluza nie zna",
    "correction_outside": "Korekta faktury wystawionej poza KSeF",
    "advance_numbers": "Numery KSeF zaliczek na fakturze końcowej",
    "company_without_nip": "Nabywca wygląda na firmę, a nie ma NIP",
    "consumers": "Faktury dla konsumentów",
    "foreign_buyers": "Faktury dla nabywców zagranicznych",
    "not_an_invoice": "Dokumenty, które nie są fakturami (rachunki, noty, pro forma)",
    "looks_like_note": "Dokument wygląda na notę księgową",
    "offline24": "Tryb offline24 na życzenie jednostki",
    "role2_routing": "Faktura zakupowa z jednostką w roli 2 (odbiorca)",
    "self_invoicing": "Samofakturowanie przez dostawcę",
    "payment_hold": "Błędne dane nabywcy albo odbiorcy na zakupie",
    "contact_seller": "Zakup wystawiony offline, którego nie ma w KSeF: kiedy zwrócić się do sprzedawcy",
    "maintenance_after_offline24": "Prace serwisowe KSeF ogłoszone w terminie offline24",
}
VALUES = {
    OFF: "nie sprawdza się",
    WARN: "ostrzeżenie, faktura idzie",
    REFUSE: "odmowa z wyjaśnieniem",
    "allowed": "dozwolony",
    "refused": "niedozwolony",
    "accepted": "od razu do jednostki",
    "tray": "do tacki centralnej",
    "2": "2 dni robocze po pierwszym sprawdzeniu",
    "3": "3 dni robocze po pierwszym sprawdzeniu",
    "none": "terminu nie przesuwają",
    "next_working_day": "termin lokalny: następny dzień roboczy",
}


def label(name: str) -> str:
    """What this policy is about."""
    return LABELS[name]


def value(word: str) -> str:
    """What it says."""
    return VALUES.get(word, word)


def answers(question: Question) -> list[str]:
    """Everything that it may say."""
    return [value(word) for word in question.values]
