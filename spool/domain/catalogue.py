"""Every problem that a document can have, in plain Polish: code → sentence and cure, one table (faults F5).

The codes are stable: programs of others read them. The sentences are for an accountant: what is wrong, where, and
what to do. The same table feeds folder notes, HTTP answers, the dashboard and the command line.

In a template `{where}` is the field with its plain name, and every other `{name}` is a value that `problem` shortens
and whose control characters it makes visible, so that one sentence stays one line (faults X14). Lists that we compose
ourselves (`_OUR_WORDS`) may be longer than values from the document.
"""

import re
import unicodedata

from spool.domain.errors import Problem
from spool.domain.field_names import FIELD_NAMES
from spool.domain.words import PURCHASES, SALES, TRAINING, Entry

SHOWN_LENGTH = 60
_OUR_WORDS = frozenset(
    {"after", "allowed", "description", "details", "expected", "limit", "missing", "original", "ready", "what"}
)
_OUR_LENGTH = 400


_AGAIN = "Popraw to w programie, w którym powstała faktura, i wyślij plik ponownie."
_SUPPLIER = "Jeśli program nie daje takiej możliwości, przekaż ten komunikat jego dostawcy."
_UTF8 = "W programie, który zapisuje fakturę, wybierz eksport w kodowaniu UTF-8 (bez BOM) i wyślij plik ponownie."
_EXPORT = "Wygeneruj plik faktury ponownie w programie i zapisz go jeszcze raz. " + _SUPPLIER

BYTES: dict[str, Entry] = {
    "empty_file": Entry("Plik jest pusty.", "Wygeneruj fakturę w programie jeszcze raz i zapisz plik."),
    "incomplete_file": Entry(
        "Plik jest niekompletny: kończy się, zanim kończy się faktura.",
        "Sprawdź, czy zapis lub kopiowanie pliku nie zostało przerwane, i wyślij plik ponownie.",
    ),
    "too_big": Entry(
        "Plik ma {size} bajtów, a KSeF przyjmuje najwyżej {limit} bajtów.",
        "Podziel sprzedaż na kilka faktur. Większy plik (do 3 000 000 bajtów) może mieć tylko faktura z załącznikiem.",
    ),
    "not_xml": Entry(
        "To nie jest plik XML, tylko {what}.",
        "Wyślij fakturę zapisaną jako plik XML w strukturze FA(3). Wydruk, skan ani arkusz jej nie zastąpi.",
    ),
    "xml_bom": Entry("Plik zaczyna się od niewidocznego znacznika BOM, którego KSeF nie przyjmuje.", _UTF8),
    "xml_encoding": Entry("Plik jest zapisany w kodowaniu {encoding}, a KSeF przyjmuje tylko UTF-8.", _UTF8),
    "xml_not_utf8": Entry("W pliku są bajty {bytes}, które nie są poprawnym tekstem UTF-8.", _UTF8),
    "xml_encoding_declared": Entry(
        "Pierwszy wiersz pliku podaje kodowanie „{encoding}”, a KSeF przyjmuje tylko UTF-8.", _UTF8
    ),
    "xml_version": Entry("Pierwszy wiersz pliku podaje wersję XML „{version}”, a KSeF przyjmuje tylko 1.0.", _EXPORT),
    "xml_declaration_misplaced": Entry(
        "Przed początkiem „<?xml” są inne znaki, na przykład pusty wiersz albo spacja.",
        "Usuń wszystko, co stoi przed „<?xml”, i wyślij plik ponownie. " + _SUPPLIER,
    ),
    "xml_processing_instruction": Entry(
        "Plik zawiera instrukcję przetwarzania „<?{target}”, której KSeF nie przyjmuje.",
        "Usuń ten wiersz albo wyłącz w programie dołączanie arkusza stylów i wyślij plik ponownie. " + _SUPPLIER,
    ),
    "xml_doctype": Entry(
        "Plik zawiera deklarację DOCTYPE, której faktura nie może mieć.", "Usuń ją i wyślij plik ponownie. " + _SUPPLIER
    ),
    "xml_discouraged_character": Entry(
        "W kolumnie {column} jest niewidoczny znak {character}, którego KSeF nie przyjmuje.",
        "Usuń go, zwykle z nazwy lub opisu wklejonego z innego programu, i wyślij plik ponownie.",
    ),
    "xml_control_character": Entry(
        "W kolumnie {column} jest znak sterujący {character}, którego nie może być w pliku XML.",
        "Usuń go, zwykle z nazwy lub opisu wklejonego z innego programu, i wyślij plik ponownie.",
    ),
    "xml_tag_mismatch": Entry(
        "Znacznik <{opened}> otwarty w wierszu {opened_line} zamknięto jako </{closed}>.", _EXPORT
    ),
    "xml_ampersand": Entry(
        "Znak „&” w treści jest zapisany niepoprawnie albo odwołuje się do nieznanej nazwy.",
        "W pliku XML znak „&” zapisuje się jako „&amp;”. Popraw go i wyślij plik ponownie. " + _SUPPLIER,
    ),
    "xml_less_than": Entry(
        "Znak „<” w treści jest zapisany niepoprawnie.",
        "W treści pliku XML znak „<” zapisuje się jako „&lt;”. Popraw go i wyślij plik ponownie. " + _SUPPLIER,
    ),
    "xml_extra_content": Entry(
        "Za końcem faktury jest jeszcze inna treść.",
        "Jeden plik to jedna faktura. Usuń to, co stoi za ostatnim znacznikiem, albo rozdziel faktury na osobne pliki.",
    ),
    "xml_attribute_twice": Entry("Ten sam atrybut podano dwa razy w jednym znaczniku.", _EXPORT),
    "xml_prefix": Entry("Użyto przedrostka nazwy bez jego deklaracji (xmlns).", _EXPORT),
    "xml_malformed": Entry("Plik nie jest poprawnym plikiem XML (miejsce: kolumna {column}).", _EXPORT),
    "xml_too_complex": Entry(
        "Budowa pliku jest zbyt zawiła, aby mogła to być faktura (za wiele poziomów, atrybutów albo nazw).", _EXPORT
    ),
}

