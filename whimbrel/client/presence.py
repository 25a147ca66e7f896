"""Being there: the heartbeat of the present stream, and where the app is while it beats.

Joins the pure machines (HeartbeatPlan for the client's life, Heartbeat for one stream) with the
frames Hello.app_state, Welcome, AppState, Ping and Pong. No I/O; `now` is monotonic seconds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from whimbrel.api.access.v1 import access_pb2
from whimbrel.client.settings import ClientSettings
from whimbrel.core.heartbeat import Heartbeat
from whimbrel.core.heartbeat_plan import UNKNOWN_NETWORK, HeartbeatPlan
from whimbrel.core.nat_probe import Learned

_DEFAULT_HEARTBEAT_SECONDS: Final = 30.0


@dataclass(frozen=True)
class Surroundings:
    """What the platform has told the client."""

    is_background: bool = False
    network_id: str | None = UNKNOWN_NETWORK
    """None: the network is known to be down."""


class Presence:
    """The heartbeat side of one Dialogue."""

    def __init__(
        self, settings: ClientSettings, learned: Mapping[str, Learned], at: Surroundings
    ) -> None:
        self.storm_window_seconds: tuple[float, float] | None = None
        """The last that the server has named, (foreground, background)."""
        self._pong_timeout = settings.pong_timeout_seconds
        self._plan = HeartbeatPlan(
            foreground_seconds=_DEFAULT_HEARTBEAT_SECONDS,
            policy=settings.probe,
            learned=learned,
            is_background=at.is_background,
            network_id=at.network_id,
        )
        self._heartbeat: Heartbeat | None = None
        self._announced: tuple[bool, int] | None = None
        self._said_in_hello = (False, 0)  # of the stream that opens, which may be a second one
        self.take_learned = self._plan.take_learned
        self.statistics = self._plan.statistics

    @property
    def is_attached(self) -> bool:
        """Whether a stream is there and welcomed."""
        return self._heartbeat is not None

    # --- streams ---------------------------------------------------------------------

    def hello_state(self) -> access_pb2.AppState | None:
        """For the next Hello; None in the foreground."""
        self._said_in_hello = self._state() if self._plan.is_background else (False, 0)
        return _frame(self._said_in_hello) if self._plan.is_background else None

    def welcomed(self, welcome: access_pb2.Welcome, now: float) -> None:
        """The stream is attached, and is the one to beat from now on."""
        self._announced = self._said_in_hello
        if welcome.HasField("storm_window"):
            self.note_storm_window(welcome.storm_window)
        self._plan.attached(
            welcome.heartbeat_interval_ms / 1000 or _DEFAULT_HEARTBEAT_SECONDS,
            welcome.background_heartbeat_min_ms / 1000,
            welcome.background_heartbeat_max_ms / 1000,
            now,
        )
        self._heartbeat = Heartbeat(self._plan.interval_seconds, self._pong_timeout, now)
        self._follow()

    def lost(self) -> None:
        """The stream is gone, or the attempt has brought none."""
        if self._heartbeat is None:
            self._plan.attempt_failed()
        else:
            self._plan.lost(self._heartbeat.unanswered_idle)
        self._heartbeat = None
        self._announced = None

    def note_storm_window(self, window: access_pb2.StormWindow) -> None:
        """A Welcome or a Pong has named it."""
        self.storm_window_seconds = (window.foreground_ms / 1000, window.background_ms / 1000)

    # --- what the platform says ------------------------------------------------------

    def set_background(self, is_background: bool) -> None:
        """The app has come or gone."""
        self._plan.set_background(is_background)
        self._follow()

    def set_network(self, network_id: str | None, now: float) -> None:
        """Another network; None when there is none."""
        self._plan.set_network(network_id, now)
        self._follow()

    # --- one stream ------------------------------------------------------------------

    def received(self, now: float) -> None:
        """A frame came in, whatever it was. ValueError without a stream."""
        if self._heartbeat is None:
            raise ValueError("frames come after the Welcome")
        idle = self._heartbeat.received(now)
        if idle is not None:
            self._plan.answered(idle, now)
            self._follow()

    def sent(self, now: float) -> None:
        """A frame went out."""
        if self._heartbeat is not None:
            self._heartbeat.sent(now)

    def doubt(self) -> None:
        """The server owes an answer: ask whether it is there, however long the interval is."""
        if self._heartbeat is not None:
            self._heartbeat.doubt()

    def next_frame(self, now: float) -> access_pb2.ConnectRequest | None:
        """What the server is to be told, then a Ping that is due; counted as sent."""
        if self._heartbeat is None:
            return None
        if self._must_announce():
            self._announced = self._state()
            return access_pb2.ConnectRequest(app_state=_frame(self._announced))
        if self._heartbeat.ping_due(now):
            self._heartbeat.pinged(now)
            return access_pb2.ConnectRequest(ping=access_pb2.Ping())
        return None

    def is_dead(self, now: float) -> bool:
        """Whether a ping was not answered in time: give the stream up."""
        return self._heartbeat is not None and self._heartbeat.is_dead(now)

    def next_deadline(self) -> float | None:
        """When one of the above has something new; None without a stream."""
        if self._heartbeat is None:
            return None
        return -math.inf if self._must_announce() else self._heartbeat.next_deadline()

    # --- inside ----------------------------------------------------------------------

    def _follow(self) -> None:
        plan = self._plan
        if self._heartbeat is not None:
            is_patient = plan.is_background and plan.is_adaptive
            self._heartbeat.set_interval(plan.interval_seconds, is_patient=is_patient)

    def _state(self) -> tuple[bool, int]:
        plan = self._plan
        interval = round(plan.interval_seconds * 1000) if plan.is_background else 0
        return plan.is_background, interval

    def _must_announce(self) -> bool:
        is_able = self._heartbeat is not None and self._plan.is_adaptive
        return is_able and self._announced != self._state()


def _frame(state: tuple[bool, int]) -> access_pb2.AppState:
    return access_pb2.AppState(background=state[0], heartbeat_interval_ms=state[1])
