"""What a storage of media promises, in memory, in a folder and on S3."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from services.gateway.adapters import media_storage_s3
from services.gateway.adapters.media_storage_folder import FolderMediaStorage
from services.gateway.adapters.media_storage_s3 import open_s3_media_storage
from services.gateway.media_ports import MediaStorage
from tests.s3_server import new_bucket, s3_server
from whimbrel.core.errors import ErrorCode, WhimbrelError
from whimbrel.testing.memory_stores.media_storage import MemoryMediaStorage

KEY = "0f" * 16
MIB = 1024 * 1024


@pytest.fixture(params=["memory", "folder", "s3"])
async def storage(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[MediaStorage]:
    async with AsyncExitStack() as stack:
        if request.param == "memory":
            yield MemoryMediaStorage()
        elif request.param == "folder":
            folder = FolderMediaStorage(tmp_path / "media")
            stack.callback(folder.close)
            yield folder
        else:
            endpoint = stack.enter_context(s3_server(monkeypatch))
            yield await stack.enter_async_context(open_s3_media_storage(new_bucket(endpoint)))


async def read(storage: MediaStorage, handle: str, start: int, stop: int) -> bytes:
    return b"".join([piece async for piece in storage.read(handle, start, stop)])


async def code_of_read(storage: MediaStorage, handle: str) -> ErrorCode:
    with pytest.raises(WhimbrelError) as refused:
        await read(storage, handle, 0, 1)
    return refused.value.code


async def test_what_was_appended_is_read_in_any_range(storage: MediaStorage) -> None:
    # Parts of S3 are of 8 MiB: chunks below, across and beyond one.
    content = random.Random(1).randbytes(19 * MIB + 5)
    handle = await storage.begin(KEY)
    at = 0
    for size in (1, 3 * MIB, 5 * MIB, 10 * MIB, 100, len(content)):
        await storage.append(handle, at, bytearray(content[at : at + size]))
        at += len(content[at : at + size])
    await storage.complete(handle, len(content))
    assert await read(storage, handle, 0, len(content)) == content
    for start, stop in ((0, 1), (8 * MIB - 1, 8 * MIB + 1), (len(content) - 3, len(content))):
        assert await read(storage, handle, start, stop) == content[start:stop]


async def test_an_append_that_nobody_confirmed_is_replaced(storage: MediaStorage) -> None:
    content = random.Random(2).randbytes(12 * MIB)
    handle = await storage.begin(KEY)
    await storage.append(handle, 0, content[: 7 * MIB])
    # Made durable, over the end of a part, and the pod died before it could count them.
    await storage.append(handle, 7 * MIB, content[7 * MIB : 9 * MIB])
    await storage.append(handle, 7 * MIB, content[7 * MIB : 7 * MIB + 10])
    await storage.append(handle, 7 * MIB + 10, content[7 * MIB + 10 :])
    await storage.complete(handle, len(content))
    assert await read(storage, handle, 0, len(content)) == content


async def test_every_call_may_be_repeated(storage: MediaStorage) -> None:
    handle = await storage.begin(KEY)
    for _ in range(2):
        await storage.append(handle, 0, b"hello ")
    for _ in range(2):
        await storage.append(handle, 6, b"world")
    for _ in range(2):
        await storage.complete(handle, 11)
        assert await read(storage, handle, 0, 11) == b"hello world"
    for _ in range(2):
        await storage.delete(handle)
        assert await code_of_read(storage, handle) is ErrorCode.NOT_FOUND


async def test_only_what_is_complete_is_read(storage: MediaStorage) -> None:
    handle = await storage.begin(KEY)
    await storage.append(handle, 0, b"hello")
    assert await code_of_read(storage, handle) is ErrorCode.NOT_FOUND
    await storage.delete(handle)
    with pytest.raises(WhimbrelError):
        await storage.complete(handle, 5)


async def test_nothing_is_left_of_what_was_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with s3_server(monkeypatch) as endpoint:
        settings = new_bucket(endpoint)
        async with open_s3_media_storage(settings) as storage:
            for is_complete in (True, False):
                handle = await storage.begin(KEY)
                await storage.append(handle, 0, b"x" * (media_storage_s3.PART_BYTES + 7))
                if is_complete:
                    await storage.complete(handle, media_storage_s3.PART_BYTES + 7)
                await storage.delete(handle)
            client = storage._client
            left = await client.list_objects_v2(Bucket=settings.bucket)
            begun = await client.list_multipart_uploads(Bucket=settings.bucket)
    assert left.get("Contents", []) == []
    assert begun.get("Uploads", []) == []


async def test_a_storage_that_is_away_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    with s3_server(monkeypatch) as endpoint:
        settings = new_bucket(endpoint)
    async with open_s3_media_storage(settings) as storage:
        with pytest.raises(WhimbrelError) as refused:
            await storage.begin(KEY)
    assert refused.value.code is ErrorCode.UNAVAILABLE
