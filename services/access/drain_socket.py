"""The pod's end of its preStop hook: a Unix socket that only this pod's own containers reach.

One line comes, `drain SECONDS`; lines with the phase and the sessions go back, one a second, and
`empty` or `deadline` at the end. Closing it early changes nothing: the drain goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, Protocol

from whimbrel.core.drain.pod_drain_types import DrainPhase

_LINE_SECONDS: Final = 5.0
_PROGRESS_SECONDS: Final = 1.0


class Stopping(Protocol):
    """What is to be empty: one process, or all of a pod's together."""

    def begin_stop(self, cause: str, deadline_seconds: float) -> None:
        """Be empty by then. May be called again."""
        ...

    async def wait_empty(self) -> None:
        """Until no session is left."""
        ...


@asynccontextmanager
async def drain_socket(
    path: Path, draining: Stopping, status: Callable[[], tuple[DrainPhase, int]], longest: float
) -> AsyncIterator[None]:
    """Serve the hook. `status` gives the phase and the sessions; `longest` is the deadline in
    seconds that counts when the hook names none, or a later one."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_LINE_SECONDS):
                words = (await reader.readline()).decode("ascii", "replace").split()
            if not words or words[0] != "drain":
                writer.write(b"error: say `drain SECONDS`\n")
                return
            asked = float(words[1]) if len(words) > 1 else longest
            await _drain(draining, status, writer, min(asked, longest))
        except (TimeoutError, ValueError, ConnectionError) as error:
            writer.write(f"error: {error}\n".encode())
        finally:
            writer.close()

    _make_room(path)
    server = await asyncio.start_unix_server(serve, path)
    try:
        yield
    finally:
        server.close()
        _make_room(path)


def _make_room(path: Path) -> None:
    """The folder is there, and nothing of an earlier process in it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)


async def _drain(
    draining: Stopping,
    status: Callable[[], tuple[DrainPhase, int]],
    writer: asyncio.StreamWriter,
    seconds: float,
) -> None:
    draining.begin_stop("preStop", seconds)
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while loop.time() < deadline:
        try:
            async with asyncio.timeout(min(_PROGRESS_SECONDS, deadline - loop.time())):
                await draining.wait_empty()
        except TimeoutError:
            phase, sessions = status()
            writer.write(f"{phase.name.lower()} {sessions}\n".encode())
            await writer.drain()
        else:
            writer.write(b"empty\n")
            return
    writer.write(b"deadline\n")
