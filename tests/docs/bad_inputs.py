"""The inputs of the table "Bad input" of docs/protocol.md: what a client must not say."""

from __future__ import annotations

from itertools import count
from typing import Any, NamedTuple

from whimbrel.api.access.v1 import access_pb2
from whimbrel.api.types.v1 import signals_pb2, types_pb2

Frame = access_pb2.ConnectRequest
BAD_NAME = "a b"


class Case(NamedTuple):
    """What a client writes: `hello`, then, after its Welcome, `frames`."""

    hello: Frame | None
    frames: tuple[Frame, ...] = ()


def cases(token: str, expired: str, foreign: str) -> dict[str, list[Case]]:
    """Each playable row with inputs of that kind."""
    numbers = count(1)

    def hello(**fields: Any) -> Frame:
        good: dict[str, Any] = {
            "protocol_version": 1,
            "token": token,
            "device_id": f"device-{next(numbers)}",
            "instance_id": "one",
            "attempt": 1,
        }
        return Frame(hello=access_pb2.Hello(**(good | fields)))

    def attached(*frames: Frame) -> Case:
        return Case(hello(), frames)

    def knowing(*frames: Frame) -> Case:
        return Case(hello(signals=access_pb2.SignalWishes()), frames)

    ping = Frame(ping=access_pb2.Ping())
    return {
        "the first frame is not Hello": [Case(ping)],
        "Hello comes twice": [attached(hello())],
        "no frame within 5 s of the call": [Case(None)],
        "a frame with nothing set, or with a field that version 1 does not have": [
            Case(Frame()),
            attached(Frame()),
            attached(Frame.FromString(b"\xa2\x01\x02\x08\x01")),  # field 20, a message
        ],
        "protocol_version is not 1": [
            Case(hello(protocol_version=0)),
            Case(hello(protocol_version=2, token="", device_id="")),
        ],
        "device_id or instance_id is not a name, attempt 0, client longer than 64 characters": [
            Case(hello(device_id="")),
            Case(hello(device_id="x" * 65)),
            Case(hello(instance_id=BAD_NAME, token="")),
            Case(hello(attempt=0)),
            Case(hello(client="x" * 65)),
        ],
        "platform longer than 16 characters, or with others than a name has": [
            Case(hello(platform="x" * 17)),
            Case(hello(platform=BAD_NAME)),
        ],
        "token missing, malformed, or signed by another key": [
            Case(hello(token="")),
            Case(hello(token="x.y.z", cursor=99)),
            Case(hello(token=foreign)),
        ],
        "token expired": [Case(hello(token=expired))],
        "Hello.cursor beyond head": [Case(hello(cursor=1_000_000))],
        "Sync.from_seq 0": [attached(Frame(sync=access_pb2.Sync()))],
        "Sync.from_seq beyond head + 1": [attached(Frame(sync=access_pb2.Sync(from_seq=10**6)))],
        "Ack beyond what was sent on this stream": [
            attached(Frame(ack=access_pb2.Ack(cursor=10**6)))
        ],
        "Ack at or below the cursor": [attached(Frame(ack=access_pb2.Ack()))],
        "AppState with an interval outside of the bounds: the nearest bound holds": [
            attached(app_state(1)),
            attached(app_state(2**32 - 1)),
        ],
        "a frame of more than 256 KiB": [attached(send("large", b"x" * 300_000))],
        "a frame of more than 512 KiB": [attached(send("larger", b"x" * 600_000))],
        "a Send of more than 1,000 messages": [attached(many(1_001))],
        "client_message_id empty or not a name": [attached(send("")), attached(send(BAD_NAME))],
        "no target, or a recipient_id that is not a name": [
            attached(send("m", recipient=None)),
            attached(send("m", recipient=BAD_NAME)),
        ],
        "body without a kind, or of an unknown kind": [
            attached(send("m", kind=0)),
            attached(send("m", kind=9)),
        ],
        "body larger than `max_body_bytes`": [attached(send("m", b"x" * 65_537))],
        "a conversation_id that no conversation has": [
            attached(send("m", recipient=None, conversation="g:nobody-made-it")),
            attached(send("m", recipient=None, conversation="d:zoe:adam")),
        ],
        "a conversation that the sender is not in": [
            attached(send("m", recipient=None, conversation="d:bob:carol"))
        ],
        "a client_message_id that was used for something else": [
            attached(send("m", b"this"), send("m", b"that")),
            attached(send("m", b"this"), send("m", b"this", recipient="carol")),
        ],
        "attributes that contradict themselves or break a bound (see [Attributes](#attributes)),"
        " a recall with a body": [
            attached(saying(recalls=7)),
            attached(saying(edits=7, reply_to=7)),
            attached(saying(edits=7, media_id="cafe")),
            attached(saying(media_id="../cafe")),
            attached(saying(reply_to=2**63)),
            attached(saying(mentions=["bob", "bob"])),
            attached(saying(mentions=[f"user-{number}" for number in range(51)])),
            attached(saying(forwarded_from=types_pb2.ForwardedFrom(message_id=1))),
        ],
        "mentions of somebody who is not a member": [attached(saying(mentions=["carol"]))],
        "reply_to, forwarded_from, recalls or edits of a message that is not there for the sender,"
        " or was recalled": [
            attached(saying(reply_to=7)),
            attached(saying(edits=7)),
            attached(saying(body=None, recalls=7)),
            attached(
                saying(
                    forwarded_from=types_pb2.ForwardedFrom(
                        message_id=7, conversation_id="g:1", sender_id="bob"
                    )
                )
            ),
        ],
        "a media_id of a medium that is not there for the sender": [
            attached(saying(media_id="cafe")),
        ],
        "Read or Typing with a conversation_id that no conversation can have, Read.message_id 0 or"
        " from 2^63 on, Watch with more than 200 users, repeats or others than names": [
            knowing(read("nowhere", 5)),
            knowing(read("d:alice:bob", 0)),
            knowing(read("d:alice:bob", 2**63)),
            knowing(typing("d:zoe:adam")),
            knowing(watch(*(f"user-{number}" for number in range(201)))),
            knowing(watch("bob", "bob")),
            knowing(watch(BAD_NAME)),
        ],
        "Read, Typing or Watch on a stream whose Hello has no `signals`": [
            attached(read("d:alice:bob", 5)),
            attached(typing("d:alice:bob")),
            attached(watch("bob")),
        ],
        "Read of a message that is not in the user's timeline, Typing in a conversation that the"
        " user is not in": [
            knowing(read("d:alice:bob", 7)),
            knowing(read("g:nobody-made-it", 7)),
            knowing(typing("d:bob:carol")),
        ],
        "Send without messages": [attached(Frame(send=access_pb2.Send()))],
    }


