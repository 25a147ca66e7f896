"""Receives a medium, in as many requests as it takes.

What was received is made durable first and counted then, so the offset that a client is told is
never ahead of what a crash leaves; and it is counted also when the request is cut, so a resume
goes on where the bytes ended.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterable, Callable
from dataclasses import replace
from typing import Final

from services.gateway.domain.media import (
    HEAD_BYTES,
    Media,
    MediaState,
    check_type,
    clean_name,
    settled_type,
)
from services.gateway.domain.places import Places
from services.gateway.media_ports import MediaStorage, MediaStore
from services.gateway.media_settings import MediaSettings
from services.gateway.usecases.flush_chunks import FlushChunks
from whimbrel.core.errors import ErrorCode, WhimbrelError, invalid

_FRESH: Final = 1 / 3
"""Of a lease: so long after its last renewal nobody can have taken it, whatever the clocks say."""

FindType = Callable[[bytes], str]
"""The media type that the first bytes of a file show; "" for none."""


class WrongOffsetError(WhimbrelError):
    """CONFLICT: the upload stands elsewhere."""

    def __init__(self, offset: int) -> None:
        super().__init__(ErrorCode.CONFLICT, f"the upload stands at {offset}")
        self.offset = offset
        """Where it stands."""


class UploadTakenError(WhimbrelError):
    """CONFLICT: another request writes this upload now."""

    def __init__(self, retry_after_seconds: float) -> None:
        super().__init__(
            ErrorCode.CONFLICT,
            "another request writes this upload",
            retry_after_seconds=retry_after_seconds,
        )


class UploadMedia:
    """One per process."""

    def __init__(
        self,
        store: MediaStore,
        storage: MediaStorage,
        find_type: FindType,
        settings: MediaSettings,
        *,
        now_ms: Callable[[], int],
        clock: Callable[[], float],
    ) -> None:
        """`clock` gives monotonic seconds."""
        self._store = store
        self._storage = storage
        self._find_type = find_type
        self._settings = settings
        self._now_ms = now_ms
        self._clock = clock
        self._places = Places(
            "uploads", total=settings.max_uploads, each=settings.max_transfers_of_user
        )

    async def create(self, owner: str, size: int, name: str, declared_type: str) -> Media:
        """A new medium that waits for its bytes. Raises INVALID_ARGUMENT for an empty one,
        BODY_TOO_LARGE beyond a bound, OVERLOADED for too many unfinished ones."""
        if not size:
            raise invalid("a medium has at least one byte")
        if size > self._settings.max_file_bytes:
            raise WhimbrelError(
                ErrorCode.BODY_TOO_LARGE,
                f"a medium has at most {self._settings.max_file_bytes:,} bytes",
            )
        declared = check_type(declared_type)
        media = await self._begin(owner, size, clean_name(name), declared)
        try:
            await self._store.add(
                media,
                quota_bytes=self._settings.quota_bytes,
                max_open=self._settings.max_open_uploads,
            )
        except WhimbrelError:
            await self._storage.delete(media.handle)
            raise
        return media

    async def look(self, owner: str, media_id: str) -> Media:
        """A medium of this user, complete if its bytes are. Raises NOT_FOUND for any other, and
        INVALID_ARGUMENT when it turned out to be a lie."""
        media = await self._store.find(media_id)
        if media is None or media.owner != owner or media.state is MediaState.DELETING:
            raise WhimbrelError(ErrorCode.NOT_FOUND, "you have no such medium")
        if media.state is MediaState.UPLOADING and media.offset == media.size:
            # The pod that took the last byte has died before it could look at it.
            return await self._finish(media)
        return media

    async def receive(
        self,
        owner: str,
        media_id: str,
        offset: int,
        pieces: AsyncIterable[bytes],
        *,
        declared_bytes: int | None = None,
    ) -> Media:
        """Go on with an upload; how far it is then. `pieces` ends where the request does, whole
        or cut; `declared_bytes`: how many it says that it brings, if it does.

        Raises WrongOffsetError, UploadTakenError, BODY_TOO_LARGE for more bytes than the medium
        has (what came before is kept), OVERLOADED, and what `look` raises."""
        media = await self.look(owner, media_id)
        if offset != media.offset:
            raise WrongOffsetError(media.offset)
        if declared_bytes is not None and offset + declared_bytes > media.size:
            raise _too_many(media)
        if media.state is MediaState.COMPLETE:
            return media
        writer = secrets.token_hex(8)
        with self._places.place(owner):
            await self._claim(media, writer)
            try:
                reached = await self._write(media, writer, pieces)
            finally:
                await self._store.release(media_id, writer)
        moved = replace(media, offset=reached)
        return await self._finish(moved) if reached == media.size else moved

    async def remove(self, media: Media, *, expired_by_ms: int | None = None) -> bool:
        """Forget a medium and its bytes; can be repeated after a crash at any point. With
        `expired_by_ms` only if it has expired by then: False when somebody goes on with it."""
        if not await self._store.begin_delete(media.media_id, expired_by_ms=expired_by_ms):
            return False
        for handle in (media.handle, media.thumbnail):
            if handle:
                await self._storage.delete(handle)
        await self._store.forget(media)
        return True

    async def _begin(self, owner: str, size: int, name: str, declared_type: str) -> Media:
        now_ms = self._now_ms()
        return Media(
            media_id=secrets.token_hex(16),
            owner=owner,
            name=name,
            declared_type=declared_type,
            size=size,
            handle=await self._storage.begin(secrets.token_hex(16)),
            created_ms=now_ms,
            expires_ms=now_ms + self._unfinished_ms,
        )

    async def _claim(self, media: Media, writer: str) -> None:
        now_ms = self._now_ms()
        got = await self._store.claim(
            media.media_id, media.offset, writer, now_ms=now_ms, until_ms=now_ms + self._lease_ms
        )
        if got:
            return
        now = await self.look(media.owner, media.media_id)
        if now.offset != media.offset:
            raise WrongOffsetError(now.offset)
        raise UploadTakenError(retry_after_seconds=1.0)

    async def _write(self, media: Media, writer: str, pieces: AsyncIterable[bytes]) -> int:
        """How far the upload is when the pieces have ended."""

        renewed_at = self._clock()

        async def store(at: int, chunk: bytearray) -> None:
            nonlocal renewed_at
            # Who stalled may have a successor by now, whose bytes must stay as they are.
            if self._clock() - renewed_at > _FRESH * self._settings.lease_seconds:
                await self._advance(media, writer, at, at)
            await self._storage.append(media.handle, at, chunk)
            await self._advance(media, writer, at, at + len(chunk))
            renewed_at = self._clock()

        async with FlushChunks(
            store,
            media.offset,
            chunk_bytes=self._settings.chunk_bytes,
            chunk_seconds=self._settings.chunk_seconds,
            clock=self._clock,
        ) as chunks:
            async for piece in pieces:
                if chunks.taken + len(piece) > media.size:
                    raise _too_many(media)
                await chunks.add(piece)
        return chunks.taken

    async def _advance(self, media: Media, writer: str, at: int, to: int) -> None:
        """Move the offset, and the lease. Raises UploadTakenError when it is somebody else's."""
        now_ms = self._now_ms()
        until_ms, expires_ms = now_ms + self._lease_ms, now_ms + self._unfinished_ms
        if await self._store.advance(
            media.media_id, writer, at, to, until_ms=until_ms, expires_ms=expires_ms
        ):
            return
        # What was written behind the back of a deletion goes as well.
        now = await self._store.find(media.media_id)
        if now is None or now.state is MediaState.DELETING:
            await self._storage.delete(media.handle)
        raise UploadTakenError(retry_after_seconds=1.0)

    async def _finish(self, media: Media) -> Media:
        """All bytes are there: look what they are, and let it be read."""
        await self._storage.complete(media.handle, media.size)
        head = bytearray()
        async for piece in self._storage.read(media.handle, 0, min(HEAD_BYTES, media.size)):
            head += piece
        try:
            found = settled_type(media.declared_type, self._find_type(bytes(head)), bytes(head))
        except WhimbrelError:
            await self.remove(media)
            raise
        await self._store.complete(media.media_id, found)
        return replace(media, type=found, state=MediaState.COMPLETE)

    @property
    def _unfinished_ms(self) -> int:
        return round(self._settings.unfinished_seconds * 1000)

    @property
    def _lease_ms(self) -> int:
        return round(self._settings.lease_seconds * 1000)


def _too_many(media: Media) -> WhimbrelError:
    return WhimbrelError(
        ErrorCode.BODY_TOO_LARGE, f"more bytes than the {media.size:,} that were announced"
    )
