"""One client's stream: what it is attached as, what comes for it, and how it ends.

Glue between pure machines (ServerSession, Outbound) and the pod; no business rules, no I/O:
`stream_driver` moves the frames, `handshake` attaches, `incoming` handles what the client says,
`fencing` lets the newest attachment win, `leaving` gives back what it held.
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
from whimbrel.core.drain.session_move import SessionMove
from whimbrel.core.errors import CloseCode, WhimbrelError
from whimbrel.core.revocations import Credential
from whimbrel.core.session import ServerSession
from whimbrel.core.session_types import Mode
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
        "announced",
        "arrived_at",
        "attempt",
        "clock",
        "credential",
        "device_id",
        "end_reason",
        "epoch",
        "expires_at",
        "fin_at",
        "final",
        "instance_id",
        "is_background",
        "is_kicked",
        "is_over",
        "is_superseded",
        "kicked_epoch",
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
        self.kicked_epoch = 0
        self.is_over = False
        self.unanswered = 0
        self.sent = 0
        """Messages that the client handed over, also those that were refused."""
        self.opened_at = services.clock()
        self.traced: dict[int, EntryTrace] = {}
        """In flight and traced, by seq."""
        self.wake = wake
        self.fin_at = math.inf
        self._armed = math.inf
        self.arm()

    @property
    def key(self) -> str:
        """Names the session, the same on every pod."""
        return f"{self.user_id}/{self.device_id}"

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
        if (pull := session.next_pull(now)) is not None:
            self.services.requests.fetch(self, self.user_id, pull, now)
        if session.wants_write or not self.outbound.empty:
            self.wake()
        self.arm()

    def arm(self) -> None:
        """See to it that `on_deadline` is called in time. Moving later is left to itself."""
        at = min(self.clock.deadline(), self.fin_at)
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
        if now >= self.fin_at:
            self.fin_at = math.inf
            self.end(frames.fin(self.session.written), "fin")
        if self.final is None and (late := self.clock.lateness(now)) is not None:
            self.close(CloseCode.HEARTBEAT_TIMEOUT, late)
        self.session.tick(now)
        if (missed := self.session.take_unacknowledged()) is not None:
            self.services.requests.unacknowledged(self.user_id, self.device_id, missed)
        self.turn(now)
