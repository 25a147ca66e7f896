"""Pieces become chunks, in order, two in memory at most, and nothing is stored behind a gap."""

from __future__ import annotations

import asyncio

import pytest

from services.gateway.usecases.flush_chunks import FlushChunks
from tests.waiting import until
from whimbrel.core.errors import WhimbrelError, unavailable


class Disk:
    """Stores chunks when it is let; `now` is the clock."""

    def __init__(self) -> None:
        self.stored: list[tuple[int, bytes]] = []
        self.goes_on = asyncio.Event()
        self.goes_on.set()
        self.fails_at = -1
        self.now = 0.0

    async def store(self, at: int, chunk: bytearray) -> None:
        await self.goes_on.wait()
        if at == self.fails_at:
            raise unavailable("the disk is full")
        self.stored.append((at, bytes(chunk)))

    def chunks(self) -> FlushChunks:
        return FlushChunks(
            self.store, 100, chunk_bytes=4, chunk_seconds=5.0, clock=lambda: self.now
        )


async def test_everything_is_stored_in_order_also_what_is_left() -> None:
    disk = Disk()
    async with disk.chunks() as chunks:
        for piece in (b"ab", b"cdef", b"g"):
            await chunks.add(piece)
    assert disk.stored == [(100, b"abcdef"), (106, b"g")]
    assert chunks.taken == 107


async def test_whoever_is_faster_than_the_disk_waits() -> None:
    disk = Disk()
    disk.goes_on.clear()
    async with disk.chunks() as chunks:
        await chunks.add(b"aaaa")
        second = asyncio.create_task(chunks.add(b"bbbb"))
        for _ in range(5):
            await asyncio.sleep(0)
        assert not second.done()
        disk.goes_on.set()
        await second
    assert [at for at, _ in disk.stored] == [100, 104]


async def test_what_a_slow_client_has_sent_is_stored_after_a_while() -> None:
    disk = Disk()
    async with disk.chunks() as chunks:
        await chunks.add(b"a")
        disk.now = 6.0
        await chunks.add(b"b")
        await until(lambda: disk.stored == [(100, b"ab")])


async def test_what_came_before_a_refusal_is_stored() -> None:
    disk = Disk()

    async def upload() -> None:
        async with disk.chunks() as chunks:
            await chunks.add(b"ab")
            raise unavailable("too many bytes")

    with pytest.raises(WhimbrelError, match="too many"):
        await upload()
    assert disk.stored == [(100, b"ab")]


async def test_nothing_is_stored_behind_a_chunk_that_was_not() -> None:
    disk = Disk()
    disk.fails_at = 100

    async def upload() -> None:
        async with disk.chunks() as chunks:
            await chunks.add(b"aaaa")
            await chunks.add(b"bbbb")

    with pytest.raises(WhimbrelError, match="full"):
        await upload()
    assert disk.stored == []


async def test_a_cancelled_upload_leaves_no_task() -> None:
    disk = Disk()
    disk.goes_on.clear()

    async def upload() -> None:
        async with disk.chunks() as chunks:
            await chunks.add(b"aaaa")
            await chunks.add(b"bbbb")

    uploading = asyncio.create_task(upload())
    for _ in range(5):
        await asyncio.sleep(0)
    before = asyncio.all_tasks()
    uploading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await uploading
    assert asyncio.all_tasks() < before
    assert disk.stored == []


async def test_a_chunk_that_failed_while_more_came_is_raised_at_the_end() -> None:
    disk = Disk()
    disk.fails_at = 100

    async def bring() -> None:
        async with disk.chunks() as chunks:
            await chunks.add(b"aaaa")
            for _ in range(5):
                await asyncio.sleep(0)  # it fails now, and nobody asks before the end
            await chunks.add(b"b")

    with pytest.raises(WhimbrelError, match="full"):
        await bring()
    assert disk.stored == []
