"""Opens a medium for whoever may see it: its owner, and who got a message that shows it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

from services.gateway.domain.media import Media, MediaState
from services.gateway.media_ports import MediaStorage, MediaStore, MediaViewers
from whimbrel.core.errors import ErrorCode, WhimbrelError


class ReadMedia:
    """One per process."""

    def __init__(
        self,
        store: MediaStore,
        storage: MediaStorage,
        viewers: MediaViewers,
        *,
        max_downloads: int,
    ) -> None:
        self._store = store
        self._storage = storage
        self._viewers = viewers
        self._places = max_downloads

    async def open(self, user_id: str, media_id: str) -> Media:
        """The medium. Raises NOT_FOUND, the same for one that is not there and one that this
        user may not see, and CONFLICT to its owner while it is uploaded."""
        media = await self._store.find(media_id)
        if media is None or media.state is MediaState.DELETING:
            raise _absent()
        is_owner = media.owner == user_id
        if media.state is not MediaState.COMPLETE:
            if not is_owner:
                raise _absent()
            raise WhimbrelError(ErrorCode.CONFLICT, f"uploaded up to {media.offset}")
        if not is_owner and not await self._viewers.may_see(user_id, media_id):
            raise _absent()
        return media

    async def stream(self, handle: str, start: int, stop: int) -> AsyncIterator[bytes]:
        """The bytes from `start` to below `stop`. Raises OVERLOADED when too many read."""
        with self._place():
            async for piece in self._storage.read(handle, start, stop):
                yield piece

    def check_room(self) -> None:
        """Raises OVERLOADED when too many read."""
        if self._places <= 0:
            raise WhimbrelError(
                ErrorCode.OVERLOADED, "too many downloads at once", retry_after_seconds=1.0
            )

    @contextmanager
    def _place(self) -> Iterator[None]:
        # Taken when the first byte is asked for, so that it is given back whatever happens.
        self._places -= 1
        try:
            yield
        finally:
            self._places += 1


def _absent() -> WhimbrelError:
    return WhimbrelError(ErrorCode.NOT_FOUND, "there is no such medium for you")
