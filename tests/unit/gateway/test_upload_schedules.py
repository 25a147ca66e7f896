"""An upload under any schedule of requests: what is downloaded is exactly what was acknowledged.

Connections bring different bytes for the same place, so a byte that slips in from one that was not
acknowledged is seen. They stall, are cut, are cancelled, outlive their leases and come back.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from services.gateway.domain.media import Media, MediaState
from services.gateway.media_settings import MediaSettings
from services.gateway.usecases.upload_media import UploadMedia
from whimbrel.core.errors import ErrorCode, WhimbrelError
from whimbrel.testing.memory_stores.media_storage import MemoryMediaStorage
from whimbrel.testing.memory_stores.media_store import MemoryMediaStore

CHUNK = 64 * 1024
SIZE = 5 * CHUNK + 777
LEASE_SECONDS = 15.0
TURNS = 40
"""Of the loop, after which nothing moves any more: nobody here waits for anything real."""
DOCUMENTED = {ErrorCode.CONFLICT, ErrorCode.BODY_TOO_LARGE, ErrorCode.OVERLOADED}


@dataclass
class Connection:
    """One request with a body that comes bit by bit."""

    at: int
    brought: bytearray = field(default_factory=bytearray)
    pieces: asyncio.Queue[bytes | None] = field(default_factory=asyncio.Queue)
    task: asyncio.Task[Media] | None = None

    async def body(self) -> AsyncIterator[bytes]:
        while (piece := await self.pieces.get()) is not None:
            yield piece


CURRENT: ContextVar[Connection] = ContextVar("connection")


class WitnessedStore(MemoryMediaStore):
    """Keeps what was acknowledged: whose bytes an offset stands for when it moves."""

    def __init__(self) -> None:
        super().__init__()
        self.acknowledged = bytearray()

    async def advance(
        self, media_id: str, writer: str, offset: int, to: int, *, until_ms: int, expires_ms: int
    ) -> bool:
        stands = await super().advance(
            media_id, writer, offset, to, until_ms=until_ms, expires_ms=expires_ms
        )
        if stands:
            connection = CURRENT.get()
            assert offset == len(self.acknowledged)
            self.acknowledged += connection.brought[offset - connection.at : to - connection.at]
        return stands


class Uploading(RuleBasedStateMachine):
    """One upload, and whoever brings bytes for it."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.now = 1000.0
        self.store, self.storage = WitnessedStore(), MemoryMediaStorage()
        limits = MediaSettings(
            storage="folder", folder=Path("/none"), chunk_bytes=CHUNK, lease_seconds=LEASE_SECONDS
        )
        self.uploads = UploadMedia(
            self.store,
            self.storage,
            lambda _head: "",
            limits,
            now_ms=lambda: round(self.now * 1000),
            clock=lambda: self.now,
        )
        self.media = self.loop.run_until_complete(self.uploads.create("alice", SIZE, "", ""))
        self.connections: list[Connection] = []
        self.number = 0

    @property
    def open(self) -> list[Connection]:
        return [one for one in self.connections if one.task is not None and not one.task.done()]

    @property
    def offset(self) -> int:
        return len(self.store.acknowledged)

    def settle(self) -> None:
        async def turn() -> None:
            for _ in range(TURNS):
                await asyncio.sleep(0)

        self.loop.run_until_complete(turn())
        for one in self.connections:
            task = one.task
            if task is not None and task.done() and not task.cancelled():
                error = task.exception()
                assert error is None or isinstance(error, WhimbrelError), error
                assert error is None or error.code in DOCUMENTED, error
        self.connections = self.open

    @rule(
        wrong_by=st.sampled_from([0, 0, 0, 0, 1, -1, CHUNK]),
        declares=st.sampled_from([None, None, 1, SIZE, SIZE + 1]),
    )
    def request(self, wrong_by: int, declares: int | None) -> None:
        connection = Connection(max(0, self.offset + wrong_by))

        async def receive() -> Media:
            CURRENT.set(connection)
            return await self.uploads.receive(
                "alice",
                self.media.media_id,
                connection.at,
                connection.body(),
                declared_bytes=declares,
            )

        connection.task = self.loop.create_task(receive())
        self.connections.append(connection)
        self.settle()

    @precondition(lambda self: self.open)
    @rule(data=st.data(), length=st.sampled_from([1, 1000, CHUNK - 1, CHUNK, CHUNK + 1, SIZE]))
    def bring(self, data: st.DataObject, length: int) -> None:
        self.bring_on(data.draw(st.sampled_from(self.open)), length)

    def bring_on(self, connection: Connection, length: int) -> None:
        self.number += 1
        piece = random.Random(self.number).randbytes(length)
        connection.brought += piece
        connection.pieces.put_nowait(piece)
        self.settle()

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def end_or_cut(self, data: st.DataObject) -> None:
        data.draw(st.sampled_from(self.open)).pieces.put_nowait(None)
        self.settle()

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        task = data.draw(st.sampled_from(self.open)).task
        assert task is not None
        task.cancel()
        self.settle()

    @rule(length=st.sampled_from([1, CHUNK, 2 * CHUNK]))
    def come_back(self, length: int) -> None:
        """As a phone on another network: nobody has heard the end of the connection before."""
        self.wait(LEASE_SECONDS + 0.001)
        self.request(0, None)
        if self.connections:
            self.bring_on(self.connections[-1], length)

    @rule(seconds=st.sampled_from([1.0, 6.0, LEASE_SECONDS + 0.001]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @invariant()
    def what_head_says_is_what_was_acknowledged(self) -> None:
        media = self.loop.run_until_complete(self.uploads.look("alice", self.media.media_id))
        assert media.offset == self.offset
        if media.state is MediaState.COMPLETE:
            assert self.storage.objects[media.handle] == self.store.acknowledged

    def teardown(self) -> None:
        for connection in self.open:
            connection.pieces.put_nowait(None)
        self.settle()
        self.now += LEASE_SECONDS + 0.001
        if self.offset < SIZE:
            self.request(0, None)
            (last,) = self.open
            piece = random.Random(0).randbytes(SIZE - self.offset)
            last.brought += piece
            last.pieces.put_nowait(piece)
            last.pieces.put_nowait(None)
            self.settle()
        assert self.storage.objects[self.media.handle] == self.store.acknowledged
        assert len(self.store.acknowledged) == SIZE
        self.loop.close()


TestSchedules = Uploading.TestCase
TestSchedules.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


def test_who_has_outlived_the_lease_writes_over_nobody() -> None:
    machine = Uploading()
    machine.request(0, None)
    (old,) = machine.open
    machine.bring_on(old, 1000)
    machine.wait(LEASE_SECONDS + 0.001)
    machine.request(0, None)
    new = machine.open[1]
    for _ in range(3):
        machine.bring_on(new, CHUNK)
    assert machine.offset >= 2 * CHUNK
    old.pieces.put_nowait(None)  # the connection that nobody waits for any more ends at last
    machine.teardown()
