"""`python -m sandbox`: start the simulator, say so in one line of JSON, stop cleanly on a signal."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import signal
import tempfile
from pathlib import Path

from aiohttp import web

from sandbox.server import build_app
from sandbox.world import make_world


def main(argv: list[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT; 0 after a clean stop."""
    options = _parser().parse_args(argv)
    with contextlib.ExitStack() as stack:
        data = options.data or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sandbox-")))
        asyncio.run(serve(options, data))
    return 0


async def serve(options: argparse.Namespace, data: Path) -> None:
    """Listen, print `{"ready": true, "url": …}` as the last start-up line, wait for a signal."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    base = options.storage_base
    world = make_world(data, profile=options.profile, speed=options.speed, storage_base=base)
    runner = web.AppRunner(build_app(world), access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    site = web.TCPSite(runner, options.host, options.port, backlog=512)
    await site.start()
    port = runner.addresses[0][1]
    print(json.dumps({"ready": True, "url": f"http://{options.host}:{port}"}), flush=True)
    await stop.wait()
    await runner.cleanup()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="sandbox", description="KSeF 2.0 simulator")
    parser.add_argument("--port", type=int, required=True, help="0 picks a free port")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--data", type=Path, help="directory kept between runs; without it nothing is kept")
    parser.add_argument("--profile", choices=("test", "prod"), default="test")
    parser.add_argument("--speed", choices=("real", "fast"), default="real")
    parser.add_argument("--storage-base", help="base of storage URLs; default: the Host of the request")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
