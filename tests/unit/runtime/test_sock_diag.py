"""What the kernel says of sockets is what this process has opened."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from ipaddress import ip_address

import pytest

from whimbrel.runtime.sock_diag import connections_to, listeners_on, peer_of

IPV4 = socket.inet_pton(socket.AF_INET, "127.0.0.1")
IPV6 = socket.inet_pton(socket.AF_INET6, "::")


@pytest.mark.parametrize(("host", "family"), [("127.0.0.1", socket.AF_INET), ("::", 10)])
def test_each_listener_of_an_address_counts_and_those_of_others_do_not(
    host: str, family: int
) -> None:
    with ExitStack() as stack:
        port = 0
        for count in range(1, 4):
            one = stack.enter_context(socket.socket(family))
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            one.bind((host, port))
            one.listen()
            port = one.getsockname()[1]
            assert listeners_on(socket.AF_INET, IPV4, port) == (count if family == 2 else 0)
            assert listeners_on(socket.AF_INET6, IPV6, port) == (0 if family == 2 else count)
        one.close()
        assert listeners_on(family, IPV4 if family == 2 else IPV6, port) == 2


@pytest.mark.parametrize("host", ["127.0.0.1", "::"])
def test_connections_to_a_port_are_all_there_with_their_peers(host: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with ExitStack() as stack:
        server = stack.enter_context(socket.socket(family))
        server.bind((host, 0))
        server.listen(1_000)
        port = server.getsockname()[1]
        assert connections_to(port) == set()
        wanted = set()
        for n in range(400):  # more than one answer of the kernel holds
            client = stack.enter_context(socket.socket())
            client.bind((f"127.0.0.{n % 200 + 2}", 0))
            client.connect(("127.0.0.1", port))
            own, own_port = client.getsockname()
            wanted.add((ip_address(own), own_port))
        assert {peer_of(one) for one in connections_to(port)} == wanted
        if family == socket.AF_INET6:
            other = stack.enter_context(socket.create_connection(("::1", port)))
            wanted.add((ip_address("::1"), other.getsockname()[1]))
            assert {peer_of(one) for one in connections_to(port)} == wanted
