"""How PyMongo waits for an answer, in one wake-up: whoever asks waits itself.

PyMongo starts three tasks for each command: one writes, one reads, and one looks twice a second
whether the connection was given up. Each is a turn of the loop more before the answer is there,
and on a core that sleeps in between that is a third of what a command costs. Here a command has
no task, and timers instead; deadlines, errors and the half second stay PyMongo's.

There is no public way to say so, so two of its functions are replaced: in versions whose code was
compared with this file, and in no other. The driver's own do the same, slower.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any, Final

import pymongo
from pymongo import _csot, network_layer
from pymongo.asynchronous import pool
from pymongo.errors import ProtocolError, _OperationCancelled

COMPARED_VERSIONS: Final = frozenset({"4.20.0"})
"""A new one: compare pymongo/network_layer.py with this file, and add it here."""
LOOK_SECONDS: Final = 0.5
"""How often a wait looks whether its connection was given up, as PyMongo does."""

# The driver's connections, protocols and tables have no public types.
_Private = Any
_layer: _Private = network_layer


def shorten_waits() -> bool:
    """Replace them, for every client of this process; whether this version was compared. Calling
    it again changes nothing."""
    if pymongo.version not in COMPARED_VERSIONS:
        return False
    replaced: _Private = pool
    replaced.async_sendall = _send
    replaced.async_receive_message = _receive
    return True


async def _send(protocol: _Private, message: bytes) -> None:
    # Writing only fills a buffer: there is nothing to wait for, so nothing to put a limit to.
    await protocol.write(message)


async def _receive(connection: _Private, request_id: int | None, max_message_size: int) -> _Private:
    try:
        async with asyncio.timeout(_seconds_left(connection)) as limit:
            watch = _Watch(connection, limit)
            try:
                data, opcode = await connection.conn.get_conn.read(request_id, max_message_size)
            finally:
                watch.end()
    except TimeoutError as error:
        if connection.cancel_context.cancelled:
            raise _OperationCancelled("operation cancelled") from error
        raise TimeoutError("timed out") from error
    unpack = _layer._UNPACK_REPLY.get(opcode)
    if unpack is None:
        raise ProtocolError(f"Got opcode {opcode!r}")
    return unpack(data)


def _seconds_left(connection: _Private) -> float | None:
    """Until the deadline of the operation, or the socket's own; None: there is none."""
    if _csot.get_timeout():
        return max(0.0, _csot.get_deadline() - time.monotonic())
    own: float | None = connection.conn.gettimeout
    return own or None


class _Watch:
    """Ends a wait whose connection was given up: its server is not there any more."""

    def __init__(self, connection: _Private, limit: asyncio.Timeout) -> None:
        self._context = connection.cancel_context
        self._limit = limit
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(LOOK_SECONDS, self._look)

    def _look(self) -> None:
        if self._context.cancelled:
            self._limit.reschedule(self._loop.time())
        else:
            self._timer = self._loop.call_later(LOOK_SECONDS, self._look)

    def end(self) -> None:
        """The wait is over."""
        self._timer.cancel()
