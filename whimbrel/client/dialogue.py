"""What a client says and understands on its streams: frames in, frames out, no I/O.

It joins the pure machines (Inbox, Outbox, and those of Presence) and lives as long as the client,
through all its streams:

    hello ──▶ welcomed ──▶ received*, next_frame* ──▶ lost ──▶ hello …
                  └──▶ hello, welcomed (a move) ──▶ received_aside* ──▶ retired

The driver reads frames and gives them to `received`, and writes what `next_frame` returns, at
once and again at `next_deadline`. When a second stream is welcomed while one is attached, the
session has moved: the first is read to its end with `received_aside`. `now` is monotonic seconds
throughout.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple

from whimbrel import wire
from whimbrel.api.access.v1 import access_pb2
from whimbrel.api.types.v1 import types_pb2
from whimbrel.client.events import Receipt
from whimbrel.client.farewell import Farewell, farewell_of, targets_of
from whimbrel.client.presence import Presence, Surroundings
from whimbrel.client.settings import ClientSettings
from whimbrel.client.signal_book import SignalBook
from whimbrel.core.errors import WhimbrelError
from whimbrel.core.inbox import Inbox
from whimbrel.core.migration import Migration
from whimbrel.core.nat_probe import Learned
from whimbrel.core.outbox import Outbox
from whimbrel.core.outgoing import Outgoing

PROTOCOL_VERSION: Final = 1
SEND_BYTES: Final = 252 * 1024
"""Of messages in one Send: 256 KiB are allowed, the rest is for framing."""
_ENTRY_OVERHEAD_BYTES: Final = 24
_REASON_CHARACTERS: Final = 128


class Outcome(NamedTuple):
    """A message has its answer."""

    client_message_id: str
    answer: Receipt | WhimbrelError


class Dialogue:
    """The protocol of one client object. See the module."""

    def __init__(
        self,
        *,
        device_id: str,
        instance_id: str,
        client: str,
        settings: ClientSettings,
        platform: str = "",
        account_scope: bool = False,
        cursor: int | None = None,
        highest: Mapping[str, int] | None = None,
        owner: tuple[str, str] | None = None,
        outgoing: Iterable[Outgoing] = (),
        heartbeats: Mapping[str, Learned] | None = None,
        surroundings: Surroundings | None = None,
        signals: SignalBook | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.signals = signals or SignalBook()
        limits = settings.inbox
        if self.signals.tells_delivered:
            limits = limits.hurried()
        self.inbox: Inbox[types_pb2.Message] = Inbox(limits, cursor=cursor, highest=highest)
        self.outbox = Outbox(settings.outbox)
        if owner is not None:
            self.outbox.bind(*owner)
        for message in outgoing:
            self.outbox.add(message, was_sent=True)
        self.presence = Presence(settings, heartbeats or {}, surroundings or Surroundings())
        self.migration = Migration(settings.welcome_timeout_seconds)
        self.defer_until = -math.inf
        """Loop time before which the application does not want to move."""
        self._chance = chance
        self.attempt = 0
        self.epoch = 0
        self.user_id = ""
        self.max_body_bytes = 0
        self._settings = settings
        self.device_id = device_id
        self._instance_id = instance_id
        self._client = client
        self._platform = platform
        self._cursor_scope = (
            access_pb2.CURSOR_SCOPE_ACCOUNT if account_scope else access_pb2.CURSOR_SCOPE_DEVICE
        )
        self._outcomes: list[Outcome] = []
        self._overdue = 0

    @property
    def is_attached(self) -> bool:
        """Whether a stream is there and welcomed."""
        return self.presence.is_attached

    # --- streams ---------------------------------------------------------------------

    def hello(self, token: str, ticket: str = "", plan_id: str = "") -> access_pb2.ConnectRequest:
        """The first frame of the next stream."""
        self.attempt += 1
        if self._settings.observer is not None:
            self._settings.observer.greeted()
        hello = access_pb2.Hello(
            protocol_version=PROTOCOL_VERSION,
            token=token,
            device_id=self.device_id,
            cursor=self.inbox.cursor,
            instance_id=self._instance_id,
            attempt=self.attempt,
            epoch=self.epoch,
            client=self._client,
            platform=self._platform,
            cursor_scope=self._cursor_scope,
            app_state=self.presence.hello_state(),
            ticket=ticket,
            plan_id=plan_id,
            migrates=True,
            signals=self.signals.wishes(),
        )
        return access_pb2.ConnectRequest(hello=hello)

    def welcomed(self, welcome: access_pb2.Welcome, now: float) -> None:
        """The stream is attached; when another one still is, the session has moved here.
        PERMISSION_DENIED, and nothing changed, when the token is that of another user than
        before; RemoteProtocolError when it makes no sense."""
        self.outbox.bind(welcome.user_id, self.device_id)
        is_move = self.is_attached
        self.inbox.attached(
            welcome.first_seq,
            welcome.head,
            welcome.window_messages,
            welcome.window_bytes,
            now,
            overlap=is_move,
        )
        self.user_id = welcome.user_id
        self.epoch = welcome.epoch
        self.max_body_bytes = welcome.max_body_bytes
        if is_move:
            self.outbox.lost()
        self.migration.welcomed()
        self.outbox.opened(welcome.max_unanswered_sends)
        if self._settings.observer is not None:
            self._settings.observer.welcomed(welcome.first_seq, welcome.head, welcome.epoch)
        self.presence.welcomed(welcome, now)
        self.signals.welcomed(welcome.signals, now)

    def lost(self) -> None:
        """The stream is gone, however it ended, or never came to be. Unanswered messages are
        due again."""
        if self._settings.observer is not None and self.is_attached:
            self._settings.observer.lost()
        self.presence.lost()
        self.inbox.detached()
        self.outbox.lost()
        self.migration.lost()
        self.signals.lost()

    def retired(self) -> None:
        """The older of two streams is gone."""
        self.inbox.alone()

    # --- frames in -------------------------------------------------------------------

    def received(self, frame: access_pb2.ConnectResponse, now: float) -> Farewell | None:
        """Take a frame; a Farewell when it was the last. Frames not known are ignored.

        RemoteProtocolError when the server has broken its word; the stream is to be ended.
        """
        self.presence.received(now)
        self._confirmed(frame)
        kind = frame.WhichOneof("frame")
        if kind == "deliver":
            for entry in frame.deliver.entries:
                self._deliver(entry, now)
        elif kind == "accepted":
            for accepted in frame.accepted.messages:
                self._accepted(accepted, now)
        elif kind == "rejected":
            for rejected in frame.rejected.messages:
                self._rejected(rejected, now)
        elif kind == "pong":
            self._pong(frame.pong, now)
        elif kind == "signals":
            self.signals.received(frame.signals, self.user_id)
        elif kind == "migrate":
            self._migrate(frame.migrate, now)
        elif kind == "resumed":
            self.epoch = frame.resumed.epoch
            self.migration.resumed()
            self.outbox.renewed()
        else:
            return self.farewell(frame)
        return None

    def received_aside(self, frame: access_pb2.ConnectResponse, now: float) -> Farewell | None:
        """Take a frame of the older stream while the newer one is the session.

        What it brings is news; what it refuses is being sent again on the newer one already,
        unless the refusal is final.
        """
        self._confirmed(frame)
        kind = frame.WhichOneof("frame")
        if kind == "deliver":
            for entry in frame.deliver.entries:
                self._deliver(entry, now, aside=True)
        elif kind == "accepted":
            for accepted in frame.accepted.messages:
                self._accepted(accepted, now, aside=True)
        elif kind == "rejected":
            for rejected in frame.rejected.messages:
                if Outbox.is_final(wire.rejection(rejected)):
                    self._rejected(rejected, now)
        return farewell_of(frame)

    def farewell(self, frame: access_pb2.ConnectResponse) -> Farewell | None:
        """What the last frame says; None for any other frame. SEQ_AHEAD forgets the cursor."""
        farewell = farewell_of(frame)
        code = None if farewell is None else farewell.code
        if code is not None and code.reconnects and not code.resumes:
            self.inbox.forget_cursor()
        return farewell

    def take_outcomes(self) -> list[Outcome]:
        """The messages answered since the last call."""
        outcomes, self._outcomes = self._outcomes, []
        return outcomes

    # --- frames out ------------------------------------------------------------------

    def next_frame(self, now: float, *, leaving: bool = False) -> access_pb2.ConnectRequest | None:
        """The next frame to write now, counted as written; None when there is none.

        `leaving`: the last ack without its delay, and nothing else.
        """
        if not self.is_attached:
            return None
        frame = self._next_frame(now, leaving=leaving)
        if frame is not None:
            self.presence.sent(now)
        return frame

    def is_dead(self, now: float) -> bool:
        """Whether the server has not answered a ping or a Resume in time: give the stream up."""
        resume_by = self.migration.resume_deadline()
        return self.presence.is_dead(now) or (resume_by is not None and now >= resume_by)

    def next_deadline(self) -> float | None:
        """When `next_frame` or `is_dead` has something new if nothing happens before; it may
        lie in the past. None without a stream."""
        if not self.is_attached:
            return None
        if self.migration.has_words:
            return -math.inf
        moments = (
            self.migration.resume_deadline(),
            self.presence.next_deadline(),
            self.inbox.next_deadline(),
            self.outbox.next_deadline(),
            self.signals.next_deadline(),
        )
        return min((moment for moment in moments if moment is not None), default=None)

    # --- inside ----------------------------------------------------------------------

    def _next_frame(self, now: float, *, leaving: bool) -> access_pb2.ConnectRequest | None:
        cursor = self.inbox.ack_due(now, flush=leaving)
        if cursor is not None:
            ack = access_pb2.Ack(cursor=cursor, confirm_now=leaving)
            return access_pb2.ConnectRequest(ack=ack)
        if leaving:
            return None
        words = self._move_words()
        if words is not None:
            return words
        due = self.outbox.take_due(now, SEND_BYTES)
        if self.outbox.overdue > self._overdue:
            self._overdue = self.outbox.overdue
            self.presence.doubt()
        if due:
            messages = [wire.outgoing_message(message, resend=again) for message, again in due]
            return access_pb2.ConnectRequest(send=access_pb2.Send(messages=messages))
        from_seq = self.inbox.sync_due(now)
        if from_seq is not None:
            return access_pb2.ConnectRequest(sync=access_pb2.Sync(from_seq=from_seq))
        return self.signals.next_frame(now) or self.presence.next_frame(now)

    def _move_words(self) -> access_pb2.ConnectRequest | None:
        answer = self.migration.take_answer()
        if answer is not None:
            ack = access_pb2.MigrateAck(
                plan_id=answer.plan_id,
                verdict=access_pb2.MigrateVerdict.ValueType(answer.verdict),
                defer_ms=round(answer.defer_seconds * 1000),
                reason=answer.reason[:_REASON_CHARACTERS],
            )
            return access_pb2.ConnectRequest(migrate_ack=ack)
        if self.migration.take_resume():
            self.attempt += 1
            resume = access_pb2.Resume(plan_id=self.migration.plan_id, attempt=self.attempt)
            return access_pb2.ConnectRequest(resume=resume)
        return None

    def _migrate(self, migrate: access_pb2.Migrate, now: float) -> None:
        self.migration.asked(
            migrate.plan_id,
            targets_of(migrate.targets),
            migrate.jitter_ms / 1000,
            now,
            self._chance(),
            defer_seconds=max(0.0, self.defer_until - now),
        )

    def _confirmed(self, frame: access_pb2.ConnectResponse) -> None:
        """A confirmation comes in a frame of its own, or along with any other."""
        cursor = frame.confirmed_cursor or frame.ack_confirmed.cursor
        if not cursor:
            return
        self.inbox.confirm(cursor)
        if self._settings.observer is not None:
            self._settings.observer.confirmed(cursor)

    def _deliver(self, entry: types_pb2.Entry, now: float, *, aside: bool = False) -> None:
        if not entry.HasField("message"):
            size = _ENTRY_OVERHEAD_BYTES
            self.inbox.deliver(entry.seq, None, hint=False, size=size, now=now, aside=aside)
            return
        message = entry.message
        if (
            message.sender_device_id == self.device_id
            and message.sender_id == self.user_id
            and self.outbox.knows(message.client_message_id)
        ):
            # Our own message, whose acceptance was lost or which we asked for again.
            accepted = access_pb2.AcceptedMessage(
                client_message_id=message.client_message_id,
                message_id=message.message_id,
                seq=entry.seq,
                conversation_id=message.conversation_id,
            )
            self._accepted(accepted, now, aside=aside)
            return
        size = message.ByteSize() + _ENTRY_OVERHEAD_BYTES
        self.inbox.deliver(entry.seq, message, hint=entry.late, size=size, now=now, aside=aside)

    def _accepted(
        self, accepted: access_pb2.AcceptedMessage, now: float, *, aside: bool = False
    ) -> None:
        identifier, conversation = accepted.client_message_id, accepted.conversation_id
        self.inbox.accepted(accepted.seq, conversation, accepted.message_id, now, aside=aside)
        if self.outbox.accepted(identifier) is not None:
            receipt = Receipt(
                identifier,
                accepted.message_id,
                accepted.seq,
                conversation,
                accepted.trace_id,
            )
            self._outcomes.append(Outcome(identifier, receipt))

    def _rejected(self, rejected: access_pb2.RejectedMessage, now: float) -> None:
        identifier, error = rejected.client_message_id, wire.rejection(rejected)
        if self.outbox.rejected(identifier, error, now) is not None:
            self._outcomes.append(Outcome(identifier, error))

    def _pong(self, pong: access_pb2.Pong, now: float) -> None:
        if pong.HasField("head"):
            self.inbox.head_news(pong.head, now)
        if pong.HasField("storm_window"):
            self.presence.note_storm_window(pong.storm_window)
