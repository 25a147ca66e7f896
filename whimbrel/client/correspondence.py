"""The inbox and the outbox of one device, joined: what its streams say of messages and of acks.

Its own message that comes back as an entry is the acceptance that was lost, so neither side can
take an entry alone. Lives as long as the client; no I/O, `now` is monotonic seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from whimbrel import wire
from whimbrel.api.access.v1 import access_pb2
from whimbrel.api.types.v1 import types_pb2
from whimbrel.client.events import Receipt
from whimbrel.client.settings import ClientSettings
from whimbrel.core.errors import WhimbrelError
from whimbrel.core.inbox import Inbox
from whimbrel.core.inbox_types import InboxLimits
from whimbrel.core.outbox import Outbox
from whimbrel.core.outgoing import Outgoing

SEND_BYTES: Final = 252 * 1024
"""Of messages in one Send: 256 KiB are allowed, the rest is for framing."""
_ENTRY_OVERHEAD_BYTES: Final = 24


class Outcome(NamedTuple):
    """A message has its answer."""

    client_message_id: str
    answer: Receipt | WhimbrelError


class Correspondence:
    """What one device receives and sends, over all its streams."""

    def __init__(
        self,
        device_id: str,
        settings: ClientSettings,
        limits: InboxLimits,
        *,
        cursor: int | None = None,
        highest: Mapping[str, int] | None = None,
        owner: tuple[str, str] | None = None,
        outgoing: Iterable[Outgoing] = (),
    ) -> None:
        self.inbox: Inbox[types_pb2.Message] = Inbox(limits, cursor=cursor, highest=highest)
        self.outbox = Outbox(settings.outbox)
        if owner is not None:
            self.outbox.bind(*owner)
        for message in outgoing:
            self.outbox.add(message, was_sent=True)
        self.device_id = device_id
        self.user_id = ""
        self._observer = settings.observer
        self._outcomes: list[Outcome] = []

    # --- streams ---------------------------------------------------------------------

    def welcomed(self, welcome: access_pb2.Welcome, now: float, *, is_move: bool) -> None:
        """The stream is attached; `is_move`: the one before is read to its end. Raises as
        Dialogue.welcomed says."""
        self.outbox.bind(welcome.user_id, self.device_id)
        self.inbox.attached(
            welcome.first_seq,
            welcome.head,
            welcome.window_messages,
            welcome.window_bytes,
            now,
            overlap=is_move,
        )
        self.user_id = welcome.user_id
        if is_move:
            self.outbox.lost()
        self.outbox.opened(welcome.max_unanswered_sends)

    def lost(self) -> None:
        """The stream is gone. Unanswered messages are due again."""
        self.inbox.detached()
        self.outbox.lost()

    # --- frames in -------------------------------------------------------------------

    def received(
        self,
        frame: access_pb2.ConnectResponse,
        kind: str | None,
        now: float,
        *,
        aside: bool = False,
    ) -> bool:
        """Take what a frame of this kind says of messages and acks; whether it speaks of
        messages. `aside`: on the older of two streams, see Dialogue.received_aside."""
        # A confirmation comes in a frame of its own, or along with any other.
        cursor = frame.confirmed_cursor or frame.ack_confirmed.cursor
        if cursor:
            self.inbox.confirm(cursor)
            if self._observer is not None:
                self._observer.confirmed(cursor)
        if kind == "deliver":
            for entry in frame.deliver.entries:
                self._deliver(entry, now, aside=aside)
        elif kind == "accepted":
            for accepted in frame.accepted.messages:
                self._accepted(accepted, now, aside=aside)
        elif kind == "rejected":
            for rejected in frame.rejected.messages:
                self._rejected(rejected, now, aside=aside)
        else:
            return False
        return True

    def take_outcomes(self) -> list[Outcome]:
        """The messages answered since the last call."""
        outcomes, self._outcomes = self._outcomes, []
        return outcomes

    # --- frames out ------------------------------------------------------------------

    def next_ack(self, now: float, *, leaving: bool) -> access_pb2.ConnectRequest | None:
        """The ack to write now, counted as written. `leaving`: without its delay."""
        cursor = self.inbox.ack_due(now, flush=leaving)
        if cursor is None:
            return None
        ack = access_pb2.Ack(cursor=cursor, confirm_now=leaving)
        return access_pb2.ConnectRequest(ack=ack)

    def next_frame(self, now: float) -> access_pb2.ConnectRequest | None:
        """The messages to write now, or the question for what is missing; counted as written."""
        due = self.outbox.take_due(now, SEND_BYTES)
        if due:
            messages = [wire.outgoing_message(message, resend=again) for message, again in due]
            return access_pb2.ConnectRequest(send=access_pb2.Send(messages=messages))
        from_seq = self.inbox.sync_due(now)
        if from_seq is not None:
            return access_pb2.ConnectRequest(sync=access_pb2.Sync(from_seq=from_seq))
        return None

    # --- inside ----------------------------------------------------------------------

    def _deliver(self, entry: types_pb2.Entry, now: float, *, aside: bool) -> None:
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

    def _accepted(self, accepted: access_pb2.AcceptedMessage, now: float, *, aside: bool) -> None:
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

    def _rejected(self, rejected: access_pb2.RejectedMessage, now: float, *, aside: bool) -> None:
        identifier, error = rejected.client_message_id, wire.rejection(rejected)
        if aside and not Outbox.is_final(error):
            return  # it is being sent again on the newer stream already
        if self.outbox.rejected(identifier, error, now) is not None:
            self._outcomes.append(Outcome(identifier, error))
