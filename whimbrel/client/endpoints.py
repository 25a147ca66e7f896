"""Where to connect, in which order, and with which transport.

Each attempt has a channel of its own: grpc shares connections between channels with equal
arguments, and a second attempt on a broken connection would wait for the first one's backoff.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final

import grpc

from whimbrel.client.transport import Transport

_LEARNED: Final = 16

CHANNEL_OPTIONS: Final[tuple[tuple[str, int], ...]] = (
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_retries", 0),  # whether to try again is ours to decide
    ("grpc.http2.bdp_probe", 0),  # or a stream that nobody reads swallows 4 MiB
    # Above the longest heartbeat, so it never pings: the stream's own pings find a dead peer, and
    # pings of the transport beside them would wake the radio of a device in the background and
    # keep its NAT from being found out. Set all the same: with it goes TCP_USER_TIMEOUT, which
    # ends a connection on which nothing was acknowledged for the timeout.
    ("grpc.keepalive_time_ms", 600_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.max_receive_message_length", 1024 * 1024),  # frames have 256 KiB and a little
    ("grpc.max_send_message_length", 1024 * 1024),
)


def open_channel(endpoint: str, transport: Transport) -> grpc.aio.Channel:
    """A channel of its own to "host:port"; plain text without credentials."""
    if transport.credentials is None:
        return grpc.aio.insecure_channel(endpoint, options=CHANNEL_OPTIONS)
    options: list[tuple[str, int | str]] = [*CHANNEL_OPTIONS]
    if transport.server_name is not None:
        options.append(("grpc.ssl_target_name_override", transport.server_name))
    return grpc.aio.secure_channel(endpoint, transport.credentials, options=options)


async def is_reached(channel: grpc.aio.Channel, timeout_seconds: float) -> bool:
    """Connect it; False at the first failure, or when it takes too long."""
    try:
        async with asyncio.timeout(timeout_seconds):
            state = channel.get_state(try_to_connect=True)
            while state is not grpc.ChannelConnectivity.READY:
                if state in (
                    grpc.ChannelConnectivity.TRANSIENT_FAILURE,
                    grpc.ChannelConnectivity.SHUTDOWN,
                ):
                    return False
                await channel.wait_for_state_change(state)
                state = channel.get_state(try_to_connect=True)
    except TimeoutError:
        return False
    return True


class Endpoints:
    """The endpoints in the order in which to try them: the present one, then those that the
    server named, best first, then those that the caller gave; round and round."""

    def __init__(self, given: Sequence[str]) -> None:
        if not given or not all(given):
            raise ValueError('at least one endpoint ("host:port") is needed')
        self._given = tuple(dict.fromkeys(given))
        self._order = self._given
        self._turn = 0

    @property
    def current(self) -> str:
        """The one to connect to."""
        return self._order[self._turn]

    def learn(self, named: Iterable[str]) -> None:
        """A Welcome from the current endpoint named others (at most 16 count)."""
        learned = [endpoint for endpoint in named if endpoint][:_LEARNED]
        self._order = tuple(dict.fromkeys((self.current, *learned, *self._given)))
        self._turn = 0

    def move_to(self, endpoint: str) -> None:
        """A stream is attached there: it is the current one."""
        if endpoint != self.current:
            self._order = tuple(dict.fromkeys((endpoint, *self._order)))
            self._turn = 0

    def prefer(self, named: Iterable[str]) -> None:
        """The current one has named where to go on: those are tried first, it itself last."""
        current = self.current
        others = [endpoint for endpoint in self._order if endpoint != current]
        self._order = tuple(dict.fromkeys((*list(named)[:_LEARNED], *others, current)))
        self._turn = 0

    def advance(self) -> None:
        """The current one did not work: the next is due."""
        self._turn = (self._turn + 1) % len(self._order)
