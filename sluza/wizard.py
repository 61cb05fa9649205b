"""The first configuration, asked for in a terminal. `python -m sluza.wizard SAMPLE OUT` puts answers into the sample.

The installer runs it once, where there is no configuration. It asks what nobody can guess; everything else stays as the
sample has it, with its comments, because that file is the map for whoever goes on.
"""

import re
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from pathlib import Path

import click

from spool import files
from spool.domain.calendar import WARSAW
from spool.domain.environments import BY_NAME, SANDBOX
from spool.domain.errors import ConfigError
from spool.domain.identifiers import nip_is_valid

_SECOND_UNIT = re.compile(r'\[\[unit\]\]\nid = "sp1".*?(?=\n\n# ---)', re.DOTALL)


def filled(sample: str, answers: Mapping[str, str]) -> str:
    """The sample with the answers; the example of a second unit becomes a comment. Raises LookupError for a sample in
    which a place is missing."""
    text = _SECOND_UNIT.sub(lambda found: "\n".join(f"# {line}" for line in found[0].splitlines()), sample, count=1)
    for pattern, replacement in _places(answers):
        text, count = re.subn(pattern, lambda found, said=replacement: said.replace("\0", found[1]), text, count=1)  # type: ignore[misc]
        if not count:
            raise LookupError(pattern)
    return text


def _places(answers: Mapping[str, str]) -> list[tuple[str, str]]:
    """Where each answer goes; "\\0" stands for the comment behind the value."""
    places = [
        (r'(?m)^name = "Gmina …"( *#.*)$', f"name = {_quoted(answers['name'])}\0"),
        (r'(?m)^nip = "0000000000"( *#.*)$', f'nip = "{answers["nip"]}"\0'),
        (r'(?m)^value = "0000000000"()$', f'value = "{answers["nip"]}"'),
        (r'(?m)^environment = "prod"( *#.*)$', f'environment = "{answers["environment"]}"\0'),
        (r'(?m)^auth_cert = "[^"]*"( *#.*)$', f"auth_cert = {_quoted(answers['auth_cert'])}\0"),
        (r'(?m)^auth_key = "[^"]*"( *#.*)$', f"auth_key = {_quoted(answers['auth_key'])}\0"),
        (r'(?m)^name = "Urząd Gminy"()$', f"name = {_quoted(answers['town_hall'])}"),
        (r"(?m)^since = \S+( *#.*)$", f"since = {answers['since']}\0"),
    ]
    if answers.get("smtp"):
        places += [
            (r"(?m)^# smtp = \S+( *#.*)$", f"smtp = {_quoted(answers['smtp'])}\0"),
            (r"(?m)^# sender = .*?()$", f"sender = {_quoted(answers['recipient'])}"),
            (r"(?m)^# recipients = \[\"informatyk\S*\]( *#.*)$", f"recipients = [{_quoted(answers['recipient'])}]\0"),
        ]
    return places


def _quoted(text: str) -> str:
    """As a string of TOML."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def ask(today: date) -> dict[str, str]:
    """The questions. Raises click.Abort when somebody leaves."""
    _say("Kilka pytań do pierwszej konfiguracji; wszystko można później zmienić w /etc/sluza/sluza.toml.\n")
    answers = {
        "name": _ask("Nazwa gminy (podatnika)", _text),
        "nip": _ask("NIP gminy", _nip),
        "town_hall": _ask("Nazwa urzędu", _text, "Urząd Gminy"),
        "environment": _ask("Środowisko KSeF: prod, demo albo test", _environment, "prod"),
        "auth_cert": _ask("Plik certyfikatu KSeF (PEM)", _text, "/etc/sluza/ksef-auth.pem"),
        "auth_key": _ask("Plik klucza tego certyfikatu", _text, "/etc/sluza/ksef-auth.key"),
        "since": _ask("Odbierać faktury zakupowe od dnia (RRRR-MM-DD)", _day, today.isoformat()),
        "recipient": _ask("E-mail do ostrzeżeń (puste: bez poczty)", _mail, ""),
    }
    if answers["recipient"]:
        answers["smtp"] = _ask("Serwer poczty (nazwa:port)", _text, "localhost:587")
    for key in ("auth_cert", "auth_key"):
        if not Path(answers[key]).exists():
            _say(f"Nie ma jeszcze pliku {answers[key]}; Śluza ruszy, gdy tam będzie.")
    return answers


def _ask(question: str, check: Callable[[str], str], default: str | None = None) -> str:
    while True:
        try:
            return check(click.prompt(question, default=default, err=True, show_default=bool(default)))
        except ConfigError as error:
            _say(f"  {error}")


def _say(text: str) -> None:
    click.echo(text, err=True)


def _text(said: str) -> str:
    if not said.strip() or not said.isprintable():
        raise ConfigError("Proszę wpisać tekst.")
    return said.strip()


def _nip(said: str) -> str:
    digits = re.sub(r"[\s-]", "", said).removeprefix("PL")
    if not nip_is_valid(digits):
        raise ConfigError("To nie jest NIP: zła cyfra kontrolna albo liczba cyfr.")
    return digits


def _environment(said: str) -> str:
    if said not in BY_NAME or said == SANDBOX.name:
        raise ConfigError("Proszę wpisać prod, demo albo test.")
    return said


def _day(said: str) -> str:
    try:
        return date.fromisoformat(said.strip()).isoformat()
    except ValueError:
        raise ConfigError("Proszę wpisać datę, np. 2026-11-01.") from None


def _mail(said: str) -> str:
    if said and not re.fullmatch(r"[^@\s\"\\]+@[^@\s\"\\]+", said):
        raise ConfigError("Proszę wpisać jeden adres e-mail albo nic.")
    return said


def main() -> int:
    """Returns 1 when the questions were not answered; then there is no file."""
    sample, out = Path(sys.argv[1]), Path(sys.argv[2])
    try:
        answers = ask(datetime.now(UTC).astimezone(WARSAW).date())
    except click.Abort:
        _say("")
        return 1
    files.write(out, filled(sample.read_text(encoding="utf-8"), answers).encode(), 0o600)
    return 0


if __name__ == "__main__":
    sys.exit(main())
