"""The small picture of a medium: made when it is first asked for, and kept beside the medium."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable

from services.gateway.domain.media import Media
from services.gateway.media_ports import MediaStorage, MediaStore
from whimbrel.core.errors import ErrorCode, WhimbrelError

MakeSmall = Callable[[bytes], Awaitable[bytes]]
"""The small picture of a picture. Raises NOT_FOUND for what is none, or unfolds to too many
pixels, OVERLOADED when too many wait."""


class ShowThumbnail:
    """One per process."""

    def __init__(
        self,
        store: MediaStore,
        storage: MediaStorage,
        make_small: MakeSmall,
        *,
        max_source_bytes: int,
    ) -> None:
        self._store = store
        self._storage = storage
        self._make_small = make_small
        self._max_source_bytes = max_source_bytes

    async def show(self, media: Media) -> bytes:
        """The picture. Raises NOT_FOUND when there is none of this medium, OVERLOADED."""
        if media.thumbnail:
            return await self._read(media.thumbnail, media.thumbnail_bytes)
        if not media.type.startswith("image/") or media.size > self._max_source_bytes:
            raise WhimbrelError(ErrorCode.NOT_FOUND, "there is no thumbnail of such a medium")
        small = await self._make_small(await self._read(media.handle, media.size))
        handle = await self._storage.begin(secrets.token_hex(16))
        await self._storage.append(handle, 0, small)
        await self._storage.complete(handle, len(small))
        if not await self._store.add_thumbnail(media.media_id, handle, len(small)):
            await self._storage.delete(handle)  # another request was first, or the medium is gone
        return small

    async def _read(self, handle: str, size: int) -> bytes:
        return b"".join([piece async for piece in self._storage.read(handle, 0, size)])
