"""What a pod is to the cluster: tasks that can be killed at once, and streams that break then."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from whimbrel.testing.memory_cluster.streams import ClientEnd, Delay, MemoryStream, ServerEnd

Handler = Callable[[ServerEnd], Awaitable[None]]


class Process:
    """Owns the tasks and the streams of one pod, until it is killed."""

    def __init__(self, tasks: asyncio.TaskGroup, on_crash: Callable[[str], None]) -> None:
        self._owner = tasks
        self._on_crash = on_crash
        self._tasks: set[asyncio.Task[None]] = set()
        self.streams: list[MemoryStream] = []
        self.is_alive = True

    def spawn(self, loop: Coroutine[Any, Any, None]) -> None:
        """Run it until it ends or the process is killed; what it raises ends the process."""
        task = self._owner.create_task(self._guard(loop))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def open(self, handler: Handler, delay: Delay) -> ClientEnd:
        """A new stream to this process, served by `handler`."""
        stream = MemoryStream(delay)
        if self.is_alive:
            self.streams = [known for known in self.streams if not known.is_over]
            self.streams.append(stream)
            self.spawn(self._serve(handler, stream))
        else:
            stream.cut()  # nobody listens there
        return ClientEnd(stream)

    def kill(self) -> None:
        """As SIGKILL: nothing that it holds is written any more."""
        self.is_alive = False
        own = asyncio.current_task()
        for stream in self.streams:
            stream.cut()
        for task in list(self._tasks):
            if task is not own:
                task.cancel()

    async def _guard(self, loop: Coroutine[Any, Any, None]) -> None:
        try:
            await loop
        # A bug of a pod must not end the world: it is told, and the pod is gone.
        except Exception as error:  # noqa: BLE001 - the edge of a process
            self._on_crash(repr(error))
            self.kill()

    async def _serve(self, handler: Handler, stream: MemoryStream) -> None:
        try:
            await handler(ServerEnd(stream))
        except* asyncio.InvalidStateError:
            pass  # the peer is gone, as the edge of a real server finds out too
        finally:
            stream.up.end()
            stream.down.end()
