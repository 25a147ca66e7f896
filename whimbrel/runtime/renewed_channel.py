"""A gRPC channel whose connection parameters change while it is used.

grpc fixes a channel's certificate when the channel is made. This one makes another when there is
a newer certificate: calls that begin then go there, those that run stay where they are. So stubs
are made once, as with any other channel.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Self

import grpc


class RenewedChannel(grpc.aio.Channel):
    """The channel. Made by `tls.Dialer`."""

    def __init__(
        self, open_now: Callable[[], grpc.aio.Channel], version: Callable[[], int]
    ) -> None:
        """`open_now` opens a channel as things are now; `version` is asked before each call, so
        it must be cheap, and another number means that a new channel is due."""
        self._open_now = open_now
        self._version = version
        self._opened = version()
        self._channel = open_now()
        self._before: grpc.aio.Channel | None = None
        self._closing: set[asyncio.Task[None]] = set()

    def current(self) -> grpc.aio.Channel:
        """The channel for what begins now."""
        version = self._version()
        if version != self._opened:
            self._opened = version
            if self._before is not None:
                # With what still runs there, two renewals old.
                closing = asyncio.ensure_future(self._before.close())
                self._closing.add(closing)
                closing.add_done_callback(self._closing.discard)
            self._before, self._channel = self._channel, self._open_now()
        return self._channel

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self, grace: float | None = None) -> None:
        """Close it, and the one that it has replaced."""
        before, self._before = self._before, None
        if before is not None:
            await before.close(grace)
        await self._channel.close(grace)
        await asyncio.gather(*self._closing)

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        """The state of the channel for what begins now."""
        return self.current().get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        """As of any channel."""
        await self.current().wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        """As of any channel."""
        await self.current().channel_ready()

    # The types of these four are those of grpc, which are generic in its stubs and not in it.
    def unary_unary(self, method: str, *args: Any, **kwargs: Any) -> Any:
        return _Method(self, "unary_unary", method, args, kwargs)

    def unary_stream(self, method: str, *args: Any, **kwargs: Any) -> Any:
        return _Method(self, "unary_stream", method, args, kwargs)

    def stream_unary(self, method: str, *args: Any, **kwargs: Any) -> Any:
        return _Method(self, "stream_unary", method, args, kwargs)

    def stream_stream(self, method: str, *args: Any, **kwargs: Any) -> Any:
        return _Method(self, "stream_stream", method, args, kwargs)


class _Method:
    """One method of a stub, of whichever channel is current when it is called."""

    def __init__(
        self,
        channel: RenewedChannel,
        kind: str,
        method: str,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> None:
        self._channel = channel
        self._made_of: grpc.aio.Channel | None = None
        self._callable: Any = None
        self._kind, self._method, self._args, self._kwargs = kind, method, args, kwargs

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        current = self._channel.current()
        if current is not self._made_of:
            make = getattr(current, self._kind)
            self._callable = make(self._method, *self._args, **self._kwargs)
            self._made_of = current
        return self._callable(*args, **kwargs)
