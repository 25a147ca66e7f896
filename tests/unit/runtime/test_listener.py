"""The kernel keeps out whom it is told to, and nobody else."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from tests.kernel import needs_filter
from whimbrel.runtime.listener import MOST_IPV4, MOST_IPV6, Listener, filter_of


@pytest.fixture(params=["127.0.0.1", "::"])
def server(request: pytest.FixtureRequest) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in request.param else socket.AF_INET
    with socket.socket(family) as one:
        one.bind((request.param, 0))
        one.listen(16)
        yield one


def connects(server: socket.socket, source: str) -> bool:
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    with socket.socket(family) as client:
        client.bind((source, 0))
        client.settimeout(0.3)
        host = "::1" if ":" in source else "127.0.0.1"
        try:
            client.connect((host, server.getsockname()[1]))
        except TimeoutError:
            return False
        return True


@needs_filter
def test_a_banned_address_cannot_connect_and_others_can(server: socket.socket) -> None:
    listener = Listener(server.getsockname()[1])
    assert listener.is_guarded
    listener.keep_out([])
    assert connects(server, "127.0.0.2")
    listener.keep_out(["127.0.0.2/32", "192.0.2.7/32"])
    assert not connects(server, "127.0.0.2")
    assert connects(server, "127.0.0.3")
    listener.keep_out(["127.0.0.3/32"])
    assert connects(server, "127.0.0.2")
    assert not connects(server, "127.0.0.3")
    listener.keep_out([])
    assert connects(server, "127.0.0.3")


@needs_filter
def test_a_connection_that_is_there_is_not_touched(server: socket.socket) -> None:
    listener = Listener(server.getsockname()[1])
    with socket.socket() as client:
        client.bind(("127.0.0.2", 0))
        client.connect(("127.0.0.1", server.getsockname()[1]))
        accepted, _ = server.accept()
        with accepted:
            listener.keep_out(["127.0.0.2/32"])
            client.settimeout(5.0)
            client.sendall(b"still here")
            accepted.settimeout(5.0)
            assert accepted.recv(100) == b"still here"
            accepted.sendall(b"so am I")
            assert client.recv(100) == b"so am I"


@needs_filter
def test_an_ipv6_network_is_kept_out_as_a_whole() -> None:
    with socket.socket(socket.AF_INET6) as server:
        server.bind(("::", 0))
        server.listen(16)
        listener = Listener(server.getsockname()[1])
        listener.keep_out(["2001:db8::/64"])
        assert connects(server, "::1")
        listener.keep_out(["2001:db8::/64", "::/64"])
        assert not connects(server, "::1")
        assert connects(server, "127.0.0.1")


@needs_filter
def test_of_more_than_a_filter_holds_the_newest_count(server: socket.socket) -> None:
    listener = Listener(server.getsockname()[1])
    many = [f"10.1.{n // 250}.{n % 250}/32" for n in range(MOST_IPV4 + 50)]
    nets = [f"2001:db8:{n:x}::/64" for n in range(MOST_IPV6 + 10)]
    listener.keep_out([*many, "127.0.0.2/32", *nets])
    assert listener.is_guarded
    assert not connects(server, "127.0.0.2")
    assert connects(server, "127.0.0.3")
    assert len(filter_of(range(MOST_IPV4), range(MOST_IPV6))) < 1_000


def test_the_port_is_free_when_its_owner_closes_it() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        listener = Listener(port)
        listener.keep_out(["127.0.0.2/32"])
    with socket.socket() as again:
        again.bind(("127.0.0.1", port))
        again.listen()
    listener.keep_out([])  # harmless


def test_a_connection_that_says_nothing_is_not_accepted(server: socket.socket) -> None:
    Listener(server.getsockname()[1]).defer_accept(5)
    server.settimeout(0.2)
    with socket.create_connection(("127.0.0.1", server.getsockname()[1])) as client:
        with pytest.raises(TimeoutError):
            server.accept()
        client.sendall(b"hello")
        accepted, _ = server.accept()
        with accepted:
            assert accepted.recv(10) == b"hello"
