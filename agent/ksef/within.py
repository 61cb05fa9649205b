"""A call with the access token of a context: a token that KSeF no longer takes is replaced once (faults K10)."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from agent.ksef.api import NoAnswer, Tokens
from agent.ksef.line import Line

T = TypeVar("T")


class Within:
    """The context's line and where its tokens come from."""

    def __init__(self, line: Line, tokens: Tokens) -> None:
        self._line = line
        self._tokens = tokens

    async def call(self, group: str, call: Callable[[str], Awaitable[T]]) -> T:
        """One call of this budget group. Raises NoAnswer."""
        try:
            return await self._once(group, call)
        except NoAnswer as no:
            if no.code != "http:401":
                raise
        return await self._once(group, call)

    async def _once(self, group: str, call: Callable[[str], Awaitable[T]]) -> T:
        token = await self._tokens.access()
        try:
            value = await self._line.in_group(group, lambda: call(token))
        except NoAnswer as no:
            if no.code == "http:401":
                self._tokens.rejected(token)
            raise
        self._tokens.worked()
        return value
