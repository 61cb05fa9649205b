"""The `sluza` command. Verbs are loaded when they are called, so that `sluza validate` starts fast."""

import importlib
import os
import sys

import click

from sluza import __version__
from spool.domain.errors import SluzaError
from spool.domain.exits import Exit, exit_for

VERBS = {
    "gateway": "processes",
    "agent": "processes",
    "sandbox": "processes",
    "training-sandbox": "processes",
    "folders": "folders",
    "demo": "demo",
    "status": "status",
    "queue": "queue",
    "submit": "submit",
    "validate": "validate",
    "deadline": "deadline",
    "outage": "outage",
    "received": "received",
    "register": "register",
    "unit": "unit",
    "user": "user",
    "certs": "certs",
    "alerts": "alerts",
    "history": "history",
    "check": "check",
    "reconcile": "reconcile",
    "backup": "backup",
    "restore": "restore",
    "archive": "archive",
    "undo-upgrade": "undo_upgrade",
    "shares": "shares",
    "check-config": "check_config",
    "policy": "policy",
    "completion": "completion",
}


class Verbs(click.Group):
    """Finds a verb in its module when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """The verbs in the order of the table."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's
        """Load the module of this verb."""
        if cmd_name not in VERBS:
            return None
        module = importlib.import_module(f"sluza.cli.{VERBS[cmd_name]}")
        command: click.Command = getattr(module, cmd_name.replace("-", "_"))
        return command


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="sluza")
@click.option("--config", metavar="PLIK", help="Plik konfiguracji (domyślnie /etc/sluza/sluza.toml).")
@click.pass_context
def cli(ctx: click.Context, config: str | None) -> None:
    """Śluza – bramka KSeF dla gminy i jej jednostek."""
    ctx.obj = config


def main() -> None:
    """Entry point of the console script: every error becomes one sentence and an exit code, never a traceback."""
    try:
        cli(prog_name="sluza")
    except KeyboardInterrupt:
        sys.exit(Exit.REFUSED)
    except SluzaError as error:
        sys.exit(_tell(str(error), error.hint, exit_for(error)))
    except Exception as error:
        if os.environ.get("SLUZA_DEBUG"):
            raise
        what = f"Nieoczekiwany błąd programu: {type(error).__name__}: {error}"
        sys.exit(_tell(what, "Szczegóły pokaże to samo polecenie z SLUZA_DEBUG=1.", Exit.FAILED))


def _tell(text: str, hint: str, code: Exit) -> Exit:
    from sluza.console import sentence

    sentence(text, hint)
    return code


if __name__ == "__main__":
    main()
