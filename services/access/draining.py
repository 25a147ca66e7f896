"""How a pod empties when it stops: every client is told, every ack is stored, every route gone."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Final

from services.access.acks import AckKeeper
from services.access.client_stream import ClientStream
from services.access.departures import Departures
from whimbrel.core.errors import CloseCode
from whimbrel.runtime.logs import get_logger
from whimbrel.runtime.registration import Registration

_log = get_logger(__name__)

# With the goodbye (2 s) and the registry's (1 s) all steps stay below pod.grace_seconds (5 s).
_CUT_SECONDS: Final = 0.5
_STEP_SECONDS: Final = 1.0
_POLL_SECONDS: Final = 0.02


class Draining:
    """The steps of stopping; `is_draining` refuses new streams from the first moment."""

    def __init__(
        self,
        acks: AckKeeper,
        departures: Departures,
        *,
        spread_seconds: float,
        goodbye_seconds: float,
    ) -> None:
        self._acks = acks
        self._departures = departures
        self._spread_ms = spread_seconds * 1000
        self._goodbye_seconds = goodbye_seconds
        self.is_draining = False

    async def drain(
        self, registration: Registration, open_streams: Collection[ClientStream]
    ) -> None:
        """Close all streams, wait for their ends, flush the acks, leave the registry.

        `open_streams` is a live view: who has ended is not in it any more.
        """
        self.is_draining = True
        registration.renew()
        streams = list(open_streams)
        for number, stream in enumerate(streams):
            retry_after_ms = round(self._spread_ms * number / len(streams))
            stream.close(CloseCode.SHUTDOWN, "the pod stops", retry_after_ms)
        try:
            async with asyncio.timeout(self._goodbye_seconds + _CUT_SECONDS):
                while open_streams:
                    await asyncio.sleep(_POLL_SECONDS)
                    for stream in list(open_streams):  # also those that were on their way here
                        stream.close(CloseCode.SHUTDOWN, "the pod stops", round(self._spread_ms))
        except TimeoutError:
            _log.warning("streams_left", streams=len(open_streams))
        try:
            async with asyncio.timeout(_STEP_SECONDS):
                await self._acks.flush()
                await self._acks.wait_stored()
                await self._departures.wait_idle()
        except TimeoutError:
            _log.warning("acks_left", kept=self._acks.statistics().kept)
        await registration.unregister()
        _log.info("pod_drained", streams=len(streams))