FORM: dict[str, Entry] = {
    "wrong_document": Entry(
        "To nie jest faktura FA(3), tylko {what}.",
        "Do tego folderu trafiają tylko faktury w strukturze FA(3). Sprawdź, czy wybrano właściwy plik.",
    ),
    "wrong_form": Entry(
        "To nie jest faktura FA(3), tylko {what}.",
        "W programie do faktur wybierz strukturę FA(3), wystaw plik ponownie i wyślij go. " + _SUPPLIER,
    ),
    "wrong_form_code": Entry(
        "{where}: jest „{value}”, a w fakturze FA(3) musi być „{expected}”.",
        "W programie do faktur wybierz strukturę FA(3) w wersji 1-0E, wystaw plik ponownie i wyślij go. " + _SUPPLIER,
    ),
    "missing_element": Entry(
        "{where}: brakuje tego wymaganego pola{after}.",
        "Uzupełnij brakujące pole w programie, w którym powstała faktura, i wyślij plik ponownie.",
    ),
    "missing_choice": Entry(
        "{where}: brakuje jednego z pól: {missing}{after}.",
        "Uzupełnij jedno z tych pól w programie, w którym powstała faktura, i wyślij plik ponownie.",
    ),
    "unexpected_element": Entry(
        "{where}: to pole nie może stać w tym miejscu{after}{expected}.",
        "Pola faktury FA(3) mają stałą kolejność i nie mogą się powtarzać ponad miarę. "
        "Usuń pole, przenieś je albo sprawdź jego nazwę i wyślij plik ponownie. " + _SUPPLIER,
    ),
    "unknown_element": Entry(
        "{where}: struktura FA(3) nie ma takiego pola.",
        "Usuń to pole albo popraw jego nazwę (liczą się wielkie i małe litery) i wyślij plik ponownie. " + _SUPPLIER,
    ),
    "foreign_element": Entry(
        "{where}: to pole nie należy do struktury FA(3), bo ma inną przestrzeń nazw „{namespace}”.", _EXPORT
    ),
    "missing_attribute": Entry("{where}: brakuje atrybutu „{attribute}”.", _AGAIN + " " + _SUPPLIER),
    "unexpected_attribute": Entry(
        "{where}: atrybutu „{attribute}” nie może tu być.", "Usuń go i wyślij plik ponownie. " + _SUPPLIER
    ),
    "text_between_elements": Entry(
        "{where}: między polami jest tekst „{value}”, a mogą tu być tylko pola.",
        "Usuń ten tekst albo wpisz go we właściwe pole i wyślij plik ponownie.",
    ),
    "empty_value": Entry(
        "{where}: pole jest puste.", "Wpisz wartość, a jeśli pole nie jest wymagane, usuń je, i wyślij plik ponownie."
    ),
    "bad_date": Entry(
        "{where}: „{value}” nie jest poprawną datą.", "Zapisz datę jako rok-miesiąc-dzień, na przykład 2026-11-20."
    ),
    "bad_date_time": Entry(
        "{where}: „{value}” nie jest poprawną datą z godziną.", "Zapisz ją na przykład tak: 2026-11-20T09:30:00Z."
    ),
    "bad_decimal": Entry(
        "{where}: „{value}” nie jest poprawną liczbą.",
        "Zapisz liczbę z kropką zamiast przecinka, bez spacji, zer na początku i waluty, na przykład 1234.50.",
    ),
    "too_many_decimals": Entry(
        "{where}: „{value}” ma za dużo cyfr po kropce, a może ich być najwyżej {limit}.",
        "Zaokrąglij tę wartość i wyślij plik ponownie.",
    ),
    "too_many_digits": Entry("{where}: liczba „{value}” ma za dużo cyfr (najwyżej {limit}).", _AGAIN),
    "bad_integer": Entry("{where}: „{value}” nie jest liczbą całkowitą.", "Wpisz same cyfry, bez spacji i kropek."),
    "bad_choice": Entry("{where}: „{value}” nie jest dozwoloną wartością.", "Dozwolone są tylko: {allowed}."),
    "bad_currency": Entry(
        "{where}: „{value}” nie jest kodem waluty.", "Wpisz kod trzyliterowy, na przykład PLN lub EUR."
    ),
    "bad_country": Entry("{where}: „{value}” nie jest kodem kraju.", "Wpisz kod dwuliterowy, na przykład PL lub DE."),
    "bad_code": Entry(
        "{where}: „{value}” nie jest na liście dozwolonych wartości.", "Wybierz wartość z listy w strukturze FA(3)."
    ),
    "bad_nip": Entry(
        "{where}: „{value}” nie jest numerem NIP.", "Wpisz 10 cyfr, bez kresek, spacji i bez przedrostka PL."
    ),
    "bad_internal_id": Entry(
        "{where}: „{value}” nie jest identyfikatorem wewnętrznym IDWew.",
        "Wpisz NIP gminy, kreskę i 5 cyfr, na przykład 5080014460-00011.",
    ),
    "bad_ksef_number": Entry(
        "{where}: „{value}” nie jest numerem KSeF.",
        "Przepisz numer z UPO lub z KSeF: NIP, data, ciąg znaków i 2 znaki kontrolne, razem 35 znaków.",
    ),
    "bad_email": Entry("{where}: „{value}” nie jest adresem e-mail.", "Wpisz adres ze znakiem @ albo usuń to pole."),
    "bad_pattern": Entry(
        "{where}: wartość „{value}” ma niedozwoloną postać.", "Dozwolona postać: {pattern}. " + _AGAIN
    ),
    "too_long": Entry(
        "{where}: wartość „{value}” ma {length} znaków, a może mieć najwyżej {limit}.",
        "Skróć ją i wyślij plik ponownie. Dłuższy opis można podać w polach DodatkowyOpis.",
    ),
    "too_short": Entry(
        "{where}: wartość „{value}” jest za krótka, potrzeba co najmniej {limit} znaków.",
        "Uzupełnij ją i wyślij ponownie.",
    ),
    "out_of_range": Entry("{where}: wartość „{value}” jest spoza dozwolonego zakresu ({limit}).", _AGAIN),
    "schema_other": Entry("{where}: treść nie jest zgodna ze strukturą FA(3).", _AGAIN + " " + _SUPPLIER),
    "more_problems": Entry(
        "Plik ma więcej błędów; pokazano pierwsze {shown}.",
        "Popraw pokazane błędy i wyślij plik ponownie, wtedy zobaczysz pozostałe.",
    ),
}

