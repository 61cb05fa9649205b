"""The Polish words of FA(3)'s codes, shortened from the documentation in the ministry's schema (1-0E)."""

KIND = {
    "VAT": "Faktura",
    "KOR": "Faktura korygująca",
    "ZAL": "Faktura zaliczkowa",
    "ROZ": "Faktura rozliczeniowa",
    "UPR": "Faktura uproszczona",
    "KOR_ZAL": "Faktura korygująca fakturę zaliczkową",
    "KOR_ROZ": "Faktura korygująca fakturę rozliczeniową",
}
TOTAL = {
    "ZAL": "Otrzymana zapłata",
    "ROZ": "Pozostało do zapłaty",
    "KOR": "Korekta kwoty należności ogółem",
    "KOR_ZAL": "Korekta kwoty zapłaty",
    "KOR_ROZ": "Korekta kwoty pozostałej do zapłaty",
}
ROLE = {
    "1": "Faktor",
    "2": "Odbiorca",
    "3": "Podmiot pierwotny",
    "4": "Dodatkowy nabywca",
    "5": "Wystawca faktury",
    "6": "Dokonujący płatności",
    "7": "Jednostka samorządu terytorialnego – wystawca",
    "8": "Jednostka samorządu terytorialnego – odbiorca",
    "9": "Członek grupy VAT – wystawca",
    "10": "Członek grupy VAT – odbiorca",
    "11": "Pracownik",
}
JST_ROLES = ("7", "8")
AUTHORISED_ROLE = {
    "1": "Organ egzekucyjny (art. 106c pkt 1)",
    "2": "Komornik sądowy (art. 106c pkt 2)",
    "3": "Przedstawiciel podatkowy",
}
TAXPAYER_STATUS = {
    "1": "w likwidacji",
    "2": "w postępowaniu restrukturyzacyjnym",
    "3": "w upadłości",
    "4": "przedsiębiorstwo w spadku",
}
CORRECTION_EFFECT = {
    "1": "w dacie ujęcia faktury pierwotnej",
    "2": "w dacie wystawienia faktury korygującej",
    "3": "w dacie innej, w tym różnej dla różnych pozycji",
}
PAYMENT_FORM = {
    "1": "gotówka",
    "2": "karta",
    "3": "bon",
    "4": "czek",
    "5": "kredyt",
    "6": "przelew",
    "7": "płatność mobilna",
}
PARTLY_PAID = {"1": "zapłacono w części", "2": "zapłacono w całości, w częściach"}
BANK_OWN_ACCOUNT = {
    "1": "rachunek banku do rozliczeń z tytułu nabywanych wierzytelności",
    "2": "rachunek banku do pobrania należności i przekazania jej dostawcy",
    "3": "rachunek banku prowadzony w ramach gospodarki własnej",
}
TRANSPORT = {
    "1": "morski",
    "2": "kolejowy",
    "3": "drogowy",
    "4": "lotniczy",
    "5": "przesyłka pocztowa",
    "7": "stałe instalacje przesyłowe",
    "8": "żegluga śródlądowa",
}
LOAD = {
    "1": "bańka",
    "2": "beczka",
    "3": "butla",
    "4": "karton",
    "5": "kanister",
    "6": "klatka",
    "7": "kontener",
    "8": "kosz/koszyk",
    "9": "łubianka",
    "10": "opakowanie zbiorcze",
    "11": "paczka",
    "12": "pakiet",
    "13": "paleta",
    "14": "pojemnik",
    "15": "pojemnik do ładunków masowych stałych",
    "16": "pojemnik do ładunków masowych w postaci płynnej",
    "17": "pudełko",
    "18": "puszka",
    "19": "skrzynia",
    "20": "worek",
}
RATE = {
    "0 KR": "0%",
    "0 WDT": "0% WDT",
    "0 EX": "0% eksport",
    "zw": "zw.",
    "oo": "oo",
    "np I": "np. I",
    "np II": "np. II",
}
ANNOTATIONS = {
    "P_16": "metoda kasowa",
    "P_17": "samofakturowanie",
    "P_18": "odwrotne obciążenie",
    "P_18A": "mechanizm podzielonej płatności",
    "P_23": "procedura uproszczona (art. 135 ust. 1 pkt 4 lit. b i c oraz ust. 2 – transakcja trójstronna)",
}
MARGIN = {
    "P_PMarzy_2": "procedura marży dla biur podróży",
    "P_PMarzy_3_1": "procedura marży – towary używane",
    "P_PMarzy_3_2": "procedura marży – dzieła sztuki",
    "P_PMarzy_3_3": "procedura marży – przedmioty kolekcjonerskie i antyki",
}
NEW_VEHICLE = {
    "P_22A": "dopuszczony do użytku",
    "P_NrWierszaNST": "wiersz faktury",
    "P_22BMK": "marka",
    "P_22BMD": "model",
    "P_22BK": "kolor",
    "P_22BNR": "nr rejestracyjny",
    "P_22BRP": "rok produkcji",
    "P_22B": "przebieg",
    "P_22B1": "VIN",
    "P_22B2": "nr nadwozia",
    "P_22B3": "nr podwozia",
    "P_22B4": "nr ramy",
    "P_22BT": "typ",
    "P_22C": "godziny robocze (jednostka pływająca)",
    "P_22C1": "nr kadłuba",
    "P_22D": "godziny robocze (statek powietrzny)",
    "P_22D1": "nr fabryczny",
}
OTHER_FORM = {
    "FA": "Faktura",
    "FA_RR": "Faktura VAT RR",
    "Invoice": "Faktura PEF",
    "CreditNote": "Faktura korygująca PEF",
}
