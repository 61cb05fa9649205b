"""The English catalogue holds what the pages say, no more and no less; numbers, days and labels in English."""

import re
from string import Formatter

from babel.messages.pofile import read_po

from gateway.web.languages import CATALOGUE, ENGLISH, Said, lang, say, speaking
from gateway.web.words import counted, day, left, moment, number, paid
from spool.domain.document import Facts
from tests.english import WEB, texts
from tests.http_bench import NOW

POLISH_LETTERS = re.compile("[ąćęłńóśźżĄĆĘŁŃÓŚŹŻ]")


def test_every_text_of_the_pages_has_an_english_one() -> None:
    """What templates and code say, and the catalogue, are the same set; nothing is empty, unsure, or out of use.

    `python -m tests.english` brings the catalogue up to date and lists what a person has to translate.
    """
    with CATALOGUE.open("rb") as file:
        catalogue = read_po(file, locale=ENGLISH)
    known = {str(message.id): str(message.string) for message in catalogue if message.id}
    said = {text for _, text in texts()}
    assert said - set(known) == set(), "missing: run python -m tests.english"
    assert set(known) - said == set(), "stale: run python -m tests.english"
    assert [text for text, translation in known.items() if not translation.strip()] == []
    assert [message.id for message in catalogue if message.id and message.fuzzy] == []
    assert not catalogue.obsolete


def test_translations_keep_what_is_put_into_them() -> None:
    """Values in braces and in `%(…)s`, and tags, are the same in both languages; no Polish letter is left."""
    with CATALOGUE.open("rb") as file:
        pairs = [(str(m.id), str(m.string)) for m in read_po(file, locale=ENGLISH) if m.id]
    marks = re.compile(r"%\(\w+\)s|</?\w+>")
    for polish, translation in pairs:
        assert sorted(marks.findall(polish)) == sorted(marks.findall(translation)), polish
        names = [{name for _, name, _, _ in Formatter().parse(text) if name} for text in (polish, translation)]
        assert names[0] == names[1], polish
        assert not POLISH_LETTERS.search(re.sub("Śluza|“[^”]*”", "", translation)), translation


def test_templates_translate_constants_only() -> None:
    """`_()` marks its result as safe, so nothing of a document may ever go through it (faults X12)."""
    for path in WEB.glob("templates/*.html"):
        source = path.read_text(encoding="utf-8")
        assert re.findall(r"\b_\((?![\"'])", source) == [], path.name
        outside = re.sub(r"\{% trans.*?endtrans %\}|\{\{.*?\}\}|\{%.*?%\}", "", source, flags=re.DOTALL)
        assert POLISH_LETTERS.findall(outside.replace("Śluza", "").replace("Imię", "")) == [], path.name


def test_words_in_english() -> None:
    """Counted words, numbers, amounts, days and spans as English has them, and nothing of it without being asked."""
    facts = Facts(gross="12345.5", currency="PLN")
    hostile = Facts(gross="1,5 <b>", currency="PLN")
    with speaking(ENGLISH):
        assert [counted(n) for n in (1, 2, 5, 12345)] == ["1 invoice", "2 invoices", "5 invoices", "12,345 invoices"]
        assert paid(facts) == "12,345.50 PLN"
        assert paid(hostile) == "1,5 <b> PLN"
        assert moment(NOW, NOW).startswith("today ")
        assert moment(NOW.replace(year=2025, month=3, day=1, hour=12), NOW) == "Sat 1 Mar 2025, 13:00"
        assert day(NOW.replace(month=9, day=2)) == "2 Sept 2026"
        assert left(NOW, NOW) == "less than 1 min"
    assert (number(12345), paid(facts)) == ("12\u00a0345", "12 345,50 PLN")
    assert day(NOW.replace(month=9, day=2)) == "02.09.2026"


def test_what_the_catalogue_does_not_know_is_marked() -> None:
    """A label that nobody translated yet is shown in Polish, and programs that read aloud are told so."""
    with speaking(ENGLISH):
        assert isinstance(say("odrzucona"), Said)
        assert (say("zupełnie nowy stan"), lang(say("zupełnie nowy stan"))) == ("zupełnie nowy stan", ' lang="pl"')
        assert lang(say("odrzucona")) == ""
    assert lang("zupełnie nowy stan") == ""