CONTENT: dict[str, Entry] = {
    "nip_checksum": Entry(
        "{where}: „{value}” nie jest prawidłowym numerem NIP, bo nie zgadza się cyfra kontrolna.",
        "Sprawdź, czy nie ma w nim pomyłki. KSeF odrzuca faktury z błędnym NIP.",
    ),
    "internal_id_checksum": Entry(
        "{where}: w identyfikatorze „{value}” nie zgadza się cyfra kontrolna.",
        "Porównaj go z wykazem identyfikatorów wewnętrznych (IDWew) gminy. KSeF odrzuca błędny identyfikator.",
    ),
    "non_ascii_digits": Entry(
        "{where}: w wartości „{value}” są cyfry innego alfabetu lub szerokie, które tylko wyglądają jak zwykłe.",
        "Wpisz tę wartość od nowa z klawiatury, nie wklejaj jej.",
    ),
    "ksef_number_checksum": Entry(
        "{where}: w numerze KSeF „{value}” nie zgadzają się znaki kontrolne na końcu.",
        "Sprawdź, czy numer KSeF przepisano bez pomyłki.",
    ),
    "internal_id_as_buyer": Entry(
        "{where}: „{value}” wygląda na identyfikator wewnętrzny (IDWew); w danych nabywcy nikt go nie odczyta.",
        "Nabywcą jest gmina z jej NIP, a identyfikator jednostki podaj w Podmiot3 z rolą 8.",
    ),
    "jst_recipient_missing": Entry(
        "{where}: zaznaczono, że faktura dotyczy jednostki podrzędnej nabywcy, ale tej jednostki nie wskazano.",
        "Dodaj Podmiot3 z NIP lub IDWew jednostki i rolą 8, inaczej jednostka nie zobaczy faktury w KSeF.",
    ),
    "company_without_nip": Entry(
        "{where}: nabywca „{value}” wygląda na firmę lub instytucję, a faktura nie podaje jego numeru podatkowego.",
        "Sprawdź, czy nabywca nie ma NIP. Jeśli ma, podaj go, inaczej nie zobaczy faktury w KSeF.",
    ),
    "correction_without_original": Entry(
        "{where}: korekta nie wskazuje faktury, którą poprawia.", "Podaj numer KSeF faktury korygowanej."
    ),
    "advance_number_missing": Entry(
        "{where}: faktura rozliczeniowa nie podaje numerów faktur zaliczkowych.",
        "Dodaj numer KSeF każdej wcześniejszej faktury zaliczkowej.",
    ),
    "attachment_needs_batch": Entry(
        "Faktura ma załącznik, dlatego pójdzie do KSeF w sesji wsadowej.",
        "Nic nie trzeba robić. Gmina musi mieć w e-Urzędzie Skarbowym zgłoszone wystawianie faktur z załącznikiem.",
    ),
}

