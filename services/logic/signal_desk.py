"""Signals and questions of presence that come in on a link, handed to their use cases."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from services.logic.domain.signals import PresenceState, Watch
from services.logic.link import AccessLink
from services.logic.signal_translate import presence_to_wire, signal_of
from services.logic.usecases.pass_signals import PassSignals
from services.logic.usecases.show_presence import ShowPresence
from whimbrel.api.logic.v1 import logic_pb2

_RESULT_BYTES = 256
_PRESENCE_BYTES = 160


class SignalDesk:
    """One per process; `loops` lists what somebody has to run."""

    def __init__(self, signals: PassSignals, presence: ShowPresence) -> None:
        self._signals = signals
        self._presence = presence

    def loops(self) -> dict[str, Callable[[], Coroutine[Any, Any, None]]]:
        """The loops to run, by name."""
        return {
            "signals": self._signals.pipeline.run,
            "watches": self._presence.watches.run,
            "presence_changes": self._presence.changes.run,
        }

    def take(self, request: logic_pb2.LinkRequest, link: AccessLink) -> None:
        """Handle what a frame has of them; never waits."""
        for raised in request.signals:
            signal = signal_of(raised)
            if signal is not None:
                self._signals.offer(signal)
        for asked in request.watches:
            watch = Watch(asked.viewer_id, asked.device_id, tuple(asked.user_ids))
            self._presence.watch(_Viewer(link), watch)
        for change in request.presence_changes:
            self._presence.changed(change.user_id)


class _Viewer:
    """The link of somebody who watches."""

    def __init__(self, link: AccessLink) -> None:
        self._link = link

    @property
    def pod_id(self) -> str:
        return self._link.pod_id

    def show(self, watch: Watch, states: Sequence[PresenceState]) -> None:
        size = _RESULT_BYTES + _PRESENCE_BYTES * len(states)
        self._link.frame(size).watch_results.add(
            viewer_id=watch.viewer,
            device_id=watch.device,
            presences=[presence_to_wire(state) for state in states],
        )
