"""Unread counts of users whom nobody has counted yet: Logic is asked to, and Redis has them then.

Counts are built when somebody first asks for them, and again after Redis was lost; the first
notification asks as well. A badge is worth a moment and no more: what takes longer is left out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Final

from services.push.wake_ports import Unread, UnreadCounts
from whimbrel.api.history.v1 import history_pb2
from whimbrel.api.history.v1.history_pb2_grpc import HistoryServiceStub
from whimbrel.core.errors import WhimbrelError
from whimbrel.runtime.logic_pods import LogicPods, ask

MAX_ASKED: Final = 50
"""Users of one batch for whom Logic is asked: after a lost Redis it has other things to do."""
AT_ONCE: Final = 8
ASKING_SECONDS: Final = 1.0
"""For all of them together."""


class CountedByLogic:
    """The port UnreadCounts, before another one that knows only what is counted."""

    def __init__(self, counted: UnreadCounts, logic: LogicPods) -> None:
        self._counted = counted
        self._logic = logic
        self._at_once = asyncio.Semaphore(AT_ONCE)

    async def find(self, users: Collection[str]) -> dict[str, Unread]:
        found = await self._counted.find(users)
        missing = [user for user in users if user not in found][:MAX_ASKED]
        if not missing:
            return found
        try:
            async with asyncio.timeout(ASKING_SECONDS), asyncio.TaskGroup() as group:
                for user in missing:
                    group.create_task(self._count(user))
        except TimeoutError:
            pass  # those that are counted by now have a badge
        return {**found, **await self._counted.find(missing)}

    async def _count(self, user: str) -> None:
        request = history_pb2.ListConversationsRequest(caller_id=user, limit=1)
        async with self._at_once:
            try:
                await ask(
                    self._logic,
                    user,
                    HistoryServiceStub,
                    lambda stub: stub.ListConversations,
                    request,
                    seconds=ASKING_SECONDS,
                )
            except WhimbrelError:
                return  # no badge then
