"""The ends of connections are heard, and those that carried something can be left out."""

from __future__ import annotations

import asyncio
import math
import socket

import pytest

from tests.waiting import until
from whimbrel.core.client_address import Address
from whimbrel.runtime.socket_ends import socket_ends


@pytest.mark.parametrize(("most_bytes", "heard"), [(math.inf, 2), (256, 1)])
async def test_a_connection_that_carried_something_can_be_left_out(
    most_bytes: float, heard: int
) -> None:
    ports: list[int] = []

    def on_end(_: Address, port: int) -> None:
        ports.append(port)

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket_ends(port, on_end, most_bytes) as can_be_heard:
            if not can_be_heard:
                pytest.skip("this kernel does not tell of ends")
            busy, silent = await end_of(server, 700), await end_of(server, 0)
            await until(lambda: silent in ports and len(ports) >= heard)
    assert (busy in ports) is (heard == 2)


async def end_of(server: socket.socket, size: int) -> int:
    """A connection that carries so many bytes and ends; the port of its client."""
    client = await asyncio.to_thread(socket.create_connection, server.getsockname())
    accepted, _ = server.accept()
    with client, accepted:
        client.sendall(b"x" * size)
        if size:
            accepted.recv(size, socket.MSG_WAITALL)
        port: int = client.getsockname()[1]
    return port
