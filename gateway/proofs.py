"""The proofs of one invoice as one ZIP that a stranger can check with sha256sum, openssl and Python, without Śluza.

Pure: what the spool knows goes in, bytes come out, the same for the same state of the document. Nothing in it is about
another document: of the history only its own rows are here, each with its seal and the seal of the row before.
"""

import hashlib
import io
import json
import zipfile
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from spool.domain.catalogue import printable

README, SUMS = "JAK-SPRAWDZIC.txt", "SHA256SUMS"
INVOICE, UPO, PDF = "faktura.xml", "upo.xml", "faktura.pdf"
FACTS, HISTORY, ANNOUNCED = "dane.json", "historia.json", "komunikaty.json"
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The time of every file in the archive: when it was packed proves nothing, and the same state gives the same bytes."""


@dataclass(frozen=True)
class Notice:
    """A message of the beacon as it was read, with its hash and when it was read (ISO 8601)."""

    raw: str
    sha256: str
    seen_at: str


@dataclass(frozen=True)
class Evidence:
    """What is known of one invoice.

    `facts` and `announced` are plain JSON; `links` are its rows of the history with their seals; `upo` and `pdf` None
    where there is none; `checked_by` is the address behind KOD I, empty when it is not known.
    """

    title: str
    raw: bytes
    upo: bytes | None
    pdf: bytes | None
    facts: Mapping[str, Any]
    links: Sequence[Mapping[str, Any]]
    announced: Sequence[Mapping[str, Any]] = ()
    notices: Sequence[Notice] = ()
    checked_by: str = ""
    sent_by_us: bool = True


def package(evidence: Evidence) -> bytes:
    """The archive."""
    files = [(name, raw) for name, raw in _files(evidence).items() if raw is not None]
    sums = "".join(f"{hashlib.sha256(raw).hexdigest()}  {name}\n" for name, raw in files)
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, raw in [*files, (SUMS, sums.encode())]:
            entry = zipfile.ZipInfo(name, _EPOCH)  # stored: what compresses differs from one zlib to the next
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, raw)
    return made.getvalue()


def _files(evidence: Evidence) -> dict[str, bytes | None]:
    notices = {f"komunikaty/{n:03d}.json": one.raw.encode() for n, one in enumerate(evidence.notices, 1)}
    announced = {
        "announcements": list(evidence.announced),
        "notices": [
            {"file": name, "sha256": one.sha256, "seen_at": one.seen_at}
            for name, one in zip(notices, evidence.notices, strict=True)
        ],
    }
    return {
        README: _readme(evidence).encode(),
        INVOICE: evidence.raw,
        UPO: evidence.upo,
        PDF: evidence.pdf,
        FACTS: _json(evidence.facts),
        HISTORY: _json({"events": [dict(link) for link in evidence.links]}),
        ANNOUNCED: _json(announced) if evidence.announced or evidence.notices else None,
        **notices,
    }


def _json(value: Any) -> bytes:
    return (json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True) + "\n").encode()


def _readme(evidence: Evidence) -> str:
    sha256 = hashlib.sha256(evidence.raw).hexdigest()
    where = "przyjęła Śluza" if evidence.sent_by_us else "wydał KSeF"
    parts = [
        _TITLE.format(printable(evidence.title, 120)),
        _ABOUT_SUMS,
        _ABOUT_BYTES.format(where, sha256),
        *_about_upo(evidence),
        *_about_code(evidence),
        _ABOUT_HISTORY,
    ]
    if evidence.notices or evidence.announced:
        parts.append(_ABOUT_ANNOUNCED)
    parts.append(_WHAT_IS_WHAT)
    return "\n\n".join(parts) + "\n"


def _about_upo(evidence: Evidence) -> list[str]:
    if evidence.upo is None:
        reason = "jeszcze go nie ma" if evidence.sent_by_us else "UPO dostaje wystawca faktury"
        return [f"3. UPO (urzędowe poświadczenie odbioru)\n\n   W tej paczce nie ma UPO: {reason}."]
    digest = b64encode(hashlib.sha256(evidence.raw).digest()).decode()
    text = (
        "3. Czy UPO jest o tym pliku\n\n"
        '    $ grep -qF "$(openssl dgst -sha256 -binary faktura.xml | openssl base64 -A)" upo.xml && echo ZGODNE\n\n'
        f"   UPO podaje skrót faktury zapisany w Base64: {digest}\n"
        "   Numer KSeF i daty są w UPO w polach NumerKSeFDokumentu, DataPrzeslaniaDokumentu, DataNadaniaNumeruKSeF.\n"
        "   Podpis Ministerstwa Finansów pod UPO sprawdza dowolny weryfikator podpisów XAdES, np. kwalifikowana usługa "
        "walidacji."
    )
    return [text]


def _about_code(evidence: Evidence) -> list[str]:
    if not evidence.checked_by:
        return []
    text = (
        "4. Czy faktura jest w KSeF\n\n"
        f"   Strona weryfikacji KSeF: {printable(evidence.checked_by, 400)}\n"
        "   Ostatni człon adresu to skrót pliku zapisany w Base64 dla adresów:\n\n"
        "    $ openssl dgst -sha256 -binary faktura.xml | openssl base64 -A | tr '+/' '-_' | tr -d '='"
    )
    return [text]


_TITLE = """DOWODY: {}

