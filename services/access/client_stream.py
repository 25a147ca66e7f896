"""One client's stream: what it is attached as, what comes for it, and how it ends.

Glue between pure machines (ServerSession, Outbound) and the pod; no business rules, no I/O:
`stream_driver` moves the frames, `handshake` attaches, `incoming` handles what the client says.
Everything here runs without waiting, so nothing can come in between.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from services.access import frames
from services.access.announcements import Announcements
from services.access.frames import Item, Outbound
from services.access.stream_clock import StreamClock
from whimbrel.api.access.v1 import access_pb2
from whimbrel.core.ack_timer import SeqRange
from whimbrel.core.drain.session_move import SessionMove
from whimbrel.core.errors import CloseCode, ErrorCode, WhimbrelError
from whimbrel.core.revocations import Credential
from whimbrel.core.session import ServerSession
from whimbrel.core.session_types import Mode, SessionStatistics
from whimbrel.core.window import Numbered

if TYPE_CHECKING:
    from services.access.delivery_traces import EntryTrace
    from services.access.pending import PendingSend
    from services.access.stream_services import StreamServices
    from services.access.stream_signals import StreamSignals


class ClientStream:
    """The state of one stream, from its first frame to its end."""

    __slots__ = (
        "_armed",
        "_fin_at",
        "_kicked_epoch",
        "announced",
        "arrived_at",
        "attempt",
        "clock",
        "credential",
        "device_id",
        "end_reason",
        "epoch",
        "expires_at",
        "final",
        "instance_id",
        "is_background",
        "is_kicked",
        "is_over",
        "is_superseded",
        "migrates",
        "move",
        "opened_at",
        "outbound",
        "peer",
        "platform",
        "read_bytes",
        "sent",
        "services",
        "session",
        "signals",
        "traced",
        "unanswered",
        "user_id",
        "wake",
    )

    def __init__(self, services: StreamServices, wake: Callable[[], None]) -> None:
        """`wake` is called when there is something to write, or the end has come."""
        settings = services.settings
        self.services = services
        self.peer = ("", 0)
        """Host and port at the other end of its connection."""
        self.read_bytes = 0
        """In frames after the first one, where frames are paced."""
        self.user_id = ""
        self.device_id = ""
        self.platform = ""
        self.instance_id = ""
        self.attempt = 0
        self.epoch = 0
        self.credential = Credential("", "", 0.0)
        """What it was admitted with."""
        self.expires_at = 0.0
        """When its credential ends, seconds since the Unix epoch."""
        self.migrates = False
        self.arrived_at: float | None = None
        """When it came by a ticket; None when it came by itself."""
        self.move = SessionMove()
        self.session: ServerSession[Item] = ServerSession(services.limits)
        self.outbound = Outbound()
        self.announced = Announcements()
        self.signals: StreamSignals | None = None
        """None: the client knows none."""
        self.is_background = False
        self.clock = StreamClock(settings, services.clock())
        self.final: access_pb2.ConnectResponse | None = None
        self.end_reason = ""
        self.is_superseded = False
        self.is_kicked = False
        self._kicked_epoch = 0
        self.is_over = False
        self.unanswered = 0
        self.sent = 0
        """Messages that the client handed over, also those that were refused."""
        self.opened_at = services.clock()
        self.traced: dict[int, EntryTrace] = {}
        """In flight and traced, by seq."""
        self.wake = wake
        self._fin_at = math.inf
        self._armed = math.inf
        self.arm()

    @property
    def key(self) -> str:
        """Names the session, the same on every pod."""
        return f"{self.user_id}/{self.device_id}"

    @property
    def is_idle(self) -> bool:
        """Nothing is under way, and nobody looks at it."""
        return self.is_background and not self.unanswered

    @property
    def is_attached(self) -> bool:
        """Whether the session knows where the device stands."""
        return self.session.mode is not Mode.ATTACHING

    @property
    def has_room(self) -> bool:
        """Whether more sends may be read: answers that nobody has taken count too."""
        return self.unanswered + self.outbound.results < self.services.settings.max_unanswered_sends

    # --- from the pod ------------------------------------------------------------------

    def offer(self, seq: int, size: int, item: Item, now: float) -> None:
        """A push for the user. The caller turns the stream when it has handed over all it has."""
        self.session.offer(seq, size, item, now)

    def pulled(self, page: list[Numbered[Item]], head: int, now: float) -> None:
        """A page that the session asked for."""
        self.session.pulled(page, head, now)
        self.turn(now)

    def pull_failed(self, now: float) -> None:
        """A page did not come; the session asks again a little later."""
        self.session.pull_failed(now)
        self.arm()

    def head_news(self, head: int, now: float) -> None:
        """The timeline has grown, pushed or not."""
        self.session.head_news(head, now, is_pushed=True)
        self.turn(now)

    def stored(self, send: PendingSend, message_id: int, seq: int, now: float) -> None:
        """A message of this device is durable; to the device this is also its delivery. The
        caller turns the stream, as for `offer`."""
        self.unanswered -= 1
        self.session.satisfied(seq, now)
        accepted = access_pb2.AcceptedMessage(
            client_message_id=send.client_message_id,
            message_id=message_id,
            seq=seq,
            conversation_id=send.conversation_id,
        )
        if send.trace is not None and self.services.send_traces is not None:
            accepted.trace_id = send.trace.context.trace_hex
            self.services.send_traces.accepted(send, message_id, now)
        self.outbound.accept(accepted)

    def refused(self, send: PendingSend, error: WhimbrelError) -> None:
        """A message of this device was not stored, or nobody knows."""
        self.unanswered -= 1
        if send.trace is not None and self.services.send_traces is not None:
            self.services.send_traces.refused(send, error)
        self.reject(send.client_message_id, error)

    def reject(self, client_message_id: str, error: WhimbrelError) -> None:
        """Tell the client."""
        self.outbound.reject(frames.rejected(client_message_id, error))
        self.wake()

    def ack_stored(self, cursor: int) -> None:
        """What the device has acknowledged up to `cursor` is a promise now."""
        if self.is_attached:
            self.outbound.confirm(cursor)
            if not self.outbound.empty:
                self.wake()

    def set_app_state(self, state: access_pb2.AppState, now: float) -> None:
        """Where the app is, and how often it will ping: silence is judged by that from now on."""
        self.is_background = state.background
        interval = self.services.settings.heartbeat_of(
            background=state.background, interval_ms=state.heartbeat_interval_ms
        )
        self.clock.set_heartbeat(interval, now)
        self.arm()

    def supersede(self, epoch: int, instance_id: str) -> None:
        """The device is attached elsewhere with a higher epoch (rule 14)."""
        if self.is_superseded or epoch <= self.epoch:
            return
        self.is_superseded = True
        if instance_id == self.instance_id:
            self.services.moves.rose(self)
            self._fin_at = self.services.clock() + self.services.linger_seconds
            self.arm()
        else:
            self.close(CloseCode.SUPERSEDED, "another instance has attached as this device")

    def resume(self, epoch: int, head: int, now: float) -> None:
        """The session has come back to this stream: what it missed meanwhile is fetched."""
        self.epoch = epoch
        self.is_superseded = False
        self._fin_at = math.inf
        self.services.moves.resumed(self, now)
        self.outbound.resumed(epoch)
        self.session.head_news(head, now)
        self.turn(now)
        self.wake()

    def kick(self, epoch: int) -> None:
        """Another device has taken the place that this one had with this epoch. Remembered when
        it overtakes the Router's answer to our own attach, after which 0 looks again."""
        self._kicked_epoch = max(self._kicked_epoch, epoch)
        if not self.is_kicked and 0 < self.epoch <= self._kicked_epoch:
            self.is_kicked = True
            self.close(CloseCode.KICKED, "another device of this platform has taken the place")

    def close(self, code: CloseCode, detail: str, retry_after_ms: int = 0) -> None:
        """End the stream with this Close, unless it is ending already."""
        self.end(frames.close(code, detail, retry_after_ms), code.name.lower())

    def end(self, final: access_pb2.ConnectResponse, reason: str) -> None:
        """Make this the last frame. The first one who ends the stream decides."""
        if self.final is None and not self.is_over:
            self.final = final
            self.end_reason = reason
            self.clock.ending(self.services.clock())
            self.arm()
            self.wake()

    def finish(self, reason: str) -> None:
        """The stream is over: nothing more will be written."""
        if not self.is_over:
            self.is_over = True
            self.end_reason = self.end_reason or reason
            self.wake()

    # --- turning -----------------------------------------------------------------------

    def turn(self, now: float) -> None:
        """The session has changed: ask for what it wants, and let the writer know."""
        session = self.session
        if self.is_over:
            return
        pull = session.next_pull(now)
        if pull is not None:
            self.services.requests.fetch(self, self.user_id, pull, now)
        if session.wants_write or not self.outbound.empty:
            self.wake()
        self.arm()

    def arm(self) -> None:
        """See to it that `on_deadline` is called in time. Moving later is left to itself."""
        at = min(self.clock.deadline(), self._fin_at)
        session_at = self.session.next_deadline()
        if session_at is not None and session_at < at:
            at = session_at
        if at < self._armed and not self.is_over:
            self._armed = at
            self.services.deadlines.set(self, at)

    def on_deadline(self, now: float) -> None:
        """The earliest of the stream's deadlines may have come."""
        self._armed = math.inf
        if self.is_over:
            return
        if self.clock.is_stuck(now):
            self.finish("stuck")
            return
        if now >= self._fin_at:
            self._fin_at = math.inf
            self.end(frames.fin(self.session.written), "fin")
        if self.final is None:
            late = self.clock.lateness(now)
            if late is not None:
                self.close(CloseCode.HEARTBEAT_TIMEOUT, late)
        self.session.tick(now)
        missed = self.session.take_unacknowledged()
        if missed is not None:
            self.services.requests.unacknowledged(self.user_id, self.device_id, missed)
        self.turn(now)

    def leave(self) -> None:
        """The stream has ended, however it did: give back everything. Harmless twice."""
        self.finish("gone")
        self.wake = _nobody  # else the two hold each other until a collection
        services = self.services
        services.deadlines.set(self, None)
        services.table.remove(self)
        services.moves.ended(self)
        services.signals.close(self)
        if self.traced and services.delivery_traces is not None:
            services.delivery_traces.left(self, services.clock())
        if self.is_superseded or not self.epoch:
            return
        services.departures.add(self)
        if self.session.cursor < self.session.written:
            services.requests.unacknowledged(
                self.user_id,
                self.device_id,
                SeqRange(self.session.cursor + 1, self.session.written),
            )

    def stale(self) -> WhimbrelError | None:
        """Why this stream may not send any more, if so."""
        if self.is_superseded or self.is_kicked:
            return WhimbrelError(ErrorCode.STALE_EPOCH, "a newer attachment has taken over")
        return None

    def statistics(self) -> SessionStatistics:
        """What the session holds at this moment."""
        return self.session.statistics()


def _nobody() -> None:
    """There is nobody to wake any more."""