MUNICIPAL: dict[str, Entry] = {
    "issue_date_in_future": Entry(
        "{where}: data {value} jest późniejsza niż dzisiejsza ({today}).",
        "KSeF nie przyjmuje faktur z przyszłą datą. Wyślij plik ponownie tego dnia albo popraw datę.",
    ),
    "issue_date_past": Entry(
        "{where}: data {value} jest wcześniejsza niż dzisiejsza ({today}).",
        "Fakturę można wysłać, ale KSeF oznaczy ją jako wystawioną w trybie offline. Sprawdź, czy data jest właściwa.",
    ),
    "seller_not_municipality": Entry(
        "{where}: sprzedawcą jest „{value}”, a jednostka wysyła stąd faktury, w których sprzedawcą jest {expected}.",
        "Wpisz NIP gminy jako sprzedawcy. Jeśli to nie pomyłka, skontaktuj się z administratorem.",
    ),
    "seller_is_unit": Entry(
        "{where}: jako sprzedawcę podano NIP jednostki „{value}”, a podatnikiem VAT jest gmina.",
        "Jako sprzedawcę wpisz gminę (NIP {expected}), a jednostkę podaj w Podmiot3 z rolą 7.",
    ),
    "role7_missing": Entry(
        "{where}: faktura nie wskazuje jednostki, która ją wystawia.",
        "Dodaj Podmiot3 z rolą 7 i identyfikatorem {expected}, aby jednostka widziała fakturę w KSeF.",
    ),
    "role7_other_unit": Entry(
        "{where}: jako wystawiającą podano jednostkę „{value}”, a folder należy do jednostki {expected}.",
        "Sprawdź identyfikator w Podmiot3 z rolą 7 i folder, do którego trafił plik.",
    ),
    "duplicate_in_municipality": Entry(
        "Taka faktura lub faktura o tym samym numerze została już zgłoszona w gminie.",
        "Sprawdź numer faktury. Jeśli jest właściwy, skontaktuj się z administratorem gminy.",
    ),
    "number_given_up": Entry("Numer {number} ma w KSeF inny dokument.", "Wystaw fakturę z innym, wolnym numerem."),
    "number_taken": Entry(
        "{where}: numer „{number}” ma już inna faktura tej jednostki: plik „{first_name}” z dnia {first_date}.",
        "Nadaj fakturze następny wolny numer. Jeśli miała to być poprawka, wystaw fakturę korygującą.",
    ),
    "put_away_before": Entry(
        "Ten sam plik przyszedł już wcześniej i został odłożony: bez decyzji uprawnionej osoby nie trafi do KSeF.",
        "Nie wysyłaj go ponownie. Skontaktuj się z administratorem albo ze skarbnikiem gminy.",
    ),
    "idempotency_key_reused": Entry(
        "Ten klucz Idempotency-Key został już użyty do wysłania innego pliku.",
        "Wyślij plik z nowym kluczem. Ten sam klucz służy tylko do ponowienia tego samego pliku.",
    ),
    "offline24_not_allowed": Entry(
        "Ta jednostka nie może wystawiać faktur w trybie offline24.",
        "Wyślij plik przez zwykły folder „do-wyslania”. O zgodzie na offline24 decyduje zarządzenie w gminie.",
    ),
    "offline24_no_certificate": Entry(
        "Nie można wystawić faktury w trybie offline24: brak ważnego certyfikatu KSeF typu 2 (offline) do KODU II.",
        "Wyślij plik przez zwykły folder „do-wyslania” i przekaż ten komunikat administratorowi.",
    ),
    "original_not_numbered": Entry(
        "{where}: faktura korygowana „{value}” jest w KSeF albo czeka na numer KSeF; korekta musi podać ten numer.",
        "Wystaw korektę jeszcze raz i podaj w niej numer KSeF tej faktury{ready}.",
    ),
    "original_other_number": Entry(
        "{where}: podany numer KSeF nie jest numerem korygowanej faktury „{value}”.",
        "Wystaw korektę jeszcze raz i podaj w niej numer KSeF tej faktury{ready}.",
    ),
    "original_elsewhere": Entry(
        "{where}: dane korygowanej faktury „{value}” nie zgadzają się z tym, co gmina ma w KSeF lub w kolejce.",
        "Sprawdź numer korygowanej faktury. Jeśli jest właściwy, skontaktuj się z administratorem gminy.",
    ),
    "original_mismatch": Entry(
        "{where}: numer KSeF {value} należy do innej faktury niż korygowana „{number}”.",
        "Sprawdź numer KSeF korygowanej faktury (jest na jej wydruku i w pliku wyniku) i wystaw korektę jeszcze raz.",
    ),
    "technical_correction_offered": Entry(
        "Faktura wystawiona offline została odrzucona przez KSeF.",
        "Jeśli nabywca ma już wydruk z kodami, a błąd jest tylko techniczny, poproś administratora o korektę "
        "techniczną (sluza queue correct {id}): kody pozostaną ważne. Termin przesłania się nie zmienia.",
    ),
    "correction_of_nothing": Entry(
        "Korekta techniczna jest możliwa tylko dla faktury offline, którą KSeF odrzucił z przyczyn technicznych.",
        "Sprawdź identyfikator odrzuconej faktury: sluza queue list --all. Zwykłą poprawkę wyślij jak nową fakturę.",
    ),
    "correction_content_changed": Entry(
        "{where}: korekta techniczna nie może zmieniać treści faktury (było „{was}”, jest „{value}”).",
        "Popraw tylko to, co KSeF odrzucił. Jeśli ma się zmienić treść, wystaw nową fakturę albo fakturę korygującą.",
    ),
    "ksef_refused": Entry(
        "KSeF odrzucił fakturę: {description} (kod {status}{details}).",
        "Popraw fakturę według tego opisu i wyślij ją ponownie. Numer faktury jest znowu wolny.",
    ),
    "worker_timeout": Entry(
        "Sprawdzanie pliku trwało dłużej niż {seconds} s i zostało przerwane.",
        "Wyślij plik jeszcze raz. Jeśli to się powtórzy, przekaż plik administratorowi.",
    ),
    "worker_crashed": Entry(
        "Pliku nie udało się sprawdzić, bo jego odczyt przerywa pracę programu.",
        "Nie wysyłaj go ponownie w tej postaci. Przekaż plik administratorowi.",
    ),
    "poison": Entry(
        "Dokument odłożono do kwarantanny, bo program {times} razy przerwał pracę przy jego obsłudze.",
        "Nie wysyłaj go ponownie. Administrator może go przywrócić (sluza queue retry). Termin przesłania biegnie.",
    ),
}

