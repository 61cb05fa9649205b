"""`python -m bench.named MODULE …`: the program, with the names of its threads told to the system.

`bench.processor` (and `top -H`) then sees which thread the time goes to. Python does not tell them by itself.
"""

import runpy
import sys
import threading
from pathlib import Path

_LONGEST = 15
_run = threading.Thread.run


def _run_named(thread: threading.Thread) -> None:
    Path("/proc/thread-self/comm").write_text(thread.name[:_LONGEST])
    _run(thread)


if __name__ == "__main__":
    threading.Thread.run = _run_named  # type: ignore[method-assign]
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
