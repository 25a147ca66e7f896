"""The bytes of media without a disk."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Final

from whimbrel.core.errors import ErrorCode, WhimbrelError

_PIECE_BYTES: Final = 64 * 1024


class MemoryMediaStorage:
    """The port MediaStorage; `objects` is everything that is complete."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self._parts: dict[str, bytearray] = {}

    async def begin(self, key: str) -> str:
        self._parts[key] = bytearray()
        return key

    async def append(self, handle: str, at: int, content: bytes | bytearray) -> None:
        if handle not in self._parts:
            raise _absent()
        self._parts[handle][at:] = content

    async def complete(self, handle: str, size: int) -> None:
        if handle in self.objects:
            return
        if handle not in self._parts:
            raise _absent()
        self.objects[handle] = bytes(self._parts.pop(handle)[:size])

    async def read(self, handle: str, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        if handle not in self.objects:
            raise _absent()
        content = self.objects[handle][start:stop]
        for begin in range(0, len(content), _PIECE_BYTES):
            yield content[begin : begin + _PIECE_BYTES]

    async def delete(self, handle: str) -> None:
        self.objects.pop(handle, None)
        self._parts.pop(handle, None)


def _absent() -> WhimbrelError:
    return WhimbrelError(ErrorCode.NOT_FOUND, "the medium is not in the storage")
