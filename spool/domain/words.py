"""Further entries of the catalogue of problems (`spool.domain.catalogue`): checks of sales, purchases, and training.

A template may use what the catalogue says; every value is shortened and made printable there.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    """The sentence that says what is wrong, and the hint that says what to do about it."""

    message: str
    hint: str


SALES: dict[str, Entry] = {
    "role7_for_another": Entry(
        "{where}: jako wystawiającą podano inną jednostkę („{value}”), a plik wysyła: {expected}.",
        "Fakturę zobaczy w KSeF tamta jednostka. Sprawdź, czy plik trafił do właściwego folderu.",
    ),
    "original_of_another_seller": Entry(
        "{where}: numer KSeF „{value}” należy do faktury innego sprzedawcy, więc nie jest numerem korygowanej faktury.",
        "Podaj numer KSeF korygowanej faktury: zaczyna się od NIP sprzedawcy, jest na wydruku i w UPO tej faktury.",
    ),
    "original_unknown": Entry(
        "{where}: Śluza nie zna faktury o numerze KSeF „{value}”, którą poprawia ta korekta.",
        "Jeśli fakturę wystawiono w innym programie, wszystko jest w porządku. Jeśli nie, sprawdź ten numer.",
    ),
    "correction_of_outside": Entry(
        "{where}: korekta dotyczy faktury „{value}”, wystawionej według pliku poza KSeF, a Śluza takiej nie zna.",
        "Sprawdź, czy oryginału na pewno nie ma w KSeF. Jeśli jest, korekta musi podać jego numer KSeF. "
        "O korekcie faktury spoza KSeF zdecyduj ze skarbnikiem.",
    ),
    "consumer_sale": Entry(
        "{where}: nabywca „{value}” nie ma numeru podatkowego, jest więc konsumentem albo podmiotem bez NIP.",
        "Sprawdź, czy takie faktury gmina wystawia w KSeF. Jeśli nie, wystaw fakturę poza KSeF, jak dotychczas.",
    ),
    "foreign_sale": Entry(
        "{where}: nabywca „{value}” ma zagraniczny numer i nie zobaczy faktury w KSeF.",
        "Przekaż mu wydruk faktury z numerem KSeF i kodem QR w uzgodniony sposób.",
    ),
    "not_for_ksef": Entry(
        "{where}: „{value}” to {what}, a takiego dokumentu nie przesyła się do KSeF.",
        "Przekaż go odbiorcy poza KSeF, jak dotychczas. Do KSeF trafiają tylko faktury i faktury korygujące.",
    ),
    "looks_like_note": Entry(
        "{where}: „{value}” bez podatku VAT wygląda na notę księgową, a nie na sprzedaż.",
        "Jeśli to nota (kara umowna, odsetki, zwrot kosztów, rozliczenie między gminami), nie wysyłaj jej do KSeF.",
    ),
    "vat_rr": Entry(
        "To jest faktura VAT RR (zakup od rolnika ryczałtowego); Śluza wysyła do KSeF tylko faktury FA(3).",
        "Wystaw ją na papierze, a jeśli rolnik wskazał gminę w KSeF jako nabywcę – w Aplikacji Podatnika KSeF.",
    ),
    "encoding_repaired": Entry(
        "Śluza poprawiła zapis pliku: {what}. Do KSeF idzie poprawiony plik; oryginał zachowano (SHA-256 {original}).",
        "Porównaj wydruk z fakturą. W programie, który ją zapisuje, wybierz eksport w kodowaniu UTF-8 bez BOM.",
    ),
}

PURCHASES: dict[str, Entry] = {
    "flag_inconsistent": Entry(
        "{where}: znacznik JST ma wartość „{value}”, choć faktura wskazuje jednostkę w roli 8.",
        "Faktura trafiła do wskazanej jednostki. Dostawca powinien podawać znacznik JST równy 1.",
    ),
    "recipient_missing": Entry(
        "{where}: zaznaczono, że faktura dotyczy jednostki gminy, ale jej nie wskazano.",
        "Dostawca powinien wystawić fakturę korygującą: Podmiot3 z NIP albo IDWew jednostki i rolą 8. "
        "Projekt pisma: sluza received letter.",
    ),
    "buyer_is_unit": Entry(
        "{where}: jako nabywcę podano NIP jednostki „{value}”, a podatnikiem VAT jest gmina.",
        "Dostawca powinien wystawić fakturę korygującą: nabywcą jest gmina, jednostka stoi w Podmiot3 z rolą 8.",
    ),
    "self_invoicing": Entry(
        "{where}: fakturę wystawiono w ramach samofakturowania, którego gmina nie stosuje.",
        "Sprawdź, czy gmina zawarła taką umowę. Jeśli nie, wyjaśnij fakturę z dostawcą.",
    ),
    "likely_duplicate": Entry(
        "{where}: ten sam sprzedawca, numer „{value}” i kwota są już na innej fakturze odebranej w gminie.",
        "Prawdopodobnie to ta sama należność. Przed zapłatą sprawdź to z osobą, która prowadzi tackę centralną.",
    ),
    "already_paid": Entry(
        "{where}: faktura jest oznaczona jako zapłacona ({value}).", "Nie płać jej drugi raz; rozlicz wydatek."
    ),
    "payment_hold": Entry(
        "Dane nabywcy lub odbiorcy na tej fakturze są niepełne albo błędne.",
        "Jeśli umowa tak stanowi, nie płać do czasu korekty. O wstrzymaniu zapłaty decyduje skarbnik.",
    ),
}

TRAINING: dict[str, Entry] = {
    "known_from_training": Entry(
        "Ten sam plik był już użyty na szkoleniu i w szkoleniowym KSeF ma swój ślad. W prawdziwym KSeF go nie ma.",
        "Zapisz fakturę w programie jeszcze raz, aby powstał nowy plik, i wyślij ten nowy plik.",
    ),
    "known_in_earnest": Entry(
        "Ten sam plik został już wysłany naprawdę, więc nie można na nim ćwiczyć.",
        "Do szkolenia zapisz w programie inną fakturę albo tę samą jeszcze raz, jako nowy plik.",
    ),
}
"""What training beside production refuses: no file is in both."""
