"""The server's end of one stream of the client protocol, for scripts: frames by name."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import grpc

from whimbrel.api.access.v1 import access_pb2
from whimbrel.api.types.v1 import types_pb2
from whimbrel.core.errors import CloseCode, ErrorCode

Context = grpc.aio.ServicerContext[access_pb2.ConnectRequest, access_pb2.ConnectResponse]

READ_SECONDS = 20.0


class StreamGoneError(Exception):
    """The client has ended the stream, or said nothing for too long."""


class ScriptedStream:
    """The server's end of one stream."""

    def __init__(self, context: Context, hello: access_pb2.Hello) -> None:
        self.hello = hello
        self.acks: list[int] = []
        self._context = context

    async def welcome(self, first_seq: int = 1, **fields: int) -> None:
        """Attach; any field of Welcome may be given."""
        values: dict[str, int] = {
            "epoch": self.hello.epoch + 1,
            "head": first_seq - 1,
            "heartbeat_interval_ms": 30_000,
            "window_messages": 256,
            "window_bytes": 256 * 1024,
            "max_body_bytes": 64 * 1024,
            "max_unanswered_sends": 64,
        }
        values |= fields
        user_id = self.hello.token.removeprefix("token-")
        welcome = access_pb2.Welcome(user_id=user_id, first_seq=first_seq)
        for name, value in values.items():
            setattr(welcome, name, value)
        welcome.storm_window.foreground_ms = 1
        await self.write(access_pb2.ConnectResponse(welcome=welcome))

    async def write(self, frame: access_pb2.ConnectResponse) -> None:
        """Any frame."""
        await self._context.write(frame)

    async def deliver(self, seqs: Iterable[int]) -> None:
        """Messages "text SEQ" from bob, in one frame."""
        entries = [types_pb2.Entry(seq=seq, message=message(seq)) for seq in seqs]
        deliver = access_pb2.Deliver(entries=entries)
        await self.write(access_pb2.ConnectResponse(deliver=deliver))

    async def accept(self, sent: access_pb2.OutgoingMessage, seq: int) -> None:
        """The message is durable at this seq."""
        accepted = access_pb2.AcceptedMessage(
            client_message_id=sent.client_message_id,
            message_id=1_000 + seq,
            seq=seq,
            conversation_id=sent.conversation_id or f"d:alice:{sent.recipient_id}",
        )
        await self.write(
            access_pb2.ConnectResponse(accepted=access_pb2.Accepted(messages=[accepted]))
        )

    async def reject(
        self,
        sent: access_pb2.OutgoingMessage,
        code: ErrorCode,
        *,
        retry_after_ms: int = 0,
        outcome_unknown: bool = False,
    ) -> None:
        """The message is refused."""
        rejected = access_pb2.RejectedMessage(
            client_message_id=sent.client_message_id,
            code=types_pb2.ErrorCode.ValueType(code),
            retry_after_ms=retry_after_ms,
            outcome_unknown=outcome_unknown,
        )
        await self.write(
            access_pb2.ConnectResponse(rejected=access_pb2.Rejected(messages=[rejected]))
        )

    async def close(self, code: CloseCode, retry_after_ms: int = 0) -> None:
        """The last frame; the script should return then."""
        close = access_pb2.Close(
            code=access_pb2.CloseCode.ValueType(code), retry_after_ms=retry_after_ms
        )
        await self.write(access_pb2.ConnectResponse(close=close))

    async def read(self) -> access_pb2.ConnectRequest:
        """The next frame; acks are confirmed at once. StreamGoneError when there is none."""
        try:
            async with asyncio.timeout(READ_SECONDS):
                frame = await self._context.read()
        except TimeoutError:
            raise StreamGoneError("the client says nothing") from None
        if not isinstance(frame, access_pb2.ConnectRequest):
            raise StreamGoneError("the client has ended the stream")
        if frame.HasField("ack"):
            self.acks.append(frame.ack.cursor)
            confirmed = access_pb2.AckConfirmed(cursor=frame.ack.cursor)
            await self.write(access_pb2.ConnectResponse(ack_confirmed=confirmed))
        return frame

    async def read_until(self, kind: str) -> access_pb2.ConnectRequest:
        """The next frame of this kind; those between are dropped."""
        while True:
            frame = await self.read()
            if frame.WhichOneof("frame") == kind:
                return frame

    async def read_sends(self, count: int) -> list[access_pb2.OutgoingMessage]:
        """The next so many messages."""
        sends: list[access_pb2.OutgoingMessage] = []
        while len(sends) < count:
            sends += (await self.read_until("send")).send.messages
        return sends

    async def read_acks_to(self, cursor: int) -> None:
        """Until everything up to `cursor` is acknowledged."""
        while not self.acks or self.acks[-1] < cursor:
            await self.read()

    async def read_to_the_end(self) -> list[str]:
        """Whatever comes until the client half-closes: the kinds of the frames."""
        kinds: list[str] = []
        while True:
            try:
                frame = await self.read()
            except StreamGoneError:
                return kinds
            kinds.append(frame.WhichOneof("frame") or "")


def message(seq: int) -> types_pb2.Message:
    """What bob wrote at this seq of alice's timeline."""
    return types_pb2.Message(
        message_id=1_000 + seq,
        conversation_id="d:alice:bob",
        sender_id="bob",
        sender_device_id="desk",
        client_message_id=f"bob-{seq}",
        body=types_pb2.Body(kind=types_pb2.BODY_KIND_TEXT, content=f"text {seq}".encode()),
        sent_at_ms=1_700_000_000_000 + seq,
    )
