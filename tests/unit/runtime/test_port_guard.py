"""Nobody shares a port with somebody who is there already."""

from __future__ import annotations

import os
import socket

import pytest

from whimbrel.runtime.port_guard import is_taken


def free_port(host: str) -> int:
    """Below those that the kernel gives to whoever connects: nobody takes it meanwhile."""
    first = 20_000 + os.getpid() % 10_000
    return next(port for port in range(first, 32_000) if not is_taken(f"{host}:{port}"))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0", "[::]"])
def test_a_port_is_taken_also_by_somebody_who_would_share_it(host: str) -> None:
    port = free_port(host)
    with socket.socket(socket.AF_INET6) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        server.bind(("::ffff:127.0.0.1", port))
        server.listen()
        assert is_taken(f"{host}:{port}")
    assert not is_taken(f"{host}:{port}")


def test_connections_that_have_ended_take_no_port() -> None:
    port = free_port("127.0.0.1")
    name = ("127.0.0.1", port)
    with socket.create_server(name) as server, socket.create_connection(name) as client:
        server.accept()[0].close()  # the server's end waits for stragglers from here on
        assert client.recv(1) == b""
    assert not is_taken(f"127.0.0.1:{port}")


def test_a_free_port_and_a_foreign_address_are_told_by_whoever_binds() -> None:
    assert not is_taken("[::]:0")
    assert not is_taken("192.0.2.7:5000")
