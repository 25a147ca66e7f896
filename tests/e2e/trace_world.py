"""A stack that traces every message, and what its collector says of them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from tests.waiting import until
from whimbrel.cli.trace_query import find_trace
from whimbrel.cli.waterfall import Waterfall, parent_of, waterfall
from whimbrel.client import Client, connect
from whimbrel.local.stack import Stack, StackSpec

SENDER = ("accept", "link", "process", "check", "commit", "locate", "fan out")
"""Every hop of a message until it is on the links to its recipients."""
RECIPIENT = ("receive", "deliver", "write")
"""Every hop of a push to a device that is there."""


@asynccontextmanager
async def traced_stack(spec: StackSpec) -> AsyncIterator[Stack]:
    async with Stack.start(replace(spec, trace=True)) as stack:
        yield stack


def device(stack: Stack, user: str, turn: int = 0) -> Client:
    """A device of the user, at the Access pod with this number."""
    order = stack.endpoints[turn:] + stack.endpoints[:turn]
    return connect(order, stack.token(user), device="d")


@asynccontextmanager
async def listening(client: Client) -> AsyncIterator[list[str]]:
    """What the client hears meanwhile, each acknowledged at once."""
    texts: list[str] = []

    async def listen() -> None:
        async for event in client.events():
            texts.append(event.text)

    task = asyncio.create_task(listen())
    try:
        yield texts
    finally:
        task.cancel()
        await asyncio.wait((task,))


class Traced:
    """The trace of one message, as it is known by now."""

    def __init__(self, stack: Stack, trace_id: str) -> None:
        assert trace_id, "it was not traced"
        self._url = stack.traces_url
        self._trace_id = trace_id
        self._raw: dict[str, Any] = {"spans": []}

    async def wait_for(self, *names: str) -> None:
        """Until there is a span of each of these names, as many as the name is given."""
        wanted = Counter(names)

        async def is_there() -> bool:
            found = await asyncio.to_thread(find_trace, self._url, self._trace_id)
            self._raw = found or self._raw
            return Counter(self.names()) >= wanted

        try:
            await until(is_there)
        except TimeoutError:
            raise AssertionError(f"{dict(wanted)} are wanted, there are {self.names()}") from None

    def names(self) -> list[str]:
        return [span["operationName"] for span in self._raw["spans"]]

    def shown(self) -> Waterfall:
        return waterfall(self._raw)

    def events(self, name: str) -> list[str]:
        """What happened within the spans of this name."""
        return [event for line in self.shown().lines if line.name == name for event in line.events]

    def is_connected(self) -> bool:
        """One root, and everybody else's parent is there."""
        spans = self._raw["spans"]
        ids = {span["spanID"] for span in spans}
        orphans = [span for span in spans if parent_of(span) not in ids]
        return len(ids) == len(spans) and len(orphans) == 1
