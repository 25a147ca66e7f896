"""The streams of one session: the present one, one that opens elsewhere, those that retire.

A move never takes anything away before it has given something better: the present stream goes
on until the new one has its Welcome, and is read until its Fin after that. When the present
stream ends in the middle of a move, the attempt becomes the reconnect.
"""

from __future__ import annotations

import asyncio
from typing import Final, NamedTuple

from whimbrel.client.connection import Connection
from whimbrel.client.connection_types import Admission, Ending, Host
from whimbrel.client.dialogue import Dialogue
from whimbrel.client.farewell import FarewellKind
from whimbrel.client.settings import ClientSettings
from whimbrel.client.transport import Transport

_SAYS_NO: Final = (FarewellKind.BUSY, FarewellKind.REDIRECT)
"""First frames after which nothing has happened to the session."""


class _Stream(NamedTuple):
    connection: Connection
    task: asyncio.Task[Ending]


class SessionStreams:
    """Runs the streams of one session, from its first attempt to the end of its last stream.
    Use once."""

    def __init__(
        self,
        dialogue: Dialogue,
        host: Host,
        settings: ClientSettings,
        transport: Transport,
    ) -> None:
        self._dialogue = dialogue
        self._host = host
        self._settings = settings
        self._transport = transport
        self._clock = asyncio.get_running_loop().time
        self._present: _Stream | None = None
        self._opening: _Stream | None = None
        self._retiring: list[_Stream] = []
        self._stirred = asyncio.Event()
        self._changed = asyncio.Event()

    # --- for the keeper --------------------------------------------------------------

    def poke(self) -> None:
        """The dialogue may have something to write, or a move to make."""
        if self._dialogue.migration.next_attempt() is not None:
            self._stirred.set()
        if self._present is not None:
            self._present.connection.poke()

    def leave(self) -> None:
        """Say goodbye on the present stream; `run` returns soon after."""
        for stream in self._all():
            stream.connection.leave()

    def drop(self, reason: str) -> None:
        """Give all streams up, without a goodbye."""
        for stream in self._all():
            stream.connection.drop(reason)

    async def run(self, endpoint: str, admission: Admission) -> Ending:
        """Open a stream there, follow where the session moves; how the last one ended."""
        async with asyncio.TaskGroup() as tasks:
            self._present = self._open(tasks, endpoint, admission)
            moving = self._move_when_asked(tasks, admission.token)
            mover = tasks.create_task(moving, name="whimbrel-mover")
            ending = await self._follow()
            mover.cancel()
            for stream in self._all():
                stream.task.cancel()
        return ending

    # --- inside ----------------------------------------------------------------------

    def _open(
        self, tasks: asyncio.TaskGroup, endpoint: str, admission: Admission, *, move: bool = False
    ) -> _Stream:
        connection = Connection(
            self._dialogue,
            self._host,
            self._switch,
            self._settings,
            self._transport,
            is_move=move,
        )
        task = tasks.create_task(connection.run(endpoint, admission), name="whimbrel-stream")
        task.add_done_callback(lambda _: self._changed.set())
        return _Stream(connection, task)

    async def _follow(self) -> Ending:
        """Until the present stream has ended and no attempt is under way that may replace it."""
        while True:
            self._changed.clear()
            present = self._present
            if present is not None and present.task.done() and self._opening is None:
                self._present = None
                return present.task.result()
            await self._changed.wait()

    async def _move_when_asked(self, tasks: asyncio.TaskGroup, token: str) -> None:
        migration = self._dialogue.migration
        while True:
            at = migration.next_attempt()
            if at is None or at > self._clock():
                await self._wait_until(at)
                continue
            target = migration.begin()
            admission = Admission(token, target.ticket, migration.plan_id)
            stream = self._opening = self._open(tasks, target.endpoint, admission, move=True)
            outcomes = (stream.task, stream.connection.attached)
            await asyncio.wait(outcomes, return_when=asyncio.FIRST_COMPLETED)
            self._opening = None
            if self._present is not stream:
                self._attempt_is_over(await stream.task)
            self._changed.set()

    def _attempt_is_over(self, ending: Ending) -> None:
        migration = self._dialogue.migration
        farewell = ending.farewell
        if not self._dialogue.is_attached:
            migration.over()  # the old stream has ended meanwhile: the keeper reconnects
        elif not ending.was_sent or (farewell is not None and farewell.kind in _SAYS_NO):
            more = farewell.targets if farewell is not None else ()
            migration.refused(ending.reason, self._clock(), more)
        else:
            migration.failed(ending.reason, self._clock())
        self.poke()

    def _switch(self, connection: Connection) -> None:
        """A stream has its Welcome: it is the session, whichever was before retires."""
        opening, before = self._opening, self._present
        if opening is None or opening.connection is not connection:
            return
        self._present = opening
        if before is not None and not before.task.done():
            before.connection.retire()
            self._retiring = [one for one in self._retiring if not one.task.done()]
            self._retiring.append(before)
        self._changed.set()

    def _all(self) -> list[_Stream]:
        own = [self._present, self._opening, *self._retiring]
        return [stream for stream in own if stream is not None]

    async def _wait_until(self, at: float | None) -> None:
        self._stirred.clear()
        try:
            async with asyncio.timeout_at(at):
                await self._stirred.wait()
        except TimeoutError:
            return
