"""The first words on a new stream: Hello out, and what comes back in time."""

from __future__ import annotations

import asyncio

import grpc

from whimbrel.api.access.v1 import access_pb2
from whimbrel.client.connection_types import Call, words_of


async def greet(
    call: Call, hello: access_pb2.ConnectRequest, wait: asyncio.Timeout
) -> access_pb2.ConnectResponse | str:
    """The first frame of the server; or why there is none, for people.

    `wait` ends the wait for it; the caller may end it earlier by rescheduling.
    """
    try:
        async with wait:
            await call.write(hello)
            first = await call.read()
    except TimeoutError:
        return "no Welcome in time"
    except grpc.aio.AioRpcError as error:
        return words_of(error)
    except (asyncio.InvalidStateError, grpc.aio.InternalError):
        # The call ended while Hello was on its way; grpc keeps the reason to itself.
        return "the connection broke"
    if isinstance(first, access_pb2.ConnectResponse):
        return first
    return "the stream ended before its Welcome"
