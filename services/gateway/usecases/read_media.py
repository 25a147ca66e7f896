"""Opens a medium for whoever may see it: its owner, who got a message that shows it, and everybody
while it is the picture of its owner's profile."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from services.gateway.domain.media import Media, MediaState
from services.gateway.domain.places import Places
from services.gateway.media_ports import MediaStorage, MediaStore, MediaViewers
from whimbrel.core.errors import ErrorCode, WhimbrelError


class ReadMedia:
    """One per process."""

    def __init__(
        self,
        store: MediaStore,
        storage: MediaStorage,
        viewers: MediaViewers,
        places: Places,
    ) -> None:
        self._store = store
        self._storage = storage
        self._viewers = viewers
        self._places = places

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
        if not is_owner and not await self._is_shown(user_id, media):
            raise _absent()
        return media

    async def _is_shown(self, user_id: str, media: Media) -> bool:
        # Of its owner's profile alone: nobody publishes what is another's. And first, as it asks
        # one document, while who got a message may be a question to every shard.
        if await self._viewers.is_avatar(media.owner, media.media_id):
            return True
        return await self._viewers.may_see(user_id, media.media_id)

    async def stream(
        self, user_id: str, handle: str, start: int, stop: int
    ) -> AsyncGenerator[bytes, None]:
        """The bytes from `start` to below `stop`. Raises OVERLOADED when too many read."""
        # Taken when the first byte is asked for, so that it is given back whatever happens.
        with self._places.place(user_id):
            # Closed here and now, not when somebody collects the garbage: it holds a file.
            async with aclosing(self._storage.read(handle, start, stop)) as pieces:
                async for piece in pieces:
                    yield piece

    def check_room(self, user_id: str) -> None:
        """Raises OVERLOADED when too many read: to be asked while there is no answer yet."""
        self._places.check(user_id)


def _absent() -> WhimbrelError:
    return WhimbrelError(ErrorCode.NOT_FOUND, "there is no such medium for you")
