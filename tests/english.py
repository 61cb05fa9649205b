"""`python -m tests.english`: brings the English catalogue of the pages up to what templates and code say now.

New texts are added without a translation, those that nothing says any more go; a person writes what is missing.
"""

import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import jinja2.ext
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir, extract_from_file
from babel.messages.pofile import read_po, write_po

from gateway.http.problems import ROWS
from gateway.web.languages import CATALOGUE, ENGLISH
from spool.domain import announcements, document, ladder, papers, policy_words, states, verification, volumes
from spool.domain.accounts import ROLE_LABELS, weakness
from spool.domain.environments import BY_NAME, TRAINING

ROOT = Path(__file__).resolve().parents[1]
WEB = ROOT / "gateway" / "web"
FROM_BELOW = {
    "certs/credentials.py": (
        "logowanie do KSeF (certyfikat typu 1)", "KOD II w trybie offline (certyfikat typu 2)",
        "logowanie do KSeF tokenem", "urząd certyfikacji punktu zrzutu", "certyfikat TLS punktu zrzutu",
    ),
    "spool/domain/accounts.py": tuple(ROLE_LABELS.values()),
    "spool/domain/announcements.py": tuple(announcements.LABELS.values()),
    "spool/domain/document.py": tuple(document.MODE_LABELS.values()),
    "spool/domain/environments.py": (*(one.label for one in BY_NAME.values() if one.label), TRAINING),
    "spool/domain/ladder.py": tuple(ladder.LABELS.values()),
    "spool/domain/papers.py": (*papers.KIND_LABELS.values(), *papers.STANDINGS.values()),
    "spool/domain/policy_words.py": (*policy_words.LABELS.values(), *policy_words.VALUES.values()),
    "spool/domain/states.py": tuple(states.LABELS.values()),
    "spool/domain/volumes.py": (volumes.PUT_BACK,),
    "spool/domain/verification.py": tuple(verification.COLOUR_LABELS.values()),
}  # fmt: skip
"""Labels that the pages take from floors which know nothing of languages."""
REFUSING = (
    "gateway/by_person.py", "gateway/web/pages/papers.py", "spool/actions.py", "spool/domain/accounts.py",
    "spool/domain/municipality.py", "spool/domain/papers.py", "spool/outages.py", "spool/papers.py",
    "spool/store/papers.py", "spool/store/tray.py",
)  # fmt: skip
"""Where what a form asked for may be refused: the sentence, and the hint with its cure."""
PROBLEMS = (
    "bad_request", "body_damaged", "busy", "cookies_refused", "disk_full", "disk_inodes", "disk_read_only",
    "form_stale", "internal", "method_not_allowed", "not_allowed", "not_found", "not_now", "not_vouched", "pdf_later",
    "pdf_unreadable", "sign_in_first", "too_big", "too_many_passwords", "upo_not_yet", "vouched_twice", "wrong_host",
    "wrong_password",
)  # fmt: skip
"""Rows of `gateway.http.problems` that a page may show."""


def texts() -> Iterator[tuple[str, str]]:
    """Where a text stands, and the text: every one that a page may ask the catalogue for."""
    options = {"**.html": {"trimmed": "true", "silent": "false"}}
    methods = [("**.py", "python"), ("**.html", jinja2.ext.babel_extract)]
    found = extract_from_dir(WEB, methods, options, keywords=dict.fromkeys(("_", "gettext", "say", "phrase")))
    for name, _line, text, _comments, _context in found:
        assert isinstance(text, str), f"{name}: gettext's two forms do not do for Polish: {text}"
        yield f"gateway/web/{name}", text
    for name in REFUSING:
        for place in ((1,), (2,)):
            keywords = dict.fromkeys(("ConfigError", "MoveRefused", "RegisterRefused"), place)
            refused = extract_from_file("python", ROOT / name, keywords=keywords)
            yield from ((name, str(text)) for _line, text, _comments, _context in refused)
    yield from (("spool/domain/accounts.py", weakness(word, "login")) for word in ("x", "x" * 300, "x" * 20))
    for name, labels in FROM_BELOW.items():
        yield from ((name, label) for label in labels)
    rows = (ROWS[code] for code in PROBLEMS)
    yield from (("gateway/http/problems.py", text) for text in chain(*((r.title, r.detail) for r in rows)) if text)


def wanted() -> Catalog:
    """What the catalogue should hold, untranslated."""
    catalogue = Catalog(locale=ENGLISH, fuzzy=False)
    for name, text in sorted(texts()):
        catalogue.add(text, locations=[(name, None)])
    return catalogue


def main() -> int:
    """Rewrite the catalogue; 1 when something has to be translated."""
    catalogue, known = wanted(), _known()
    for message in catalogue:
        if message.id:
            message.string = known.get(str(message.id), "")
    with CATALOGUE.open("wb") as file:
        write_po(file, catalogue, width=0, omit_header=True)
    missing = [str(message.id) for message in catalogue if message.id and not message.string]
    sys.stdout.writelines(f"{text}\n" for text in missing)
    return 1 if missing else 0


def _known() -> dict[str, str]:
    if not CATALOGUE.exists():
        return {}
    with CATALOGUE.open("rb") as file:
        return {str(m.id): str(m.string) for m in read_po(file, locale=ENGLISH) if m.id}


if __name__ == "__main__":
    sys.exit(main())
