"""What a device of a world puts on record: its runs, its sends and their answers, what it is given.

It speaks as a client of a soak does, so that the same checker judges both.
"""

from __future__ import annotations

from whimbrel.api.access.v1 import access_pb2
from whimbrel.api.types.v1 import types_pb2
from whimbrel.client.events import Receipt
from whimbrel.client.farewell import Farewell
from whimbrel.core.errors import CloseCode, WhimbrelError
from whimbrel.core.inbox_types import Received
from whimbrel.testing.memory_cluster.record import Given, Record, Reply, digest
from whimbrel.testing.soak.events import (
    Attached,
    Confirmed,
    Delivered,
    Fail,
    Info,
    Invoked,
    Ok,
    Started,
    Stopped,
)

_PEACEFUL = frozenset(
    (CloseCode.SHUTDOWN, CloseCode.UNAVAILABLE, CloseCode.OVERLOADED, CloseCode.HEARTBEAT_TIMEOUT)
)


class DeviceRecord:
    """Writes into the world's record in the name of one client ("user/device")."""

    def __init__(self, record: Record, client: str) -> None:
        self._record = record
        self._client = client

    def now(self) -> float:
        """Simulated seconds."""
        return self._record.now()

    def started(self, *, durable: bool) -> None:
        """A run of its program begins; `durable`: it has what it stored before."""
        self._record.add(Started(self.now(), self._client, "prompt", durable))

    def stopped(self) -> None:
        """Its program is killed."""
        self._record.add(Stopped(self.now(), self._client, "abandoned"))

    def forgot(self, identifier: str) -> None:
        """It lost a message that had no answer."""
        self._record.add(Info(self.now(), self._client, identifier, "forgotten"))

    def said(
        self, identifier: str, conversation: str, members: tuple[str, ...], text: str, after: int
    ) -> None:
        """It sends; `after` as in `Device.say`."""
        self._record.add(
            Invoked(self.now(), self._client, identifier, conversation, members, digest(text))
        )
        if after:
            self._record.replies.append(Reply(identifier, after))

    def welcomed(self, welcome: access_pb2.Welcome, now: float) -> None:
        """It is attached."""
        self._record.add(
            Attached(now, self._client, welcome.first_seq, welcome.head, welcome.epoch)
        )

    def heard(self, frame: access_pb2.ConnectResponse, now: float) -> None:
        """A frame may confirm its cursor."""
        confirmed = frame.confirmed_cursor or frame.ack_confirmed.cursor
        if confirmed:
            self._record.add(Confirmed(now, self._client, confirmed))

    def check_order(self, frame: access_pb2.ConnectResponse) -> None:
        """The entries of a frame have to be in order."""
        seqs = [entry.seq for entry in frame.deliver.entries]
        if seqs != sorted(seqs):
            self.broken(f"a frame delivered {seqs[:8]}")

    def given(self, received: Received[types_pb2.Message], at: float, since: float) -> None:
        """Its application was given a message at `at`, idle on this stream from `since`."""
        message = received.message
        self._record.given.append(Given(at, self._client, since, message.message_id))
        self._record.add(
            Delivered(
                self.now(),
                self._client,
                received.seq,
                message.message_id,
                message.conversation_id,
                received.is_late,
                f"{message.sender_id}/{message.sender_device_id}",
                message.client_message_id,
                digest(message.body.content.decode()),
            )
        )

    def answered(self, identifier: str, answer: Receipt | WhimbrelError, now: float) -> None:
        """A send of it has its answer."""
        if isinstance(answer, Receipt):
            message_id, conversation = answer.message_id, answer.conversation_id
            self._record.accepted_at.setdefault(message_id, now)
            self._record.add(
                Ok(now, self._client, identifier, message_id, answer.seq, conversation)
            )
        else:
            kind = Info if answer.outcome_unknown else Fail
            self._record.add(kind(now, self._client, identifier, answer.code.name))

    def closed(self, farewell: Farewell | None, *, has_past: bool) -> None:
        """A stream ended; `has_past`: other runs of it came before."""
        code = None if farewell is None else farewell.code
        # A Hello of an earlier life may still be under way, and arrive as the newest.
        is_own_past = code is CloseCode.SUPERSEDED and has_past
        if farewell is not None and code is not None and code not in _PEACEFUL and not is_own_past:
            self.broken(f"closed with {code.name}: {farewell.detail}")

    def broken(self, words: str) -> None:
        """An end of its stream said what it must never say."""
        self._record.broken_words.append(f"{self._client}: {words}")
