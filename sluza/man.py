"""The manual page, made from the commands themselves: `python -m sluza.man > sluza.1`; the installer does it."""

import sys
from collections.abc import Iterator

import click

from sluza import __version__
from sluza.__main__ import cli
from spool.domain.exits import MEANING

_HEAD = r""".\" Made by python -m sluza.man from the commands themselves.
.TH SLUZA 1 "" "Śluza {version}" "Bramka KSeF"
.SH NAZWA
sluza \- bramka KSeF dla gminy i jej jednostek
.SH SKŁADNIA
.B sluza
[\-\-config PLIK] POLECENIE [OPCJE]
.SH POLECENIA
"""
_FOOT = r""".SH PLIKI
.TP
.B /etc/sluza/sluza.toml
konfiguracja; inną wskazuje \-\-config albo zmienna SLUZA_CONFIG
.TP
.B /var/lib/sluza
spool i klucze TLS
.TP
.B /srv/sluza
foldery jednostek
.SH KODY WYJŚCIA
"""


def page() -> str:
    """The page in roff's language."""
    parts = [_HEAD.format(version=__version__), *_commands(cli, "sluza"), _FOOT]
    parts += [f".TP\n.B {code.value}\n{_escaped(meaning)}\n" for code, meaning in MEANING.items()]
    return "".join(parts)


def _commands(group: click.Group, path: str) -> Iterator[str]:
    """Every command below this one, with its arguments and options."""
    with click.Context(group, info_name=path) as ctx:
        for name in group.list_commands(ctx):
            command = group.get_command(ctx, name)
            if command is None or command.hidden:
                continue
            if isinstance(command, click.Group):
                yield from _commands(command, f"{path} {name}")
            else:
                yield from _one(command, f"{path} {name}")


def _one(command: click.Command, path: str) -> Iterator[str]:
    with click.Context(command, info_name=path) as ctx:
        usage = " ".join(command.collect_usage_pieces(ctx))
        yield f".SS {_escaped(path)} {_escaped(usage)}\n{_escaped(command.help or '')}\n"
        for parameter in command.params:
            record = parameter.get_help_record(ctx)
            if record is not None and record[1]:
                yield f".TP\n.B {_escaped(record[0])}\n{_escaped(record[1])}\n"


def _escaped(text: str) -> str:
    """Text that roff prints as it is: no command at the beginning of a line, no escape, plain hyphens."""
    lines = (line.strip().replace("\\", r"\e").replace("-", r"\-") for line in text.splitlines())
    return "\n".join(rf"\&{line}" if line.startswith((".", "'")) else line for line in lines if line)


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
    sys.stdout.write(page())
