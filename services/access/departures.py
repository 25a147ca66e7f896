"""Takes the routes of ended streams out of the Router, in batches, off the streams' own path.

Best effort: an epoch is compared there, so a late detach harms nobody, and a route that nobody
asserts any more goes away by itself.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import grpc

from whimbrel.api.router.v1 import router_pb2, router_pb2_grpc
from whimbrel.runtime.cancelling import check_cancelled
from whimbrel.runtime.logs import get_logger

if TYPE_CHECKING:
    from services.access.client_stream import ClientStream

_log = get_logger(__name__)

_MAX_SESSIONS: Final = 1_000
_MAX_WAITING: Final = 100_000
_CALL_SECONDS: Final = 3.0
_RETRY_SECONDS: Final = 1.0
_ATTEMPTS: Final = 3


class Departures:
    """A queue of sessions to detach; the oldest is dropped when it is full."""

    def __init__(
        self,
        router: router_pb2_grpc.RouterServiceStub,
        session_of: Callable[[ClientStream], router_pb2.Session],
        on_detached: Callable[[set[str]], None],
    ) -> None:
        """`on_detached` is told the users whose devices have lost their routes."""
        self._router = router
        self._session_of = session_of
        self._on_detached = on_detached
        self._waiting: deque[router_pb2.Session] = deque(maxlen=_MAX_WAITING)
        self._arrived = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    def add(self, stream: ClientStream) -> None:
        """The stream has ended."""
        self._waiting.append(self._session_of(stream))
        self._arrived.set()
        self._idle.clear()

    async def run(self) -> None:
        """Detach what waits, until cancelled."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._waiting:
                count = min(len(self._waiting), _MAX_SESSIONS)
                await self._detach([self._waiting.popleft() for _ in range(count)])
            self._idle.set()

    async def wait_idle(self) -> None:
        """Until nothing waits. The caller sets the deadline."""
        await self._idle.wait()

    async def _detach(self, sessions: list[router_pb2.Session]) -> None:
        request = router_pb2.DetachRequest(sessions=sessions)
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                await self._router.Detach(request, timeout=_CALL_SECONDS)
            except grpc.aio.AioRpcError as error:
                check_cancelled()
                _log.warning("detach_failed", sessions=len(sessions), status=error.code().name)
                if attempt < _ATTEMPTS:
                    await asyncio.sleep(_RETRY_SECONDS)
            else:
                self._on_detached({session.user_id for session in sessions})
                return
