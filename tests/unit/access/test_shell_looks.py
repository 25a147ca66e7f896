"""What the shell looks at in the kernel: connections that send much, connections that say nothing,
and the memory of the process. Real sockets; the figures that decide whether to look are files."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from ipaddress import ip_address
from pathlib import Path

import psutil
import pytest

from services.access.shell import bare_connections, flood_watch, memory
from services.access.shell.bare_connections import BareConnections
from services.access.shell.flood_watch import FloodWatch
from services.access.shell.memory import MemoryWatermark
from whimbrel.runtime.connections import Peer

_LIMIT = 1_000
_MUCH = 200_000
"""More than the limit in the 90 s between two looks."""


@contextmanager
def connections(count: int) -> Iterator[tuple[list[socket.socket], list[socket.socket]]]:
    """Clients, and the server's ends in the same order."""
    with ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        clients, ends = [], []
        for _ in range(count):
            clients.append(stack.enter_context(socket.create_connection(server.getsockname())))
            ends.append(stack.enter_context(server.accept()[0]))
        yield clients, ends


def peer_of(client: socket.socket) -> Peer:
    host, port = client.getsockname()
    return ip_address(host), port


def send(client: socket.socket, end: socket.socket, count: int) -> None:
    left = count
    while left:
        client.sendall(bytes(min(left, 10_000)))
        left -= len(end.recv(min(left, 10_000), socket.MSG_WAITALL))


@pytest.fixture
def netstat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What came in of all packets, as the kernel says it: `came` writes it."""
    monkeypatch.setattr(flood_watch, "_NETSTAT", tmp_path / "netstat")
    return tmp_path / "netstat"


def came(netstat: Path, count: int) -> None:
    netstat.write_text(f"TcpExt: InOctets\nTcpExt: 7\nIpExt: X InOctets\nIpExt: 1 {count}\n")


async def test_who_sends_much_and_is_not_read_is_found_and_nobody_else(netstat: Path) -> None:
    with connections(3) as (clients, ends):
        read: dict[Peer, int] = {}
        watch = FloodWatch(ends[0].getsockname()[1], _LIMIT, lambda: read)
        came(netstat, 10_000_000)
        assert await watch.find(10.0) == []  # nobody is known yet
        send(clients[0], ends[0], _MUCH)
        send(clients[1], ends[1], _LIMIT)
        send(clients[2], ends[2], _MUCH)
        read[peer_of(clients[2])] = _MUCH  # frames of its streams
        assert await watch.find(10.5) == []  # it rests after a look
        came(netstat, 20_000_000)
        assert await watch.find(100.0) == [peer_of(clients[0])]


async def test_nobody_looks_while_little_comes_in_or_nothing_is_known_of_it(netstat: Path) -> None:
    with connections(1) as ((client,), (end,)):
        port = end.getsockname()[1]
        watch = FloodWatch(port, _LIMIT, dict)
        off = FloodWatch(port, 0, dict)
        for now in (100.0, 200.0, 300.0):  # the file is not there at first
            assert await watch.find(now) == []
            assert await off.find(now) == []
            send(client, end, _MUCH)
            came(netstat, 5)
        came(netstat, 10_000_000)
        assert await watch.find(400.0) == []
        send(client, end, _MUCH)
        came(netstat, 20_000_000)
        assert await watch.find(500.0) == [peer_of(client)]
        assert await off.find(500.0) == []


async def test_a_connection_that_stays_without_a_stream_is_named_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snmp = tmp_path / "snmp"
    monkeypatch.setattr(bare_connections, "_SNMP", snmp)
    with connections(3) as (clients, ends):
        bare = BareConnections(ends[0].getsockname()[1], 10, lambda: 0)
        assert await bare.find(10.0) == []
        assert await bare.find(20.0) == []  # nothing begins
        snmp.write_text("Tcp: X PassiveOpens\nTcp: 1 1000\n")
        assert await bare.find(100.0) == []  # each may have its stream on the way
        clients[0].close()
        ends[0].close()
        assert set(await bare.find(200.0)) == {peer_of(one) for one in clients[1:]}
        assert await bare.find(300.0) == []
        snmp.write_text("Tcp: X PassiveOpens\nTcp: 1 9000\n")
        assert await bare.find(400.0) == []
        assert await BareConnections(ends[1].getsockname()[1], 0, lambda: 0).find(1e9) == []


def test_the_memory_is_that_of_the_process_and_has_the_limit_that_was_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = psutil.Process().memory_info().rss
    assert MemoryWatermark(1).resident_bytes() == pytest.approx(real, rel=0.2)
    assert MemoryWatermark(1).is_exceeded()
    assert not MemoryWatermark(1 << 20).is_exceeded()
    monkeypatch.setattr(memory, "_STATM", tmp_path / "nothing")
    assert not MemoryWatermark(1).is_exceeded()


@pytest.mark.parametrize(
    ("first", "second", "limit"),
    [
        ("1000000\n", "1\n", 850_000),
        ("max\n", "1000000\n", 850_000),
        (None, "1000000\n", 850_000),
        ("max\n", None, 0),
        (None, f"{(1 << 63) - 4096}\n", 0),
        (None, None, 0),
    ],
)
def test_without_a_setting_the_limit_is_most_of_the_containers(
    first: str | None,
    second: str | None,
    limit: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    files = (tmp_path / "first", tmp_path / "second")
    for file, text in zip(files, (first, second), strict=True):
        if text is not None:
            file.write_text(text)
    monkeypatch.setattr(memory, "_CGROUP_LIMITS", files)
    watermark = MemoryWatermark(0)
    assert watermark.limit_bytes == limit
    assert watermark.is_exceeded() == (limit > 0)
