"""The connections of this process, whoever owns them: seen, counted, cut."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from ipaddress import ip_address

import pytest

from whimbrel.runtime.connections import borrowed, cut_connections, open_files, received_bytes


@pytest.fixture(params=["127.0.0.1", "::"])
def pair(request: pytest.FixtureRequest) -> Iterator[tuple[socket.socket, socket.socket]]:
    """A client at 127.0.0.2 and the server's end of its connection."""
    family = socket.AF_INET6 if ":" in request.param else socket.AF_INET
    with socket.socket(family) as server, socket.socket() as client:
        server.bind((request.param, 0))
        server.listen()
        client.bind(("127.0.0.2", 0))
        client.settimeout(5.0)
        client.connect(("127.0.0.1", server.getsockname()[1]))
        accepted, _ = server.accept()
        with accepted:
            yield client, accepted


def test_what_a_peer_has_sent_is_counted(pair: tuple[socket.socket, socket.socket]) -> None:
    client, accepted = pair
    peer = (ip_address("127.0.0.2"), client.getsockname()[1])
    port = accepted.getsockname()[1]
    before = received_bytes(port)[peer]
    client.sendall(bytes(1_000))
    while len(accepted.recv(2_000, socket.MSG_PEEK)) < 1_000:
        pass
    assert received_bytes(port)[peer] == before + 1_000
    assert received_bytes(1) == {}


def test_the_unwanted_are_cut_and_nobody_else(pair: tuple[socket.socket, socket.socket]) -> None:
    client, accepted = pair
    port, peer_port = accepted.getsockname()[1], client.getsockname()[1]
    assert cut_connections(port, lambda address, _: address == ip_address("127.0.0.3")) == 0
    client.sendall(b"x")
    assert accepted.recv(1) == b"x"
    unwanted = (ip_address("127.0.0.2"), peer_port)
    assert cut_connections(port, lambda address, own: (address, own) == unwanted) == 1
    assert client.recv(1) == b""


def test_nothing_stays_open_that_was_only_borrowed() -> None:
    with open(os.devnull) as no_socket, socket.socket() as one:
        before = len(open_files())
        with borrowed(one.fileno()) as same:
            assert same.family == one.family
        with pytest.raises(OSError, match="socket"), borrowed(no_socket.fileno()):
            pass
        assert len(open_files()) == before
        assert one.getsockname()
