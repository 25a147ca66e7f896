"""The port MediaStorage on a directory, which all gateway pods share.

<folder>/<first two of the key>/<key>        complete
<folder>/<first two of the key>/<key>.part   being uploaded
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from whimbrel.core.errors import ErrorCode, WhimbrelError, unavailable

T = TypeVar("T")

PIECE_BYTES: Final = 1024 * 1024
"""Read at a time: large enough that the change of threads does not count."""
_THREADS: Final = 4


class FolderMediaStorage:
    """Files. All calls of the system are made in threads: a sync may take long, and the streams
    of everybody else go on meanwhile. `close` when it is not needed any more."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="media")

    def close(self) -> None:
        """Take no more work; what is under way ends by itself."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def begin(self, key: str) -> str:
        await self._in_thread(lambda: self._begin(key))
        return key

    async def append(self, handle: str, at: int, content: bytes | bytearray) -> None:
        await self._in_thread(lambda: self._append(handle, at, content))

    async def complete(self, handle: str, size: int) -> None:
        await self._in_thread(lambda: self._complete(handle, size))

    async def read(self, handle: str, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        path = self._path(handle)
        descriptor = await self._in_thread(lambda: os.open(path, os.O_RDONLY))
        try:
            while start < stop:
                piece = await self._in_thread(
                    partial(os.pread, descriptor, min(PIECE_BYTES, stop - start), start)
                )
                if not piece:
                    raise unavailable("the medium is not whole in the storage")
                start += len(piece)
                yield piece
        finally:
            self._close(descriptor)

    async def delete(self, handle: str) -> None:
        await self._in_thread(lambda: self._delete(handle))

    def _close(self, descriptor: int) -> None:
        """In a thread too. A read that nobody waits for any more may still be under way: it has its
        own hold of the file, and what it brings is thrown away."""
        try:
            self._threads.submit(os.close, descriptor)
        except RuntimeError:  # the threads have ended, and their reads with them
            os.close(descriptor)

    def _begin(self, key: str) -> None:
        path = self._part(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        _sync_folder(path.parent)

    def _append(self, handle: str, at: int, content: bytes | bytearray) -> None:
        descriptor = os.open(self._part(handle), os.O_WRONLY)
        try:
            left = memoryview(content)
            while left:
                written = os.pwrite(descriptor, left, at)
                at += written
                left = left[written:]
            os.fdatasync(descriptor)
        finally:
            os.close(descriptor)

    def _complete(self, handle: str, size: int) -> None:
        path, part = self._path(handle), self._part(handle)
        try:
            os.truncate(part, size)
            part.rename(path)
        except FileNotFoundError:
            if not path.exists():  # else another one has done it, before or just now
                raise
        _sync_folder(path.parent)

    def _delete(self, handle: str) -> None:
        for path in (self._part(handle), self._path(handle)):
            path.unlink(missing_ok=True)

    def _path(self, handle: str) -> Path:
        return self._folder / handle[:2] / handle

    def _part(self, handle: str) -> Path:
        return self._folder / handle[:2] / f"{handle}.part"

    async def _in_thread(self, work: Callable[[], T]) -> T:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._threads, work)
        except FileNotFoundError:
            raise WhimbrelError(ErrorCode.NOT_FOUND, "the medium is not in the storage") from None
        except OSError as error:
            # Full, or not there: what was durable stays, and the client may come again.
            raise unavailable(f"the storage of media does not take it: {error.strerror}") from error


def _sync_folder(folder: Path) -> None:
    """A name is durable when its directory is."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
