"""The iterator behind `Client.events`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, Self

from whimbrel import wire
from whimbrel.api.types.v1 import types_pb2
from whimbrel.client.events import ConnectionClosed, MessageEvent
from whimbrel.core.attributes import PLAIN
from whimbrel.core.inbox import Inbox
from whimbrel.core.inbox_types import Received
from whimbrel.core.outgoing import BodyKind

_KINDS: Final[dict[int, BodyKind]] = {int(kind): kind for kind in BodyKind}
"""One that is not here is of a newer peer: bytes to us."""


class EventStream:
    """Messages in the order of the timeline, each once per client object.

    An event counts as handled when the next one is asked for, here or on a later iterator.
    Buffers nothing itself: what is not asked for stays in the inbox, which the server's window
    bounds.
    """

    def __init__(
        self,
        inbox: Inbox[types_pb2.Message],
        arrived: asyncio.Event,
        poke: Callable[[], None],
        ended: Callable[[], ConnectionClosed | None],
    ) -> None:
        self._inbox = inbox
        self._arrived = arrived
        self._poke = poke
        self._ended = ended
        self._is_waiting = False
        self._said_ack_at: float | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> MessageEvent:
        """The next message. StopAsyncIteration when this side left, ConnectionClosed when the
        server has ended the client, RuntimeError when two tasks iterate at once."""
        if self._is_waiting:
            raise RuntimeError("one task at a time may ask for events")
        clock = asyncio.get_running_loop().time
        inbox = self._inbox
        self._is_waiting = True
        try:
            while True:
                reason = self._ended()
                if reason is not None:
                    if reason.code is None and reason.__cause__ is None:
                        raise StopAsyncIteration
                    raise reason
                received = inbox.take(clock())
                ack_at = inbox.ack_at()
                if ack_at != self._said_ack_at:  # asking costs less than the writer's look
                    self._said_ack_at = ack_at
                    self._poke()
                if received is not None:
                    return _event(received)
                self._arrived.clear()
                await self._arrived.wait()
        finally:
            self._is_waiting = False


def _event(received: Received[types_pb2.Message]) -> MessageEvent:
    message = received.message
    body = message.body
    return MessageEvent(
        seq=received.seq,
        message_id=message.message_id,
        conversation_id=message.conversation_id,
        sender_id=message.sender_id,
        sender_device_id=message.sender_device_id,
        client_message_id=message.client_message_id,
        kind=_KINDS.get(body.kind, BodyKind.BYTES),
        body=body.content,
        sent_at_ms=message.sent_at_ms,
        late=received.is_late,
        attributes=(
            wire.attributes_of(message.attributes) if message.HasField("attributes") else PLAIN
        ),
        recalled_by=message.recalled_by,
        edited_by=message.edited_by,
    )