ZIP: dict[str, Entry] = {
    "zip_broken": Entry(
        "Archiwum ZIP jest uszkodzone lub niekompletne.", "Utwórz archiwum od nowa i wyślij je jeszcze raz."
    ),
    "zip_encrypted": Entry(
        "Archiwum ZIP jest zaszyfrowane hasłem.", "Utwórz archiwum bez hasła i wyślij je jeszcze raz."
    ),
    "zip_empty": Entry(
        "W archiwum ZIP nie ma żadnej faktury.", "Włóż do archiwum pliki XML faktur i wyślij je jeszcze raz."
    ),
    "zip_too_many": Entry(
        "Archiwum ZIP ma {count} plików, a może mieć najwyżej {limit}.", "Podziel je na mniejsze archiwa."
    ),
    "zip_file_too_big": Entry(
        "Archiwum ZIP ma {size} bajtów, a Śluza przyjmuje archiwa do {limit} bajtów.",
        "Podziel faktury na mniejsze archiwa i wyślij je po kolei.",
    ),
    "zip_too_big": Entry(
        "Archiwum ZIP jest za duże po rozpakowaniu (plik „{name}”).",
        "Faktura może mieć 1 000 000 bajtów, a z załącznikiem 3 000 000 bajtów. Podziel duże archiwum na mniejsze.",
    ),
    "zip_bad_name": Entry(
        "Nazwa „{name}” w archiwum ZIP jest niedozwolona.",
        "Włóż do archiwum tylko pliki .xml o zwykłych nazwach, bez ścieżki.",
    ),
    "zip_method": Entry("Archiwum ZIP spakowano sposobem, którego Śluza nie odczyta.", "Spakuj pliki jako zwykły ZIP."),
    "zip_special": Entry("W archiwum ZIP „{name}” nie jest plikiem (dowiązanie, urządzenie).", "Włóż same pliki XML."),
    "zip_same_names": Entry("W archiwum ZIP są dwa pliki o tej samej nazwie.", "Nadaj każdemu plikowi inną nazwę."),
}

