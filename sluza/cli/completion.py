"""`sluza completion …`: what a shell needs to complete our commands; click makes it."""

import click
from click.shell_completion import get_completion_class

NAME, VARIABLE = "sluza", "_SLUZA_COMPLETE"
SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Skrypt podpowiedzi dla powłoki; instalator zapisuje go sam."""
    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(ctx.find_root().command, {}, NAME, VARIABLE).source())
