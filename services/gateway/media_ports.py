"""What media need from outside. Each port has a memory adapter in `whimbrel.testing`."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Protocol

from services.gateway.domain.media import Media


class MediaStorage(Protocol):
    """Where the bytes are. A handle names one object in the storage's own words, and whoever has
    it may go on with the object, on any pod. Everything raises UNAVAILABLE when the storage does
    not answer, and every call may be repeated."""

    async def begin(self, key: str) -> str:
        """A new object, empty; its handle. `key`: 1 to 64 of 0-9 a-f, never used before."""
        ...

    async def append(self, handle: str, at: int, content: bytes | bytearray) -> None:
        """Make `content` durable at this offset; returns when it is. Everything below `at` was
        appended before; what stands above, from an append that nobody confirmed, is replaced."""
        ...

    async def complete(self, handle: str, size: int) -> None:
        """All `size` bytes were appended: from now on it is read."""
        ...

    def read(self, handle: str, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        """The bytes from `start` to below `stop` of a complete object, in pieces of at most 1 MiB.
        Raises NOT_FOUND when it is not there. Whoever stops in the middle closes it."""
        ...

    async def delete(self, handle: str) -> None:
        """Forget it, complete or not; nothing happens when it is not there."""
        ...


class MediaStore(Protocol):
    """What is known of each medium, and what each user has taken of the quota.

    The offset moves only by compare-and-set, after the bytes are durable. Who writes holds a
    lease: another one may take it when it has run out. Raises UNAVAILABLE."""

    async def prepare(self) -> None:
        """Create what is needed; can be repeated."""
        ...

    async def add(self, media: Media, *, quota_bytes: int, max_open: int) -> None:
        """Reserve the size and store it. Raises BODY_TOO_LARGE beyond the quota, OVERLOADED when
        its owner has that many unfinished uploads; then nothing is changed."""
        ...

    async def find(self, media_id: str) -> Media | None:
        """The medium, or None."""
        ...

    async def claim(
        self, media_id: str, offset: int, writer: str, *, now_ms: int, until_ms: int
    ) -> bool:
        """Take the lease until then, if the upload stands at this offset and nobody holds it."""
        ...

    async def advance(
        self, media_id: str, writer: str, offset: int, to: int, *, until_ms: int, expires_ms: int
    ) -> bool:
        """Move the offset and the lease; False when the lease is somebody else's by now."""
        ...

    async def release(self, media_id: str, writer: str) -> None:
        """Give the lease back, if it is this writer's."""
        ...

    async def complete(self, media_id: str, found_type: str) -> None:
        """All bytes are there; the size counts for ever, the upload is not open any more."""
        ...

    async def add_thumbnail(self, media_id: str, handle: str, size: int) -> bool:
        """Remember its thumbnail; False when it has one already, or is not complete."""
        ...

    async def begin_delete(self, media_id: str, *, expired_by_ms: int | None = None) -> bool:
        """From now on nobody finds it complete, and nobody writes it. With `expired_by_ms` only
        an unfinished upload that expires then or before. False when there was nothing to do."""
        ...

    async def forget(self, media: Media) -> None:
        """Its bytes are gone: remove it and give back what it took of the quota."""
        ...

    async def stale(self, now_ms: int, limit: int) -> Sequence[Media]:
        """Unfinished uploads whose time is over, and media whose deletion was interrupted."""
        ...

    async def settle(self, before_ms: int, limit: int) -> int:
        """Bring the quotas right where a pod died in between, for reservations made before then;
        how many were wrong."""
        ...

    async def used_bytes(self, owner: str) -> int:
        """What this user has taken of the quota: complete and reserved."""
        ...


class MediaViewers(Protocol):
    """Who may see a medium beside its owner."""

    async def prepare(self) -> None:
        """Create what is needed; can be repeated."""
        ...

    async def may_see(self, user_id: str, media_id: str) -> bool:
        """Whether this user got a message that refers to it and was not taken back."""
        ...

    async def is_avatar(self, owner: str, media_id: str) -> bool:
        """Whether it is the picture of this user's profile now: everybody may see that."""
        ...
