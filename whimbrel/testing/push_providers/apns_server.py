"""APNs on this machine: HTTP/2 over TLS, tokens that are verified, answers as Apple documents
them, and every way to misbehave that a test asks for."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import DataReceived, RequestReceived, StreamEnded, StreamReset
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes


@dataclass(frozen=True)
class ApnsPush:
    """A notification as it came."""

    device_token: str
    headers: dict[str, str]
    payload: dict[str, Any]

    @property
    def badge(self) -> int | None:
        """As the application shows it."""
        found = self.payload["aps"].get("badge")
        return None if found is None else int(found)


@dataclass(frozen=True)
class Reply:
    """What a device token is answered with. 200 without a reason is a success."""

    status: int = 200
    reason: str = ""
    body: bytes | None = None
    """Instead of the document with the reason: nonsense."""
    hangs: bool = False
    resets: bool = False
    says_goodbye: bool = False
    """GOAWAY that names no stream at all, so that this one was not heard."""
    ends_connection: bool = False


OK = Reply()


@dataclass
class ApnsServer:
    """What it has seen, and how it answers."""

    public_key: ec.EllipticCurvePublicKey
    key_id: str
    team_id: str
    topic: str
    port: int = 0
    answer: Callable[[str, int], Reply] = lambda _token, _count: OK
    """By device token, and how often that token came before."""
    pushes: list[ApnsPush] = field(default_factory=list)
    """Those that were taken."""
    asked: dict[str, int] = field(default_factory=dict)
    """How often each device token came."""
    tokens: set[str] = field(default_factory=set)
    """The provider tokens that came."""
    connections: int = 0
    max_streams: int = 1000
    keeps: int = 100_000
    """Pushes kept at most."""
    taken: int = 0

    def judge(self, headers: dict[str, str], body: bytes) -> Reply:
        """The reply, after what Apple checks first."""
        wrong = self._wrong(headers, body)
        if wrong is not None:
            return wrong
        device = headers[":path"].removeprefix("/3/device/")
        count = self.asked.get(device, 0)
        self.asked[device] = count + 1
        reply = self.answer(device, count)
        if reply == OK:
            self.taken += 1
            if len(self.pushes) < self.keeps:
                self.pushes.append(ApnsPush(device, headers, json.loads(body)))
        return reply

    def _wrong(self, headers: dict[str, str], body: bytes) -> Reply | None:
        kind, _, token = headers.get("authorization", "").partition(" ")
        reason = "" if token in self.tokens else self._wrong_token(token)
        if kind != "bearer" or reason:
            return Reply(403, reason or "MissingProviderToken")
        if headers.get("apns-topic") != self.topic:
            return Reply(400, "BadTopic")
        if len(body) > 4096:
            return Reply(413, "PayloadTooLarge")
        if len(headers.get("apns-collapse-id", "")) > 64:
            return Reply(400, "BadCollapseId")
        return None

    def _wrong_token(self, token: str) -> str:
        try:
            claims = jwt.decode(token, self.public_key, algorithms=["ES256"])
            is_ours = jwt.get_unverified_header(token)["kid"] == self.key_id
        except jwt.PyJWTError:
            return "InvalidProviderToken" if token else "MissingProviderToken"
        if not is_ours or claims["iss"] != self.team_id:
            return "InvalidProviderToken"
        if claims["iat"] < time.time() - 3600:
            return "ExpiredProviderToken"
        self.tokens.add(token)
        return ""


class _ServerConnection(asyncio.Protocol):
    def __init__(self, server: ApnsServer) -> None:
        self._server = server
        self._h2 = H2Connection(
            H2Configuration(
                client_side=False, header_encoding="utf-8", validate_inbound_headers=False
            )
        )
        self._transport: asyncio.Transport | None = None
        self._requests: dict[int, tuple[dict[str, str], bytearray]] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are none of asyncio's classes.
        self._transport = cast(asyncio.Transport, transport)
        self._server.connections += 1
        self._h2.initiate_connection()
        self._h2.update_settings({SettingCodes.MAX_CONCURRENT_STREAMS: self._server.max_streams})
        self._flush()

    def data_received(self, data: bytes) -> None:
        try:
            for event in self._h2.receive_data(data):
                if isinstance(event, RequestReceived):
                    headers = {str(n): str(v) for n, v in event.headers}
                    self._requests[event.stream_id] = (headers, bytearray())
                elif isinstance(event, DataReceived):
                    self._h2.acknowledge_received_data(
                        event.flow_controlled_length, event.stream_id
                    )
                    self._requests[event.stream_id][1].extend(event.data)
                elif isinstance(event, StreamEnded):
                    self._reply(event.stream_id)
                elif isinstance(event, StreamReset):
                    self._requests.pop(event.stream_id, None)
        except ProtocolError:
            self._flush()
            if self._transport is not None:
                self._transport.abort()
            return
        self._flush()

    def _reply(self, stream: int) -> None:
        headers, body = self._requests.pop(stream)
        reply = self._server.judge(headers, bytes(body))
        if reply.hangs:
            return
        if reply.ends_connection:
            assert self._transport is not None
            self._transport.abort()
            return
        if reply.resets:
            self._h2.reset_stream(stream, ErrorCodes.INTERNAL_ERROR)
            return
        if reply.says_goodbye:
            self._h2.close_connection(ErrorCodes.NO_ERROR, last_stream_id=0)
            return
        said = reply.body
        if said is None:
            said = json.dumps({"reason": reply.reason}).encode() if reply.reason else b""
        self._h2.send_headers(
            stream,
            [(":status", str(reply.status)), ("apns-id", headers.get("apns-id", str(uuid4())))],
            end_stream=not said,
        )
        if said:
            self._h2.send_data(stream, said[:16_000], end_stream=True)

    def _flush(self) -> None:
        data = self._h2.data_to_send()
        if data and self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)


@asynccontextmanager
async def running_apns(server: ApnsServer, tls: ssl.SSLContext) -> AsyncIterator[ApnsServer]:
    """Serves on 127.0.0.1 until the block ends; `server.port` says where."""
    made: set[asyncio.BaseTransport] = set()

    def protocol() -> _ServerConnection:
        return _Tracked(server, made)

    listening = await asyncio.get_running_loop().create_server(
        protocol, "127.0.0.1", server.port, ssl=tls
    )
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        for transport in list(made):
            cast(asyncio.Transport, transport).abort()
        await asyncio.sleep(0)


class _Tracked(_ServerConnection):
    """Known to its server, which ends it."""

    def __init__(self, server: ApnsServer, made: set[asyncio.BaseTransport]) -> None:
        super().__init__(server)
        self._made = made

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._made.add(transport)
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._transport is not None:
            self._made.discard(self._transport)
