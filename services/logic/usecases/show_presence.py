"""Who is there: told to those who watch, when it changes and when they ask.

Pods say whom their devices watch, again and again while they do; Redis remembers it for a while.
A change costs one look at who watches, and nothing more when nobody does. A change that gets
lost is made up for by the next question.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from services.logic.domain.signals import PresenceState, Watch, Whereabout
from services.logic.signal_ports import (
    LastSeenStore,
    SignalOutlet,
    Visibility,
    Watchers,
    Whereabouts,
)
from services.logic.usecases.pipeline import Pipeline
from whimbrel.core.errors import WhimbrelError
from whimbrel.runtime.logs import get_logger

log = get_logger(__name__)

WATCH_SECONDS = 90.0
"""Three times what pods take to ask again."""
SETTLE_SECONDS = 0.25
"""Between two batches of changes: a device that moves goes and comes in the same moment, and
nobody needs it sooner."""
MAX_WATCHES = 32
MAX_WAITING = 10_000
MAX_CHANGES = 1_000


class WatchOwner(Protocol):
    """The link on which somebody has asked."""

    @property
    def pod_id(self) -> str: ...
    def show(self, watch: Watch, states: Sequence[PresenceState]) -> None:
        """The answer: those of the users whom the viewer may see."""


class _Asked(NamedTuple):
    owner: WatchOwner
    watch: Watch


class ShowPresence:
    """Two pipelines: questions, and changes."""

    def __init__(
        self,
        whereabouts: Whereabouts,
        watchers: Watchers,
        last_seen: LastSeenStore,
        visibility: Visibility,
        outlet: SignalOutlet,
        *,
        wall_ms: Callable[[], int],
        on_changed: Callable[[str], None] | None = None,
    ) -> None:
        """`on_changed`: who else wants to hear of every change."""
        self._whereabouts = whereabouts
        self._watchers = watchers
        self._last_seen = last_seen
        self._visibility = visibility
        self._outlet = outlet
        self._wall_ms = wall_ms
        self._on_changed = on_changed
        self.dropped = 0
        """Questions and changes that were given up."""
        self.watches: Pipeline[_Asked] = Pipeline(
            self._answer, max_items=MAX_WATCHES, max_waiting=MAX_WAITING
        )
        self.changes: Pipeline[str] = Pipeline(
            self._tell, max_items=MAX_CHANGES, max_waiting=MAX_WAITING
        )

    def watch(self, owner: WatchOwner, watch: Watch) -> None:
        """Never waits; what does not fit in is asked again."""
        if not self.watches.offer(_Asked(owner, watch)):
            self.dropped += 1

    def changed(self, user: str) -> None:
        """A device of the user has come or gone. Never waits."""
        if self._on_changed is not None:
            self._on_changed(user)
        if not self.changes.offer(user):
            self.dropped += 1

    async def _answer(self, batch: list[_Asked]) -> None:
        try:
            seen = [await self._visibility.visible(watch.viewer, watch.users) for _, watch in batch]
            now_ms = self._wall_ms()
            for (owner, _), users in zip(batch, seen, strict=True):
                await self._watchers.watch(
                    owner.pod_id, sorted(users), now_ms=now_ms, seconds=WATCH_SECONDS
                )
            # After it is known who watches: what changes from now on is told.
            states = await self._states(sorted(set().union(*seen)))
        except WhimbrelError as error:
            self.dropped += len(batch)
            log.info("watches_dropped", count=len(batch), detail=error.detail)
            return
        for (owner, watch), users in zip(batch, seen, strict=True):
            owner.show(watch, [states[user] for user in watch.users if user in users])

    async def _tell(self, batch: list[str]) -> None:
        users = list(dict.fromkeys(batch))
        try:
            now_ms = self._wall_ms()
            await self._last_seen.raise_all(dict.fromkeys(users, now_ms))
            pods = await self._watchers.find(users, now_ms=now_ms)
            states = await self._states(list(pods))
            for user, pod_ids in pods.items():
                for pod_id in pod_ids:
                    if not self._outlet.presence(pod_id, states[user]):
                        self.dropped += 1
        except WhimbrelError as error:
            self.dropped += len(users)
            log.info("presence_dropped", count=len(users), detail=error.detail)
        await asyncio.sleep(SETTLE_SECONDS)

    async def _states(self, users: Sequence[str]) -> dict[str, PresenceState]:
        if not users:
            return {}
        found = await self._whereabouts.whereabouts(users)
        away = [user for user in users if not found[user]]
        moments = await self._last_seen.find(away) if away else {}
        return {
            user: PresenceState(user, _platforms(found[user]), moments.get(user, 0))
            for user in users
        }


def _platforms(devices: Sequence[Whereabout]) -> tuple[str, ...]:
    return tuple(sorted({one.platform for one in devices}))
