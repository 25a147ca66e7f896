"""Wires media: where the bytes are by setting, and the use cases on it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from services.gateway.adapters.media_storage_folder import FolderMediaStorage
from services.gateway.adapters.media_store_mongo import MongoMediaStore
from services.gateway.adapters.media_type_puremagic import find_type
from services.gateway.adapters.media_viewers_mongo import MongoMediaViewers
from services.gateway.adapters.thumbnails_pillow import PillowThumbnails
from services.gateway.domain.places import Places
from services.gateway.media_ports import MediaStorage
from services.gateway.media_settings import MediaSettings
from services.gateway.usecases.read_media import ReadMedia
from services.gateway.usecases.show_thumbnail import ShowThumbnail
from services.gateway.usecases.sweep_media import SweepMedia
from services.gateway.usecases.upload_media import UploadMedia
from whimbrel.runtime.stores import Database


@dataclass(frozen=True)
class MediaParts:
    """What the routes of media stand on."""

    settings: MediaSettings
    upload: UploadMedia
    read: ReadMedia
    thumbnail: ShowThumbnail
    sweep: SweepMedia
    store: MongoMediaStore
    thumbnails: PillowThumbnails
    viewers: MongoMediaViewers

    def close(self) -> None:
        """Let go of the threads."""
        self.thumbnails.close()

    async def prepare(self) -> None:
        """Create what the stores need; can be repeated. Raises UNAVAILABLE."""
        await self.store.prepare()
        await self.viewers.prepare()


@asynccontextmanager
async def open_media_storage(settings: MediaSettings) -> AsyncIterator[MediaStorage | None]:
    """The storage that the settings name; None for none."""
    if settings.storage == "folder" and settings.folder is not None:
        folder = FolderMediaStorage(settings.folder)
        try:
            yield folder
        finally:
            folder.close()
    elif settings.storage == "s3":
        from services.gateway.adapters.media_storage_s3 import (  # noqa: PLC0415 - only who wants it
            open_s3_media_storage,
        )

        async with open_s3_media_storage(settings) as bucket:
            yield bucket
    else:
        yield None


def assemble_media(
    settings: MediaSettings,
    storage: MediaStorage,
    database: Database,
    *,
    now_ms: Callable[[], int],
) -> MediaParts:
    """All parts of media, on a real store."""
    store = MongoMediaStore(database)
    viewers = MongoMediaViewers(database)
    thumbnails = PillowThumbnails(
        max_pixels=settings.thumbnail_pixels, max_waiting=settings.thumbnails_waiting
    )
    upload = UploadMedia(store, storage, find_type, settings, now_ms=now_ms, clock=time.monotonic)
    return MediaParts(
        settings,
        upload,
        ReadMedia(
            store,
            storage,
            viewers,
            Places("downloads", total=settings.max_downloads, each=settings.max_transfers_of_user),
        ),
        ShowThumbnail(
            store, storage, thumbnails.make, max_source_bytes=settings.thumbnail_source_bytes
        ),
        SweepMedia(store, upload, sweep_seconds=settings.sweep_seconds, now_ms=now_ms),
        store,
        thumbnails,
        viewers,
    )
