"""The server's side of the protocol in memory: a timeline, and a pod that serves one stream.

The pod is ServerSession and just enough glue to speak frames, without network, clock or store:
what Access and Logic do together, as far as one device can see it. Chance is a seeded Random.
"""

from __future__ import annotations

from random import Random

from whimbrel.api.access.v1 import access_pb2
from whimbrel.api.types.v1 import types_pb2
from whimbrel.core.errors import CloseCode, ErrorCode
from whimbrel.core.session import ServerSession
from whimbrel.core.session_types import Pull, SeqAheadError, SessionLimits
from whimbrel.core.window import AckAheadError, Numbered

_DELIVER_BYTES = 252 * 1024


class SimulatedTimeline:
    """One user's timeline: seqs are reserved first and committed later, in any order."""

    def __init__(self, user_id: str) -> None:
        self.user_id = user_id
        self.entries: dict[int, types_pb2.Entry] = {}
        self.accepted: dict[str, access_pb2.AcceptedMessage] = {}
        self.cursors: dict[str, int] = {}
        self._reserved = 0
        self._head = 0

    @property
    def head(self) -> int:
        """The highest seq that is committed."""
        return self._head

    def reserve(self) -> int:
        """The next seq, to be committed some day."""
        self._reserved += 1
        return self._reserved

    def commit(self, seq: int, message: types_pb2.Message | None, *, late: bool = False) -> None:
        """Write the entry of a reserved seq; a void without a message."""
        if seq in self.entries:
            raise ValueError(f"{seq} is there already")
        self.entries[seq] = types_pb2.Entry(seq=seq, message=message, late=late)
        self._head = max(self._head, seq)

    def store(
        self, sent: access_pb2.OutgoingMessage, device_id: str, message_id: int
    ) -> access_pb2.AcceptedMessage:
        """Store a send once; a resend gets the first answer."""
        known = self.accepted.get(sent.client_message_id)
        if known is not None:
            return known
        seq = self.reserve()
        conversation = sent.conversation_id or f"d:{self.user_id}:{sent.recipient_id}"
        message = types_pb2.Message(
            message_id=message_id,
            conversation_id=conversation,
            sender_id=self.user_id,
            sender_device_id=device_id,
            client_message_id=sent.client_message_id,
            body=sent.body,
        )
        self.commit(seq, message)
        answer = access_pb2.AcceptedMessage(
            client_message_id=sent.client_message_id,
            message_id=message_id,
            seq=seq,
            conversation_id=conversation,
        )
        self.accepted[sent.client_message_id] = answer
        return answer

    def page(self, from_seq: int, limit: int) -> list[Numbered[types_pb2.Entry]]:
        """Entries from `from_seq` on, up to the first hole."""
        page = []
        for seq in range(from_seq, from_seq + limit):
            entry = self.entries.get(seq)
            if entry is None:
                break
            page.append(numbered(entry))
        return page


def numbered(entry: types_pb2.Entry) -> Numbered[types_pb2.Entry]:
    """An entry as a session takes it."""
    return Numbered(entry.seq, entry.ByteSize() + 24, entry)


