"""An inbox on its first stream, and messages of one conversation that come in."""

from __future__ import annotations

from whimbrel.api.types.v1 import types_pb2
from whimbrel.core.inbox import Inbox

Message = types_pb2.Message
WINDOW = 256 * 1024


def inbox(first_seq: int = 1, head: int = 0, window: int = 8) -> Inbox[Message]:
    box: Inbox[Message] = Inbox()
    box.attached(first_seq, head, window, WINDOW, 0.0)
    return box


def deliver(box: Inbox[Message], seq: int, now: float = 0.0, *, size: int = 10) -> None:
    message = Message(message_id=seq, conversation_id="g:1")
    box.deliver(seq, message, hint=False, size=size, now=now)


def take_all(box: Inbox[Message], now: float = 0.0) -> list[int]:
    seqs = []
    while (received := box.take(now)) is not None:
        seqs.append(received.seq)
    return seqs
