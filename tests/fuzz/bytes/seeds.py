"""Makes the corpus from real frames and bodies: python -m tests.fuzz.bytes.seeds

What is there under other names, inputs that once failed, stays.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from services.access.tickets import Ticket, TicketOffice
from services.gateway.domain.refresh_tokens import RefreshTokens
from services.gateway.routes.device_keys import KeyPublication
from services.gateway.routes.quiet_hours import QuietHoursChange
from tests.fuzz.bytes import bodies, credentials, frames
from tests.fuzz.bytes.records import join
from tests.fuzz.bytes.targets import CORPUS
from tests.key_ring import KeyRing
from whimbrel.api.access.v1 import access_pb2 as pb
from whimbrel.api.logic.v1 import logic_pb2
from whimbrel.api.types.v1 import signals_pb2, types_pb2
from whimbrel.runtime.tokens import sign_token

SEND = pb.Send(
    messages=[
        pb.OutgoingMessage(
            client_message_id="c1",
            recipient_id="bob",
            body=types_pb2.Body(kind=types_pb2.BODY_KIND_TEXT, content=b"hello"),
            attributes=types_pb2.Attributes(reply_to=7, mentions=["bob"]),
        ),
        pb.OutgoingMessage(
            client_message_id="c2",
            conversation_id="g:1",
            attributes=types_pb2.Attributes(recalls=7),
        ),
    ]
)
HELLO = pb.Hello(
    protocol_version=1,
    device_id="phone",
    instance_id="one",
    attempt=1,
    cursor=3,
    signals=pb.SignalWishes(),
)
MESSAGE = types_pb2.Message(
    message_id=9,
    conversation_id="d:alice:bob",
    sender_id="bob",
    client_message_id="c",
    body=types_pb2.Body(kind=types_pb2.BODY_KIND_ENCRYPTED, content=b"\xff\x00"),
    attributes=types_pb2.Attributes(media_id="m"),
)


def _stream(*records: pb.ConnectRequest | logic_pb2.LinkResponse | int) -> bytes:
    """After a Hello; a number is time, in 100 ms."""
    said = [(frames.CLIENT, pb.ConnectRequest(hello=HELLO).SerializeToString())]
    for one in records:
        if isinstance(one, int):
            said.append((frames.TIME, bytes(one)))
        else:
            tag = frames.CLIENT if isinstance(one, pb.ConnectRequest) else frames.LOGIC
            said.append((tag, one.SerializeToString()))
    return join(said)


def _delivery(seq: int) -> logic_pb2.LinkResponse:
    target = logic_pb2.Target(user_id="alice", seq=seq)
    return logic_pb2.LinkResponse(
        deliveries=[logic_pb2.Delivery(message=MESSAGE, targets=[target])]
    )


def _frames() -> Iterator[tuple[str, bytes]]:
    yield "hello", _stream()
    yield "send", _stream(pb.ConnectRequest(send=SEND), 120)
    yield (
        "deliver",
        _stream(
            _delivery(4),
            _delivery(6),
            1,
            pb.ConnectRequest(ack=pb.Ack(cursor=4)),
            logic_pb2.LinkResponse(
                fetch_results=[
                    logic_pb2.FetchResult(
                        ref=1, head=6, entries=[types_pb2.Entry(seq=5), types_pb2.Entry(seq=6)]
                    )
                ]
            ),
            pb.ConnectRequest(sync=pb.Sync(from_seq=4)),
            110,
        ),
    )
    watch = pb.ConnectRequest(watch=pb.Watch(user_ids=["bob"]))
    read = pb.ConnectRequest(read=pb.Read(conversation_id="d:alice:bob", message_id=9))
    typing = pb.ConnectRequest(typing=signals_pb2.Typing(conversation_id="d:alice:bob"))
    yield "signals", _stream(watch, read, typing, pb.ConnectRequest(ping=pb.Ping()))
    state = pb.ConnectRequest(app_state=pb.AppState(background=True, heartbeat_interval_ms=60_000))
    moved = pb.ConnectRequest(migrate_ack=pb.MigrateAck(plan_id="p"))
    yield "goodbye", _stream(state, moved, pb.ConnectRequest(bye=pb.Bye()))


def _links() -> Iterator[tuple[str, bytes]]:
    send = logic_pb2.SendRequest(
        ref=1,
        sender_id="alice",
        sender_device_id="phone",
        epoch=1,
        conversation_id="d:alice:bob",
        client_message_id="c",
        body=SEND.messages[0].body,
        budget_ms=5000,
    )
    raised = logic_pb2.RaisedSignal(
        signal=signals_pb2.Signal(typing=signals_pb2.Typing(conversation_id="g:1")),
        device_id="phone",
    )
    request = logic_pb2.LinkRequest(
        highest_message_id=5,
        sends=[send],
        attaches=[logic_pb2.AttachRequest(ref=2, user_id="alice", device_id="phone", limit=5)],
        fetches=[logic_pb2.FetchRequest(ref=3, user_id="alice", from_seq=1, limit=5)],
        head_checks=[logic_pb2.HeadCheck(user_id="alice", next_seq=3)],
        signals=[raised],
    )
    yield "all", join([(0, request.SerializeToString())] * 2)


def _bodies() -> Iterator[tuple[str, bytes]]:
    keys = json.dumps(KeyRing("alice", "phone").body(1, [1, 2])).encode()
    yield "keys", join([(bodies.tag_of(KeyPublication), keys)])
    hours = b'{"starts": "22:00", "ends": "07:00", "time_zone": "Europe/Berlin"}'
    yield "quiet_hours", join([(bodies.tag_of(QuietHoursChange), hours)])
    for number in range(len(bodies.MODELS)):
        tag = bodies.COUNT - 1 - number
        yield f"empty_{number:02}", join([(tag, b'{"user_id": "bob", "name": "\\ud800"}')])
    headers = [b"filename Y2F0LnBuZw==,relation aGk=", b"1024", b"bytes=5-10", b"bytes=-7"]
    yield "headers", join([(0, one) for one in headers])
    verdicts = b'{"verdicts": [{"action": "change", "text": "*"}]}'
    yield "verdicts", join([(1, verdicts), (3, b'{"error": {"details": [{}], "status": "X"}}')])
    yield "message", join([(2, types_pb2.Entry(seq=4, message=MESSAGE).SerializeToString())])


def _credentials() -> Iterator[tuple[str, bytes]]:
    secret, now = credentials.SECRET, credentials.NOW
    token = sign_token(secret, "alice", 900, now=now, scope="admin", login_id="l")
    yield "token", join([(credentials.SHOWN, token.encode())])
    ticket = Ticket("alice", "phone", "one", "access-0", 5, now + 900)
    written = TicketOffice(secret, clock=lambda: now).write(ticket)
    yield "ticket", join([(credentials.SHOWN, written.encode())])
    refresh = RefreshTokens(secret).make("0f" * 16, bytes(16))
    yield "refresh", join([(credentials.SHOWN, refresh.encode())])
    yield "claims", join([(credentials.CLAIMS, b'{"sub": "alice", "exp": 1800000900, "sid": "l"}')])
    far = b'{"sub": "alice", "exp": 1' + b"0" * 400 + b"}"
    odd = [far, b'{"sub": [], "exp": 1e999}', b'{"sub": "alice", "exp": "1", "scope": 7}', b"[]"]
    yield "odd_claims", join([(credentials.CLAIMS, one) for one in odd])
    yield "header", join([(credentials.HEADER, b'{"alg": "HS256", "kid": "local"}')])


def write_corpus() -> None:
    """Write all of it, over what is there under the same names."""
    makers = {"frames": _frames, "links": _links, "bodies": _bodies, "credentials": _credentials}
    for target, maker in makers.items():
        folder = CORPUS / target
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in maker():
            (folder / f"seed_{name}").write_bytes(content)


if __name__ == "__main__":
    write_corpus()
