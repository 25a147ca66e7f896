"""Stores what devices have acknowledged, coalesced, and says when it is stored (rule 18)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from services.logic.domain.model import DeviceCursor
from services.logic.ports import CursorStore
from services.logic.reading_ports import UndeliveredIndex
from services.logic.usecases.patience import Clock, until_deadline
from services.logic.usecases.pipeline import Pipeline
from whimbrel.core.errors import WhimbrelError
from whimbrel.runtime.logs import get_logger

log = get_logger(__name__)


class CursorUpdate(NamedTuple):
    """A cursor to store; `stored` is called once it is safe, and never if it is not."""

    cursor: DeviceCursor
    stored: Callable[[DeviceCursor], None]


class StoreCursors:
    """A cursor that could not be stored is not confirmed: Access keeps it and sends it again."""

    def __init__(
        self,
        cursors: CursorStore,
        undelivered: UndeliveredIndex,
        *,
        clock: Clock,
        deadline_seconds: float = 5.0,
    ) -> None:
        self._cursors = cursors
        self._undelivered = undelivered
        self._clock = clock
        self._deadline_seconds = deadline_seconds
        self.pipeline: Pipeline[CursorUpdate] = Pipeline(
            self._handle, max_items=1000, max_waiting=100_000
        )

    async def _handle(self, batch: list[CursorUpdate]) -> None:
        highest: dict[tuple[str, str], DeviceCursor] = {}
        for update in batch:
            cursor = update.cursor
            known = highest.get((cursor.user, cursor.device))
            if known is None or cursor.cursor > known.cursor:
                highest[cursor.user, cursor.device] = cursor
        deadline = self._clock() + self._deadline_seconds
        try:
            await until_deadline(
                lambda: self._cursors.raise_to(list(highest.values())),
                deadline=deadline,
                clock=self._clock,
            )
        except WhimbrelError as error:
            log.warning("cursors_not_stored", count=len(highest), detail=error.detail)
            return
        for update in batch:
            update.stored(update.cursor)
        await self._trim(highest.values())

    async def _trim(self, cursors: Iterable[DeviceCursor]) -> None:
        by_user: dict[str, int] = {}
        for cursor in cursors:
            by_user[cursor.user] = max(cursor.cursor, by_user.get(cursor.user, 0))
        try:
            await self._undelivered.acknowledged(by_user)
        except WhimbrelError as error:
            log.warning("undelivered_not_trimmed", count=len(by_user), detail=error.detail)
