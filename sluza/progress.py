"""How far a long command is: one line, on a terminal only."""

import contextlib
from collections.abc import Iterator

from rich.progress import BarColumn, Progress, TaskID, TextColumn

from sluza.console import err
from spool.inspection import Tell


@contextlib.contextmanager
def progress() -> Iterator[Tell]:
    """Hand out what the command tells its progress to."""
    if not err.is_terminal:
        yield lambda _what, _done, _total: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[done]}"))
    with Progress(*columns, console=err, transient=True) as shown:
        line: TaskID = shown.add_task("…", total=None, done="")

        def tell(what: str, done: int, total: int) -> None:
            said = f"{done} / {total}" if total else str(done or "")
            shown.update(line, description=what, completed=done, total=total or None, done=said)

        yield tell
