"""The proxy on real sockets: what each mode does to connections old and new, and its bounds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.waiting import until
from whimbrel.local.proxy import CUT, PASS, TcpProxy, delayed, half_open
from whimbrel.local.proxy_connection import MAX_WAITING_BYTES

Pair = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Echo:
    """A server that answers with what it gets; `deaf` it accepts and never reads."""

    def __init__(self, *, deaf: bool = False) -> None:
        self.deaf = deaf
        self.ended = 0
        self.writers: list[asyncio.StreamWriter] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        try:
            if self.deaf:
                await asyncio.Event().wait()
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            self.ended += 1
            writer.transport.abort()


@asynccontextmanager
async def proxied(echo: Echo) -> AsyncIterator[TcpProxy]:
    async with asyncio.timeout(30):
        server = await asyncio.start_server(echo.serve, "127.0.0.1", 0, limit=1024)
        port = server.sockets[0].getsockname()[1]
        async with TcpProxy(f"127.0.0.1:{port}") as proxy:
            yield proxy
        server.close()
        for writer in echo.writers:
            writer.transport.abort()
        await server.wait_closed()


async def dial(proxy: TcpProxy) -> Pair:
    host, _, port = proxy.address.rpartition(":")
    return await asyncio.open_connection(host, int(port))


async def exchange(pair: Pair, data: bytes) -> None:
    reader, writer = pair
    writer.write(data)
    assert await reader.readexactly(len(data)) == data


async def test_it_passes_bytes_both_ways_and_the_end_too() -> None:
    echo = Echo()
    async with proxied(echo) as proxy:
        pair = await dial(proxy)
        body = bytes(range(256)) * 8192  # 2 MiB: more than every buffer on the way
        await exchange(pair, body)
        assert proxy.counts.bytes_forwarded == 2 * len(body)
        pair[1].close()
        await until(lambda: echo.ended == 1 and proxy.connections == 0)


async def test_a_delay_holds_bytes_back_in_order_and_ends_without_mixing_them() -> None:
    async with proxied(Echo()) as proxy:
        pair = await dial(proxy)
        await exchange(pair, b"warm")
        proxy.set_mode(delayed(0.1, 0.05))
        loop = asyncio.get_running_loop()
        began = loop.time()
        await exchange(pair, b"slow")
        assert loop.time() - began >= 0.09  # twice 0.1 - 0.05, less the timer's own precision
        for number in range(50):
            pair[1].write(number.to_bytes(2))
            if number == 25:
                proxy.set_mode(PASS)  # what waits keeps its turn
            await asyncio.sleep(0)
        got = await pair[0].readexactly(100)
        assert got == b"".join(number.to_bytes(2) for number in range(50))
        pair[1].close()


async def test_a_cut_resets_what_is_open_and_what_comes_until_it_passes_again() -> None:
    echo = Echo()
    async with proxied(echo) as proxy:
        pair = await dial(proxy)
        await exchange(pair, b"hello")
        proxy.set_mode(CUT)
        with pytest.raises(ConnectionResetError):
            await pair[0].read(1)
        await until(lambda: echo.ended == 1 and proxy.connections == 0)
        with pytest.raises(ConnectionError):  # noqa: PT012 - it may be refused at either step
            late = await dial(proxy)
            late[1].write(b"x")
            assert await late[0].read(1)
            raise AssertionError("a cut link has answered")
        proxy.set_mode(PASS)
        fresh = await dial(proxy)
        await exchange(fresh, b"again")
        fresh[1].close()


@pytest.mark.parametrize("dead", ["up", "down"])
async def test_half_open_swallows_one_way_and_resets_only_who_has_lost_bytes(dead: str) -> None:
    async with proxied(Echo()) as proxy:
        talker, silent = await dial(proxy), await dial(proxy)
        await exchange(talker, b"hello")
        await exchange(silent, b"hello")
        proxy.set_mode(half_open("up" if dead == "up" else "down"))
        talker[1].write(b"lost")
        await until(lambda: proxy.counts.bytes_swallowed == 4)
        forwarded = 20 if dead == "up" else 24
        assert proxy.counts.bytes_forwarded == forwarded
        fresh = await dial(proxy)  # accepted as if all were well
        proxy.set_mode(PASS)
        with pytest.raises(ConnectionResetError):
            await talker[0].read(1)
        await exchange(silent, b"still whole")
        await exchange(fresh, b"whole too")
        silent[1].close()
        fresh[1].close()


async def test_an_end_in_a_dead_direction_is_not_seen_by_the_other_side() -> None:
    echo = Echo()
    async with proxied(echo) as proxy:
        pair = await dial(proxy)
        await exchange(pair, b"hello")
        proxy.set_mode(half_open("up"))
        pair[1].transport.abort()
        await until(lambda: proxy.counts.bytes_forwarded == 10)
        await until(lambda: proxy.counts.ends_swallowed == 1)
        later = await dial(proxy)
        await until(lambda: len(echo.writers) == 2)
        echo.writers[1].write(b"later")  # what comes after the end has come, and it has not
        assert await later[0].readexactly(5) == b"later"
        assert echo.ended == 0
        assert proxy.connections == 2
        proxy.set_mode(PASS)
        await until(lambda: echo.ended == 1 and proxy.connections == 1)
        later[1].close()


@pytest.mark.parametrize("seconds", [0.0, 60.0])
async def test_what_one_connection_can_hold_is_bounded(seconds: float) -> None:
    """A target that never reads, or a link with a minute of delay: the sender is slowed."""
    async with proxied(Echo(deaf=True)) as proxy:
        proxy.set_mode(delayed(seconds))
        _, writer = await dial(proxy)
        writer.transport.set_write_buffer_limits(high=0)
        sent = 0
        with pytest.raises(TimeoutError):  # noqa: PT012 - the block is the subject
            async with asyncio.timeout(1.0):
                while True:
                    writer.write(bytes(65536))
                    await writer.drain()
                    sent += 65536
        held = sum(len(data or b"") for data in held_by(proxy))
        assert held <= MAX_WAITING_BYTES + 256 * 1024  # and one chunk of a socket
        # 12 MiB is what four sockets of this system may keep; without a bound it is endless.
        assert sent < 40 * 2**20
        writer.transport.abort()


def held_by(proxy: TcpProxy) -> list[bytes | None]:
    return [
        data
        for connection in proxy._connections
        for end in (connection.near, connection.far)
        for _, data in end._waiting
    ]


async def test_a_target_that_is_away_refuses_and_is_reached_when_it_is_there() -> None:
    async with TcpProxy("127.0.0.1:9") as proxy:
        pair = await dial(proxy)
        with pytest.raises(ConnectionResetError):
            await pair[0].read(1)
        await until(lambda: proxy.connections == 0)


async def test_closing_resets_everything_and_frees_the_port() -> None:
    echo = Echo()
    async with proxied(echo) as proxy:
        pair = await dial(proxy)
        await exchange(pair, b"hello")
        await proxy.close()
        with pytest.raises(ConnectionResetError):
            await pair[0].read(1)
        await until(lambda: echo.ended == 1)
        with pytest.raises(ConnectionRefusedError):
            await dial(proxy)


async def test_a_proxy_that_was_never_opened_can_be_closed() -> None:
    proxy = TcpProxy("127.0.0.1:9")
    await proxy.close()
    with pytest.raises(ConnectionRefusedError):
        await dial(proxy)