CATALOGUE: dict[str, Entry] = BYTES | FORM | CONTENT | MUNICIPAL | SALES | PURCHASES | TRAINING | ZIP


def problem(code: str, *, field: str = "", line: int | None = None, **values: object) -> Problem:
    """The finding `code` as a sentence and a cure; KeyError for a code or a value that the table does not know.

    With a `line` the sentence begins with it, so that the sentence alone says where to look.
    """
    entry = CATALOGUE[code]
    lengths = {name: _OUR_LENGTH if name in _OUR_WORDS else SHOWN_LENGTH for name in values}
    shown = {name: printable(value, lengths[name]) for name, value in values.items()}
    message = entry.message.format(where=_where(field), **shown)
    if line is not None:
        message = f"Wiersz {line}. {message}"
    return Problem(code, message, entry.hint.format(**shown), field, line)


def printable(value: object, length: int = SHOWN_LENGTH) -> str:
    """The value fit for one line of text: shortened, with control, bidi and other invisible characters spelled out."""
    text = f"{value:,}".replace(",", " ") if isinstance(value, int) else str(value)
    if len(text) > length:
        text = text[: length - 1] + "…"
    return "".join(c if c == " " or not _invisible(c) else f"\\u{{{ord(c):X}}}" for c in text)


def _invisible(character: str) -> bool:
    return unicodedata.category(character)[0] in "CZ"


def _where(field: str) -> str:
    """`Pole Fa/P_1 (data wystawienia)`; positions such as `FaWiersz[3]` are kept but not looked up."""
    if not field:
        return "Plik"
    name = FIELD_NAMES.get(re.sub(r"\[\d+\]", "", field))
    return f"Pole {printable(field, 120)} ({name})" if name else f"Pole {printable(field, 120)}"