Każdy krok można wykonać bez Śluzy, w katalogu z rozpakowanymi plikami. Wiersze zaczynające się od „$” to polecenia
(Linux; w Windows np. w WSL). Znak „$” nie należy do polecenia."""
_ABOUT_SUMS = """1. Czy plików nikt nie zmienił od spakowania

    $ sha256sum -c SHA256SUMS

   Przy każdym pliku ma być „OK” albo „DOBRZE”."""
_ABOUT_BYTES = """2. Czy to te same bajty, które {}

    $ sha256sum faktura.xml

   Skrót ma być równy: {}
   Ten sam skrót jest w pliku dane.json."""
_ABOUT_HISTORY = """5. Czy historii nikt nie zmienił

   Każdy wpis niesie skrót (hash) samego siebie razem ze skrótem wpisu poprzedniego (previous) w całej historii Śluzy.
   Zmiana jednej litery zmienia skrót. Poniższe polecenie liczy skróty od nowa:

    $ python3 -c "
import hashlib, json
for e in json.load(open('historia.json', encoding='utf-8'))['events']:
    fields = [e[k] for k in ('at', 'subject', 'actor', 'move', 'note', 'data', 'previous')]
    fields += [] if e['fence'] is None else [e['fence']]
    made = hashlib.sha256(json.dumps(fields, ensure_ascii=False).encode()).hexdigest()
    assert made == e['hash'], e['seq']
print('HISTORIA ZGODNA')
"

   Wpisy o innych dokumentach stoją pomiędzy i tu ich nie ma. Cały łańcuch sprawdza w urzędzie polecenie: sluza check"""
_ABOUT_ANNOUNCED = """6. Komunikaty o awariach, na których oparto termin

   Plik komunikaty.json podaje okresy, które liczyły się dla tej faktury, i skróty komunikatów w katalogu komunikaty,
   zapisanych słowo w słowo, z godziną odczytu:

    $ python3 -c "
import hashlib, json
for n in json.load(open('komunikaty.json', encoding='utf-8'))['notices']:
    assert hashlib.sha256(open(n['file'], 'rb').read()).hexdigest() == n['sha256'], n['file']
print('KOMUNIKATY ZGODNE')
"

   Te same komunikaty publikuje ministerstwo (Latarnia KSeF, BIP)."""
_WHAT_IS_WHAT = """Co jest w plikach

   faktura.xml       oryginalne bajty faktury; tylko one są fakturą
   upo.xml           urzędowe poświadczenie odbioru, jeśli jest
   faktura.pdf       wydruk do czytania; nie jest fakturą
   dane.json         stan, numer KSeF, terminy i ich podstawa prawna
   historia.json     co się działo z fakturą: kiedy, kto, co; ze skrótami
   komunikaty.json   komunikaty o awariach KSeF, jeśli któryś miał znaczenie
   SHA256SUMS        skróty wszystkich pozostałych plików"""
