"""A client that is slow, stalls or stays away spoils nothing and keeps no place from others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import httpx

from tests.component.gateway.gateway_world import code_of
from tests.component.gateway.media_world import (
    CHUNK,
    MediaWorld,
    folder_settings,
    media_world,
    token_of,
)
from tests.waiting import until


async def test_of_two_writers_one_waits(media: MediaWorld) -> None:
    media_id = await media.begin("alice", 2 * CHUNK)
    goes_on = asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield b"a" * CHUNK
        await goes_on.wait()
        yield b"a" * CHUNK

    first = asyncio.create_task(media.patch("alice", media_id, 0, slowly()))

    async def has_begun() -> bool:
        return await media.offset("alice", media_id) == CHUNK

    await until(has_begun)
    second = await media.patch("alice", media_id, CHUNK, b"b" * CHUNK)
    assert code_of(second) == (423, "CONFLICT")
    assert "retry-after" in second.headers
    goes_on.set()
    assert (await first).status_code == 204
    assert (await media.call("alice", "GET", f"/{media_id}")).content == b"a" * 2 * CHUNK


async def test_who_sends_nothing_any_more_is_cut_and_keeps_what_came(
    tmp_path: Path, mongo_url: str
) -> None:
    async with media_world(
        tmp_path, mongo_url, folder_settings(tmp_path, stall_seconds=0.3)
    ) as media:
        media_id = await media.begin("alice", 10)
        never = asyncio.Event()

        async def stalls() -> AsyncIterator[bytes]:
            yield b"01234"
            await never.wait()

        sending = asyncio.create_task(media.patch("alice", media_id, 0, stalls()))

        async def is_kept() -> bool:
            return await media.offset("alice", media_id) == 5

        await until(is_kept)  # long before chunk_seconds: it was cut
        never.set()
        with suppress(httpx.TransportError):  # the connection is closed behind the answer
            assert code_of(await sending) == (504, "DEADLINE_EXCEEDED")
        assert await media.offset("alice", media_id) == 5
        done = await media.patch("alice", media_id, 5, b"56789")
        assert done.headers["upload-offset"] == "10"


async def test_who_reads_nothing_any_more_is_cut_and_leaves_the_place_to_others(
    tmp_path: Path, mongo_url: str
) -> None:
    narrow = folder_settings(tmp_path, stall_seconds=0.5, max_downloads=1, chunk_bytes=4 << 20)
    async with media_world(tmp_path, mongo_url, narrow) as media:
        # More than the buffers of both ends take.
        media_id = await media.upload("alice", b"x" * (48 << 20))
        host, _, port = media.gateway.address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port), limit=1024)
        head = f"GET /v1/media/{media_id} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer "
        writer.write(f"{head}{token_of('alice')}\r\n\r\n".encode())
        assert b"200" in await reader.readline()
        refused = await media.call("alice", "GET", f"/{media_id}", range="bytes=0-0")
        assert code_of(refused) == (429, "OVERLOADED")

        async def has_a_place() -> bool:
            got = await media.call("alice", "GET", f"/{media_id}", range="bytes=0-0")
            return got.status_code == 206

        await until(has_a_place)
        writer.close()


async def test_an_upload_that_nobody_goes_on_with_is_forgotten(
    tmp_path: Path, mongo_url: str
) -> None:
    soon = folder_settings(tmp_path, unfinished_seconds=0.2, sweep_seconds=0.1)
    async with media_world(tmp_path, mongo_url, soon) as media:
        complete = await media.upload("alice", b"hello")
        media_id = await media.begin("alice", 10)

        async def is_gone() -> bool:
            return (await media.call("alice", "HEAD", f"/{media_id}")).status_code == 404

        await until(is_gone)

        async def is_given_back() -> bool:
            return await media.used("alice") == 5

        await until(is_given_back)
        assert (await media.call("alice", "GET", f"/{complete}")).content == b"hello"
        assert len([path for path in (tmp_path / "media").rglob("*") if path.is_file()]) == 1
