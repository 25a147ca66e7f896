"""Forgets uploads that nobody goes on with, and finishes deletions that a crash interrupted.

Each pod does it for itself: whatever it does can be repeated, so two at once do no harm.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from services.gateway.media_ports import MediaStore
from services.gateway.usecases.upload_media import UploadMedia
from whimbrel.core.errors import WhimbrelError
from whimbrel.runtime.logs import get_logger

_log = get_logger(__name__)

_BATCH: Final = 100
_SETTLE_AFTER_MS: Final = 60_000
"""What a pod needs, many times over, between a reservation and its medium."""


class SweepMedia:
    """One per process."""

    def __init__(
        self,
        store: MediaStore,
        upload: UploadMedia,
        *,
        sweep_seconds: float,
        now_ms: Callable[[], int],
    ) -> None:
        self._store = store
        self._upload = upload
        self._sweep_seconds = sweep_seconds
        self._now_ms = now_ms

    async def run(self) -> None:
        """Sweep for ever; a store that does not answer is asked again the next time."""
        while True:
            try:
                await self.sweep()
            except WhimbrelError as error:
                _log.warning("media_not_swept", detail=error.detail)
            await asyncio.sleep(self._sweep_seconds)

    async def sweep(self) -> int:
        """One round; how many media were forgotten."""
        forgotten = 0
        now_ms = self._now_ms()
        while stale := await self._store.stale(now_ms, _BATCH):
            for media in stale:
                forgotten += await self._upload.remove(media, expired_by_ms=now_ms)
        settled = await self._store.settle(self._now_ms() - _SETTLE_AFTER_MS, _BATCH)
        if forgotten or settled:
            _log.info("media_swept", forgotten=forgotten, quotas_settled=settled)
        return forgotten
