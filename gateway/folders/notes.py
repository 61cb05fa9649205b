"""What people read in `odrzucone/`: the note `<name>.blad.txt`. Pure text, made for Notepad: UTF-8 with BOM, CRLF."""

from collections.abc import Sequence
from datetime import datetime

from gateway.folders.door import Answer
from spool.domain.calendar import WARSAW
from spool.domain.catalogue import printable
from spool.domain.environments import heading
from spool.domain.errors import Problem
from spool.domain.states import State

_BOM = b"\xef\xbb\xbf"
_LONGEST_LABEL = 200

_HEADINGS = {
    State.REFUSED: "FAKTURA NIE ZOSTAŁA PRZYJĘTA",
    State.WITHDRAWN: "FAKTURA ZOSTAŁA WYCOFANA",
    State.QUARANTINED: "FAKTURA ZOSTAŁA ODŁOŻONA (KWARANTANNA)",
    State.CEASED: "OBOWIĄZEK PRZESŁANIA TEJ FAKTURY DO KSEF WYGASŁ",
}
_ENDINGS = {
    State.REFUSED: (
        "Ta faktura NIE jest w KSeF. Oryginał pliku leży obok tej notatki.",
        "Po poprawieniu proszę zapisać plik ponownie w folderze „do-wyslania”.",
    ),
    State.WITHDRAWN: (
        "Ta faktura NIE została wysłana do KSeF. Oryginał pliku leży obok tej notatki.",
        "Jeśli ma jednak zostać wysłana, proszę zapisać plik ponownie w folderze „do-wyslania”.",
    ),
    State.QUARANTINED: (
        "Ta faktura NIE została wysłana do KSeF. Oryginał pliku leży obok tej notatki.",
        "Proszę nie wysyłać jej ponownie, tylko skontaktować się z administratorem.",
    ),
    State.CEASED: (
        "Ta faktura NIE jest w KSeF. Oryginał pliku leży obok tej notatki.",
        "Proszę nie wysyłać jej ponownie, tylko skontaktować się z administratorem.",
    ),
}
_OF_AN_ENTRY = {"new": "przyjęta", "same": "przyjęta już wcześniej", "refused": "NIE przyjęta"}
_END_OF_AN_ARCHIVE = (
    "Nieprzyjęte pliki leżą w tym folderze, każdy z własną notatką i wszystkimi powodami.",
    "Po poprawieniu proszę zapisać je w folderze „do-wyslania”. Przyjętych nie trzeba wysyłać ponownie.",
)


def note(
    *,
    source_name: str,
    unit: str,
    at: datetime,
    fingerprint: str,
    problems: Sequence[Problem],
    number: str = "",
    state: State = State.REFUSED,
    reason: str = "",
    training: str = "",
) -> bytes:
    """The note for one file: which, whose, when, and for each problem what, where and what to do."""
    lines = [
        *([heading(training), ""] if training else []),
        _HEADINGS[state],
        "",
        f"Plik:      {printable(source_name, _LONGEST_LABEL)}",
        f"Jednostka: {printable(unit, _LONGEST_LABEL)}",
        f"Data:      {at.astimezone(WARSAW):%d.%m.%Y, godz. %H:%M}",
    ]
    if number:
        lines.append(f"Numer:     {printable(number, _LONGEST_LABEL)}")
    if reason:
        lines += ["", printable(reason, 500)]
    for index, problem in enumerate(problems, 1):
        lines += ["", *_about(index, problem)]
    lines += ["", *_ENDINGS[state], "", f"Skrót pliku (SHA-256): {fingerprint}", ""]
    return _BOM + "\r\n".join(lines).encode("utf-8", "replace")


def archive_note(*, source_name: str, unit: str, at: datetime, fingerprint: str, answers: Sequence[Answer]) -> bytes:
    """The one note for a ZIP of which not everything was taken: what became of each file in it, in their order."""
    taken = sum(a.kind in {"new", "same"} for a in answers)
    lines = [
        "ARCHIWUM ZIP PRZYJĘTO TYLKO W CZĘŚCI" if taken else "Z ARCHIWUM ZIP NIE PRZYJĘTO ŻADNEJ FAKTURY",
        "",
        f"Plik:      {printable(source_name, _LONGEST_LABEL)}",
        f"Jednostka: {printable(unit, _LONGEST_LABEL)}",
        f"Data:      {at.astimezone(WARSAW):%d.%m.%Y, godz. %H:%M}",
        f"Przyjęto:  {taken} z {len(answers)}",
        "",
    ]
    for index, answer in enumerate(answers, 1):
        lines.append(f"{index}. {printable(answer.name, _LONGEST_LABEL)}: {_OF_AN_ENTRY[answer.kind]}")
        if answer.kind == "refused" and answer.problems:
            first = answer.problems[0]
            lines += [f"   {printable(first.message, 1000)}", f"   Co zrobić: {printable(first.hint, 1000)}"]
    lines += ["", *_END_OF_AN_ARCHIVE, "", f"Skrót pliku (SHA-256): {fingerprint}", ""]
    return _BOM + "\r\n".join(lines).encode("utf-8", "replace")


def _about(index: int, problem: Problem) -> list[str]:
    """One problem; every value in it was made printable, so that a line stays a line (faults X14)."""
    lines = [f"{index}. {printable(problem.message, 1000)}"]
    place = [f"pole {printable(problem.field, _LONGEST_LABEL)}"] if problem.field else []
    place += [f"wiersz {problem.line}"] if problem.line is not None else []
    if place:
        lines.append(f"   Gdzie: {', '.join(place)}")
    if problem.hint:
        lines.append(f"   Co zrobić: {printable(problem.hint, 1000)}")
    return lines
