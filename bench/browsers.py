"""Open overviews, in a process of their own: each is told of changes and asks again, as the page's own script does.

Prints `{"open": N}` once every one of them has its first page, and at a line on stdin the seconds of every page since.
"""

import asyncio
import contextlib
import json
import sys
import time

import aiohttp

_EVERY_S = 30.0
"""A page that is told nothing asks all the same."""


class Browser:
    """One signed-in person in front of the overview."""

    def __init__(self, session: aiohttp.ClientSession, origin: str, cookie: str) -> None:
        self._session, self._origin = session, origin
        self._headers = {"Cookie": f"sluza={cookie}"}
        self.seconds: list[float] = []

    async def refresh(self) -> None:
        """The page once more, read to its end."""
        start = time.perf_counter()
        async with self._session.get(f"{self._origin}/", headers=self._headers, allow_redirects=False) as answer:
            page = await answer.read()
            assert answer.status == 200, answer.status
            assert b"<main" in page
        self.seconds.append(time.perf_counter() - start)

    async def watch(self) -> None:
        """Ask again whenever the server says that something changed, and every half minute."""
        beat = asyncio.create_task(self._beat())
        async with self._session.get(f"{self._origin}/zdarzenia", headers=self._headers) as events:
            async for line in events.content:
                if line.strip() == b"event: change":
                    await self.refresh()
        beat.cancel()

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(_EVERY_S)
            await self.refresh()


async def look(origin: str, cookies: list[str]) -> list[float]:
    """All of them until a line comes; the seconds of their pages after the first."""
    limits = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(timeout=limits, connector=aiohttp.TCPConnector(limit=0)) as session:
        browsers = [Browser(session, origin, cookie) for cookie in cookies]
        for browser in browsers:
            await browser.refresh()
            browser.seconds.clear()
        watching = [asyncio.create_task(browser.watch()) for browser in browsers]
        print(json.dumps({"open": len(browsers)}), flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        for task in watching:
            assert not task.done(), "a page lost its events"
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        return [seconds for browser in browsers for seconds in browser.seconds]


def main() -> None:
    """`python -m bench.browsers ORIGIN COOKIE …`."""
    origin, *cookies = sys.argv[1:]
    print(json.dumps(asyncio.run(look(origin, cookies))), flush=True)


if __name__ == "__main__":
    main()