class SimulatedPod:
    """Serves one stream of one device. `closed` is the code with which it ended it, if it did."""

    def __init__(
        self,
        timeline: SimulatedTimeline,
        random: Random,
        limits: SessionLimits,
        *,
        refusals: float = 0.0,
        max_unanswered_sends: int = 8,
    ) -> None:
        self.closed: CloseCode | None = None
        self.refusals = refusals
        """The share of sends answered with "unknown, try again", half of them stored."""
        self._timeline = timeline
        self._random = random
        self._limits = limits
        self._max_unanswered = max_unanswered_sends
        self._session: ServerSession[types_pb2.Entry] = ServerSession(limits)
        self._device_id = ""
        self._out: list[access_pb2.ConnectResponse] = []
        self._pulls: list[tuple[float, Pull]] = []

    def receive(self, frame: access_pb2.ConnectRequest, now: float, message_id: int) -> None:
        """A frame of the client; `message_id` is for what it may send."""
        kind = frame.WhichOneof("frame")
        if self.closed is not None:
            return
        if kind == "hello":
            self._attach(frame.hello, now)
        elif not self._device_id:
            self._close(CloseCode.HELLO_EXPECTED)
        elif kind == "send":
            for number, sent in enumerate(frame.send.messages):
                self._send(sent, now, message_id + number)
        elif kind == "ack":
            self._acknowledge(frame.ack.cursor, now)
        elif kind == "sync":
            try:
                self._session.rewind(frame.sync.from_seq, now)
            except SeqAheadError:
                self._close(CloseCode.SEQ_AHEAD)
        elif kind == "ping":
            pong = access_pb2.Pong(head=self._timeline.head)
            self._out.append(access_pb2.ConnectResponse(pong=pong))

    def push(self, seq: int, now: float) -> None:
        """Logic tells of a committed entry."""
        if self._device_id and self.closed is None:
            entry = numbered(self._timeline.entries[seq])
            self._session.offer(seq, entry.size, entry.item, now)

    def check_head(self, now: float) -> None:
        """What Access does every 10 s and after a broken link."""
        if self._device_id:
            self._session.head_news(self._timeline.head, now)

    def frames(self, now: float) -> list[access_pb2.ConnectResponse]:
        """What to write now. To be called after every input and at `next_deadline`."""
        session = self._session
        if self._device_id and self.closed is None:
            session.tick(now)
            due = [pull for at, pull in self._pulls if at <= now]
            self._pulls = [(at, pull) for at, pull in self._pulls if at > now]
            for pull in due:
                page = self._timeline.page(pull.from_seq, pull.limit)
                session.pulled(page, self._timeline.head, now)
            asked = session.next_pull(now)
            if asked is not None:
                self._pulls.append((now + self._random.random() * 0.02, asked))
            while session.wants_write:
                entries = session.take_ready(now, _DELIVER_BYTES)
                deliver = access_pb2.Deliver(entries=entries)
                self._out.append(access_pb2.ConnectResponse(deliver=deliver))
            session.take_unacknowledged()
        frames, self._out = self._out, []
        return frames

    def next_deadline(self) -> float | None:
        """When `frames` has something new if nothing happens before."""
        moments = [at for at, _ in self._pulls]
        deadline = self._session.next_deadline() if self._device_id else None
        if deadline is not None:
            moments.append(deadline)
        return min(moments, default=None)

    def _attach(self, hello: access_pb2.Hello, now: float) -> None:
        if self._device_id:
            return  # a repeat by the link
        self._device_id = hello.device_id
        timeline, limits = self._timeline, self._limits
        stored = timeline.cursors.get(hello.device_id)
        said = hello.cursor if hello.HasField("cursor") else None
        known = [cursor for cursor in (stored, said) if cursor is not None]
        cursor, head = max(known, default=timeline.head), timeline.head
        if cursor > head:
            self._close(CloseCode.SEQ_AHEAD)
            return
        timeline.cursors[hello.device_id] = cursor
        welcome = access_pb2.Welcome(
            user_id=timeline.user_id,
            epoch=hello.epoch + 1,
            first_seq=cursor + 1,
            head=head,
            heartbeat_interval_ms=5_000,
            window_messages=limits.window_messages,
            window_bytes=limits.window_bytes,
            max_body_bytes=65_536,
            max_unanswered_sends=self._max_unanswered,
        )
        self._out.append(access_pb2.ConnectResponse(welcome=welcome))
        page = timeline.page(cursor + 1, self._random.randrange(limits.window_messages))
        self._session.attach(cursor, head, page, now)

    def _send(self, sent: access_pb2.OutgoingMessage, now: float, message_id: int) -> None:
        if self._random.random() < self.refusals:
            if self._random.random() < 0.5:
                self._timeline.store(sent, self._device_id, message_id)
            refused = access_pb2.RejectedMessage(
                client_message_id=sent.client_message_id,
                code=types_pb2.ErrorCode.ValueType(ErrorCode.UNAVAILABLE),
                retry_after_ms=200,
                outcome_unknown=True,
            )
            rejected = access_pb2.Rejected(messages=[refused])
            self._out.append(access_pb2.ConnectResponse(rejected=rejected))
            return
        answer = self._timeline.store(sent, self._device_id, message_id)
        self._session.satisfied(answer.seq, now)
        accepted = access_pb2.Accepted(messages=[answer])
        self._out.append(access_pb2.ConnectResponse(accepted=accepted))

    def _acknowledge(self, cursor: int, now: float) -> None:
        try:
            self._session.acknowledge(cursor, now)
        except AckAheadError:
            self._close(CloseCode.ACK_AHEAD)
            return
        cursors = self._timeline.cursors
        cursors[self._device_id] = max(cursor, cursors[self._device_id])
        confirmed = access_pb2.AckConfirmed(cursor=cursors[self._device_id])
        self._out.append(access_pb2.ConnectResponse(ack_confirmed=confirmed))

    def _close(self, code: CloseCode) -> None:
        self.closed = code
        close = access_pb2.Close(code=access_pb2.CloseCode.ValueType(code))
        self._out.append(access_pb2.ConnectResponse(close=close))
