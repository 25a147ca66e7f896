"""The kernel keeps out whom it is told to, and nobody else."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

import pytest

from whimbrel.runtime.listener import MOST_IPV4, MOST_IPV6, Listener


@contextmanager
def listening(host: str, port: int = 0, *, shares: bool = True) -> Iterator[socket.socket]:
    """As gRPC does: sockets of IPv6 serve IPv4 too, but for one of an address."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, shares)
        one.bind((host, port))
        one.listen(100)
        yield one


@pytest.fixture(params=["127.0.0.1", "::ffff:127.0.0.1", "0.0.0.0", "::"])
def server(request: pytest.FixtureRequest) -> Iterator[socket.socket]:
    with listening(request.param) as one:
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


@pytest.mark.parametrize("host", ["::", "::1"])
def test_an_ipv6_network_is_kept_out_as_a_whole(host: str) -> None:
    with listening(host) as server:
        listener = Listener(server.getsockname()[1])
        listener.keep_out(["2001:db8::/64"])
        assert connects(server, "::1")
        listener.keep_out(["2001:db8::/64", "::/64"])
        assert listener.is_guarded
        assert not connects(server, "::1")
        assert host == "::1" or connects(server, "127.0.0.1")


def test_two_families_on_two_sockets_are_both_guarded() -> None:
    with listening("127.0.0.1") as ipv4, listening("::1", ipv4.getsockname()[1]) as ipv6:
        listener = Listener(ipv4.getsockname()[1])
        listener.keep_out(["127.0.0.2/32", "::/64"])
        assert listener.is_guarded
        assert not connects(ipv4, "127.0.0.2")
        assert not connects(ipv6, "::1")
        assert connects(ipv4, "127.0.0.3")


def test_of_more_than_a_program_holds_the_newest_count(server: socket.socket) -> None:
    listener = Listener(server.getsockname()[1])
    many = [f"10.1.{n // 250}.{n % 250}/32" for n in range(MOST_IPV4 + 50)]
    nets = [f"2001:db8:{n:x}::/64" for n in range(MOST_IPV6 + 10)]
    listener.keep_out(["127.0.0.3/32", *many, "127.0.0.2/32", *nets])
    assert listener.is_guarded
    assert not connects(server, "127.0.0.2")
    assert connects(server, "127.0.0.3")


def test_nobody_reaches_the_server_who_is_kept_out(server: socket.socket) -> None:
    listener = Listener(server.getsockname()[1])
    listener.keep_out(["127.0.0.2/32"])
    for _ in range(3):
        assert not connects(server, "127.0.0.2")
    assert connects(server, "127.0.0.3")
    server.settimeout(5.0)
    accepted, (address, *_) = server.accept()
    with accepted:
        assert address.endswith("127.0.0.3")
        server.settimeout(0.1)
        with pytest.raises(TimeoutError):
            server.accept()


def test_where_the_port_is_not_shared_nothing_is_guarded_and_nobody_is_hurt() -> None:
    with listening("127.0.0.1", shares=False) as server:
        listener = Listener(server.getsockname()[1])
        listener.keep_out(["127.0.0.2/32"])
        assert not listener.is_guarded
        assert connects(server, "127.0.0.2")


def accepted_by(servers: list[socket.socket]) -> int:
    """How many of these have had a connection since the last time."""
    count = 0
    for server in servers:
        server.settimeout(0.0)
        had = False
        with suppress(BlockingIOError):
            while True:
                server.accept()[0].close()
                had = True
        count += had
    return count


@pytest.mark.parametrize("host", ["127.0.0.1", "::"])
def test_among_several_listeners_the_banned_reach_none_and_others_all(host: str) -> None:
    with ExitStack() as stack:
        servers = [stack.enter_context(listening(host))]
        port = servers[0].getsockname()[1]
        listener = Listener(port)
        stack.callback(listener.close)
        for _ in range(3):
            servers.append(stack.enter_context(listening(host, port)))
            listener.keep_out(["127.0.0.2/32"])
            assert listener.is_guarded
            assert not any(connects(servers[0], "127.0.0.2") for _ in range(2))
            accepted_by(servers)  # the connect by which a sink is found to be right may be there
            assert all(connects(servers[0], "127.0.0.3") for _ in range(20 * len(servers)))
            assert accepted_by(servers) == len(servers)
        # The second ends, and the sink has its place from then on.
        servers.pop(1).close()
        listener.tend()
        assert listener.is_guarded
        assert not any(connects(servers[0], "127.0.0.2") for _ in range(2))
        assert all(connects(servers[0], "127.0.0.3") for _ in range(20 * len(servers)))
        assert accepted_by(servers) == len(servers)


def test_of_processes_that_share_a_port_one_keeps_the_sink_until_it_ends() -> None:
    with listening("127.0.0.1") as server:
        one, other = Listener(server.getsockname()[1]), Listener(server.getsockname()[1])
        one.keep_out(["127.0.0.2/32"])
        other.keep_out(["127.0.0.2/32", "127.0.0.4/32"])
        assert (one.is_guarded, other.is_guarded) == (True, False)
        assert not connects(server, "127.0.0.2")
        one.close()
        other.tend()
        assert other.is_guarded
        assert not connects(server, "127.0.0.4")
        other.close()


def test_a_closed_listener_keeps_nobody_out_and_lets_the_port_be_refused() -> None:
    with listening("127.0.0.1") as server:
        listener = Listener(server.getsockname()[1])
        listener.keep_out(["127.0.0.2/32"])
        listener.close()
        assert connects(server, "127.0.0.2")
        listener.keep_out(["127.0.0.2/32"])
        assert connects(server, "127.0.0.2")
        name = server.getsockname()
    with socket.socket() as client:
        assert client.connect_ex(name) == errno.ECONNREFUSED


def test_the_port_is_free_when_its_owner_closes_it() -> None:
    with listening("127.0.0.1") as server:
        port = server.getsockname()[1]
        listener = Listener(port)
        listener.keep_out(["127.0.0.2/32"])
        listener.close()
    with socket.socket() as again:
        again.bind(("127.0.0.1", port))
        again.listen()
    listener.keep_out([])  # harmless
    listener.close()


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
