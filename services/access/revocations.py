"""What was revoked, as Logic reads it in MongoDB, put into effect on this pod.

Asked for twice a second and not pushed: so it holds when Redis is flushed, when a link breaks, and
for a pod that starts later, and nobody has to know who is where. A pod that has heard nothing yet
admits whoever has a good token, and ends those streams with its first answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import grpc

from services.access.links import Links
from services.access.session_table import SessionTable
from whimbrel.api.logic.v1 import logic_pb2, logic_pb2_grpc
from whimbrel.core.errors import CloseCode, WhimbrelError, unavailable
from whimbrel.core.revocations import Revocation, RevocationTable
from whimbrel.runtime.cancelling import check_cancelled
from whimbrel.runtime.logs import get_logger

_log = get_logger(__name__)

REVOKED: Final = "the account, the device or the login was revoked"
_POLL_SECONDS: Final = 0.5
"""A revocation holds everywhere within 2 s: this, one call that hangs, and one that does not."""
_CALL_SECONDS: Final = 0.7


class FollowRevocations:
    """One per pod; `run` is its task."""

    def __init__(
        self,
        links: Links,
        revoked: RevocationTable,
        sessions: SessionTable,
        *,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
    ) -> None:
        """`revoked` is filled; admission looks at it. `clock` is monotonic seconds, `wall_clock`
        seconds since the Unix epoch."""
        self._links = links
        self._revoked = revoked
        self._sessions = sessions
        self._clock = clock
        self._wall_clock = wall_clock
        self._mark_ms = 0
        self._heard_at = clock()
        self._asked = 0

    @property
    def age_seconds(self) -> float:
        """How long ago all that was revoked was known here."""
        return self._clock() - self._heard_at

    async def run(self) -> None:
        """Until cancelled."""
        failures = 0
        while True:
            try:
                has_more = await self._look()
            except (grpc.aio.AioRpcError, WhimbrelError) as error:
                check_cancelled()
                if failures == 0:
                    _log.warning("revocations_not_followed", reason=type(error).__name__)
                failures += 1
                has_more = False
            else:
                if failures:
                    _log.info("revocations_known", failures=failures)
                failures = 0
            # Another Logic pod is asked at once: one that hangs costs its call and no more.
            if not has_more and not 0 < failures < len(self._linked()):
                await asyncio.sleep(_POLL_SECONDS)

    def _linked(self) -> list[logic_pb2_grpc.LogicServiceStub]:
        up = {link.pod_id: link.stub for link in self._links if link.up}
        return [stub for _, stub in sorted(up.items()) if stub is not None]

    async def _look(self) -> bool:
        stubs = self._linked()
        if not stubs:
            raise unavailable("no Logic pod is linked")
        # One after the other: those that hang do not hold up the next look.
        self._asked += 1
        answer = await stubs[self._asked % len(stubs)].ListRevocations(
            logic_pb2.ListRevocationsRequest(mark_ms=self._mark_ms), timeout=_CALL_SECONDS
        )
        for one in answer.revocations:
            revocation = Revocation(
                user_id=one.user_id,
                at=one.at_ms / 1000,
                until=one.until_ms / 1000,
                device_id=one.device_id,
                login_id=one.login_id,
                but_login_id=one.but_login_id,
            )
            if self._revoked.add(revocation, self._wall_clock()):
                self._end_streams(one.user_id)
        self._mark_ms = answer.mark_ms
        if not answer.has_more:
            self._heard_at = self._clock()
        return answer.has_more

    def _end_streams(self, user_id: str) -> None:
        for stream in tuple(self._sessions.of_user(user_id)):
            if self._revoked.refuses(stream.credential, stream.device_id):
                stream.close(CloseCode.REVOKED, REVOKED)
