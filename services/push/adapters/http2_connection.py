"""One HTTP/2 connection with many requests on it at once, on h2 for the state of the protocol.

Requests wait for a free stream and for room in the windows; their callers set the deadline, and
cancelling one resets its stream. When the connection ends, or says that it will (GOAWAY), whoever
was not answered gets ConnectionEndedError: whether the request was heard is not known, unless the
error says that it was not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final, NamedTuple, cast

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    RemoteSettingsChanged,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    WindowUpdated,
)
from h2.exceptions import ProtocolError
from hpack import HeaderTuple

MAX_ANSWER_BYTES: Final = 16_384
"""Of one answer; APNs has some hundred. A longer one is cut off: it is nonsense anyway."""
MAX_STREAMS: Final = 1000
"""Requests at once, whatever the other side permits."""


class ConnectionEndedError(Exception):
    """The connection is gone, or the stream was reset."""


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes


class _Exchange:
    """A request that waits for its answer."""

    def __init__(self, answered: asyncio.Future[Answer]) -> None:
        self.answered = answered
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.body = bytearray()


class Http2Connection(asyncio.Protocol):
    """The client's side. Made by `loop.create_connection`; one loop."""

    def __init__(self) -> None:
        # Headers are made here and are right; checking each of them costs as much as the rest.
        config = H2Configuration(
            client_side=True,
            header_encoding=None,
            validate_outbound_headers=False,
            normalize_outbound_headers=False,
        )
        self._h2 = H2Connection(config=config)
        self._transport: asyncio.Transport | None = None
        self._exchanges: dict[int, _Exchange] = {}
        self._room: asyncio.Event = asyncio.Event()
        self._will_flush = False
        self._is_closing = False
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.last_heard = asyncio.get_running_loop().time()
        """When the other side last said anything, in seconds of the loop's clock."""

    @property
    def is_usable(self) -> bool:
        """Whether new requests may go on it."""
        return self._transport is not None and not self._is_closing

    @property
    def in_flight(self) -> int:
        """Requests without an answer."""
        return len(self._exchanges)

    async def request(self, headers: Sequence[HeaderTuple], body: bytes) -> Answer:
        """Send one and wait for its answer. Raises ConnectionEndedError."""
        while not self._has_room(len(body)):
            self._room.clear()
            await self._room.wait()
        loop = asyncio.get_running_loop()
        exchange = _Exchange(loop.create_future())
        try:
            stream = self._h2.get_next_available_stream_id()
            self._h2.send_headers(stream, headers)
            self._h2.send_data(stream, body, end_stream=True)
        except ProtocolError as error:  # no ids are left, or the state is spoilt
            self._end(error)
            raise ConnectionEndedError(str(error)) from error
        self._exchanges[stream] = exchange
        self._flush_soon()
        try:
            return await exchange.answered
        finally:
            if self._exchanges.pop(stream, None) is not None and self.is_usable:
                self._reset(stream)
            self._room.set()

    def abort(self) -> None:
        """End it at once."""
        self._end(None)

    async def close(self) -> None:
        """Say goodbye and end it."""
        if self.is_usable:
            self._h2.close_connection()
            self._flush()
        self._end(None)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are none of asyncio's classes.
        self._transport = cast(asyncio.Transport, transport)
        self._h2.initiate_connection()
        self._flush()

    def data_received(self, data: bytes) -> None:
        self.last_heard = asyncio.get_running_loop().time()
        try:
            events = self._h2.receive_data(data)
        except ProtocolError as error:  # what the other side speaks is no HTTP/2
            self._flush()
            self._end(error)
            return
        for event in events:
            self._handle(event)
        self._flush_soon()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(exc)

    def _handle(self, event: Event) -> None:
        match event:
            case ResponseReceived():
                if exchange := self._exchanges.get(event.stream_id):
                    exchange.headers = {bytes(n): bytes(v) for n, v in event.headers}
                    status = exchange.headers.get(b":status", b"")
                    exchange.status = int(status) if status.isdigit() else 0
            case DataReceived():
                self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                if exchange := self._exchanges.get(event.stream_id):
                    room = MAX_ANSWER_BYTES - len(exchange.body)
                    exchange.body += event.data[:room]
                    if len(event.data) > room:
                        self._reset(event.stream_id)
                        self._answer(event.stream_id)
            case StreamEnded():
                self._answer(event.stream_id)
            case StreamReset():
                self._fail(event.stream_id, f"the stream was reset ({event.error_code!r})")
            case ConnectionTerminated():
                # Streams above the last one were not heard; those below may still be answered.
                self._is_closing = True
                last = event.last_stream_id or 0
                for stream in [one for one in self._exchanges if one > last]:
                    self._fail(stream, "the connection is being closed")
                self._room.set()
                if not self._exchanges:
                    self._end(None)
            case WindowUpdated() | RemoteSettingsChanged():
                self._room.set()
            case _:
                pass

    def _has_room(self, size: int) -> bool:
        if not self.is_usable:
            raise ConnectionEndedError("the connection has ended")
        most = min(self._h2.remote_settings.max_concurrent_streams, MAX_STREAMS)
        return (
            len(self._exchanges) < most
            and self._h2.outbound_flow_control_window >= size
            and self._h2.remote_settings.initial_window_size >= size
        )

    def _answer(self, stream: int) -> None:
        exchange = self._exchanges.pop(stream, None)
        if exchange is not None and not exchange.answered.done():
            exchange.answered.set_result(
                Answer(exchange.status, exchange.headers, bytes(exchange.body))
            )
        self._room.set()
        if self._is_closing and not self._exchanges:
            self._end(None)

    def _fail(self, stream: int, reason: str) -> None:
        exchange = self._exchanges.pop(stream, None)
        if exchange is not None and not exchange.answered.done():
            exchange.answered.set_exception(ConnectionEndedError(reason))

    def _reset(self, stream: int) -> None:
        try:
            self._h2.reset_stream(stream, ErrorCodes.CANCEL)
        except ProtocolError:
            return  # it is closed already
        self._flush_soon()

    def _flush_soon(self) -> None:
        """What is said in one turn of the loop goes in one write."""
        if not self._will_flush:
            self._will_flush = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._will_flush = False
        data = self._h2.data_to_send()
        if data and self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def _end(self, error: Exception | None) -> None:
        self._is_closing = True
        for stream in list(self._exchanges):
            self._fail(stream, f"the connection has ended ({type(error).__name__})")
        self._room.set()
        if self._transport is not None:
            self._transport.abort()