def app_state(interval_ms: int) -> Frame:
    state = access_pb2.AppState(background=True, heartbeat_interval_ms=interval_ms)
    return Frame(app_state=state)


def read(conversation: str, message_id: int) -> Frame:
    return Frame(read=access_pb2.Read(conversation_id=conversation, message_id=message_id))


def typing(conversation: str) -> Frame:
    return Frame(typing=signals_pb2.Typing(conversation_id=conversation))


def watch(*users: str) -> Frame:
    return Frame(watch=access_pb2.Watch(user_ids=users))


def send(
    client_message_id: str,
    content: bytes = b"hi",
    *,
    recipient: str | None = "bob",
    conversation: str | None = None,
    kind: int = types_pb2.BODY_KIND_TEXT,
) -> Frame:
    message = access_pb2.OutgoingMessage(
        client_message_id=client_message_id,
        body=types_pb2.Body(kind=types_pb2.BodyKind.ValueType(kind), content=content),
    )
    if recipient is not None:
        message.recipient_id = recipient
    if conversation is not None:
        message.conversation_id = conversation
    return Frame(send=access_pb2.Send(messages=[message]))


def saying(body: bytes | None = b"hi", **attributes: Any) -> Frame:
    """A message with attributes."""
    frame = send("m", body or b"")
    message = frame.send.messages[0]
    if body is None:
        message.ClearField("body")
    message.attributes.CopyFrom(types_pb2.Attributes(**attributes))
    return frame


def many(count: int) -> Frame:
    return Frame(send=access_pb2.Send(messages=[access_pb2.OutgoingMessage()] * count))
