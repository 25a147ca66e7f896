"""`media` and `media_usage` without MongoDB."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from services.gateway.domain.media import Media, MediaState
from whimbrel.core.errors import ErrorCode, WhimbrelError


class MemoryMediaStore:
    """The port MediaStore."""

    def __init__(self) -> None:
        self._media: dict[str, Media] = {}
        self._writers: dict[str, tuple[str, int]] = {}
        self._used: dict[str, int] = {}

    async def prepare(self) -> None:
        """Nothing to create."""

    async def add(self, media: Media, *, quota_bytes: int, max_open: int) -> None:
        open_now = [one for one in self._media.values() if _is_open_of(one, media.owner)]
        if len(open_now) >= max_open:
            raise WhimbrelError(ErrorCode.OVERLOADED, "too many unfinished uploads")
        used = self._used.get(media.owner, 0) + media.size
        if used > quota_bytes:
            raise WhimbrelError(ErrorCode.BODY_TOO_LARGE, "more than the quota")
        self._used[media.owner] = used
        self._media[media.media_id] = media

    async def find(self, media_id: str) -> Media | None:
        return self._media.get(media_id)

    async def claim(
        self, media_id: str, offset: int, writer: str, *, now_ms: int, until_ms: int
    ) -> bool:
        media = self._media.get(media_id)
        held_until = self._writers.get(media_id, ("", 0))[1]
        if not _stands(media, offset) or held_until > now_ms:
            return False
        self._writers[media_id] = (writer, until_ms)
        return True

    async def advance(
        self, media_id: str, writer: str, offset: int, to: int, *, until_ms: int, expires_ms: int
    ) -> bool:
        media = self._media.get(media_id)
        if media is None or not _stands(media, offset):
            return False
        if self._writers.get(media_id, ("", 0))[0] != writer:
            return False
        self._media[media_id] = replace(media, offset=to, expires_ms=expires_ms)
        self._writers[media_id] = (writer, until_ms)
        return True

    async def release(self, media_id: str, writer: str) -> None:
        if self._writers.get(media_id, ("", 0))[0] == writer:
            del self._writers[media_id]

    async def complete(self, media_id: str, found_type: str) -> None:
        media = self._media.get(media_id)
        if media is not None and media.state is MediaState.UPLOADING:
            self._media[media_id] = replace(media, state=MediaState.COMPLETE, type=found_type)

    async def add_thumbnail(self, media_id: str, handle: str, size: int) -> bool:
        media = self._media.get(media_id)
        if media is None or media.state is not MediaState.COMPLETE or media.thumbnail:
            return False
        self._media[media_id] = replace(media, thumbnail=handle, thumbnail_bytes=size)
        return True

    async def begin_delete(self, media_id: str, *, expired_by_ms: int | None = None) -> bool:
        media = self._media.get(media_id)
        if media is None or (expired_by_ms is not None and not _is_stale(media, expired_by_ms)):
            return False
        self._media[media_id] = replace(media, state=MediaState.DELETING)
        return True

    async def forget(self, media: Media) -> None:
        if self._media.pop(media.media_id, None) is not None:
            self._used[media.owner] -= media.size

    async def stale(self, now_ms: int, limit: int) -> Sequence[Media]:
        return [one for one in self._media.values() if _is_stale(one, now_ms)][:limit]

    async def settle(self, before_ms: int, limit: int) -> int:
        """Nothing dies in between here."""
        return 0

    async def used_bytes(self, owner: str) -> int:
        return self._used.get(owner, 0)


def _stands(media: Media | None, offset: int) -> bool:
    return media is not None and media.state is MediaState.UPLOADING and media.offset == offset


def _is_stale(media: Media, now_ms: int) -> bool:
    is_late = media.state is MediaState.UPLOADING and media.expires_ms <= now_ms
    return is_late or media.state is MediaState.DELETING


def _is_open_of(media: Media, owner: str) -> bool:
    return media.owner == owner and media.state is MediaState.UPLOADING
