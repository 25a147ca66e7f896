"""How a pod empties when it stops: every client is told, every ack is stored, every route gone."""

from __future__ import annotations

import asyncio
from typing import Final

from services.access.acks import AckKeeper
from services.access.departures import Departures
from services.access.session_table import SessionTable
from whimbrel.core.errors import CloseCode
from whimbrel.runtime.logs import get_logger
from whimbrel.runtime.registration import Registration

_log = get_logger(__name__)

_STEP_SECONDS: Final = 1.5
_POLL_SECONDS: Final = 0.02


class Draining:
    """The steps of stopping; `is_draining` refuses new streams from the first moment."""

    def __init__(
        self,
        table: SessionTable,
        acks: AckKeeper,
        departures: Departures,
        *,
        spread_seconds: float,
        goodbye_seconds: float,
    ) -> None:
        self._table = table
        self._acks = acks
        self._departures = departures
        self._spread_ms = spread_seconds * 1000
        self._goodbye_seconds = goodbye_seconds
        self.is_draining = False

    async def drain(self, registration: Registration) -> None:
        """Close all streams, wait for their ends, flush the acks, leave the registry."""
        self.is_draining = True
        registration.renew()
        streams = list(self._table)
        for number, stream in enumerate(streams):
            retry_after_ms = round(self._spread_ms * number / len(streams))
            stream.close(CloseCode.SHUTDOWN, "the pod stops", retry_after_ms)
        try:
            async with asyncio.timeout(self._goodbye_seconds + 0.5):
                while len(self._table):  # noqa: ASYNC110 - the table signals nobody
                    await asyncio.sleep(_POLL_SECONDS)
        except TimeoutError:
            _log.warning("streams_left", streams=len(self._table))
        try:
            async with asyncio.timeout(_STEP_SECONDS):
                await self._acks.flush()
                await self._acks.wait_stored()
                await self._departures.wait_idle()
        except TimeoutError:
            _log.warning("acks_left", kept=self._acks.statistics().kept)
        await registration.unregister()
        _log.info("pod_drained", streams=len(streams))
