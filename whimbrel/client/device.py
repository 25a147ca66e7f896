"""One device of one user, kept connected: entered and left, told what its platform knows, asked
what it is doing. What it says and hears is `Client`'s.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from types import TracebackType
from typing import Final, Self

from whimbrel.client.calls import Calls
from whimbrel.client.endpoints import Endpoints
from whimbrel.client.events import ClientState, ClientStatistics
from whimbrel.client.lifetime import Lifetime, Options
from whimbrel.client.presence import Surroundings
from whimbrel.client.tokens import TokenSource

_MAX_NETWORK_ID: Final = 256


class Device:
    """What `async with` enters, once; see Client, which applications have."""

    def __init__(self, endpoints: Endpoints, tokens: TokenSource, options: Options) -> None:
        self._endpoints = endpoints
        self._tokens = tokens
        self._options = options
        self._calls = Calls(endpoints, tokens, options.transport)
        self._surroundings = Surroundings()
        self._lifetime: Lifetime | None = None
        self._was_entered = False

    async def __aenter__(self) -> Self:
        """Connect; returns when the first stream is attached."""
        if self._was_entered:
            raise RuntimeError("a client is used once; call connect again")
        self._was_entered = True
        self._lifetime = await Lifetime.start(
            self._options, self._endpoints, self._tokens, self._surroundings
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Leave: the last ack is sent and its confirmation awaited (2 s at most), then Bye.

        Raises what broke this client in this process (its store, its token function), unless
        another error is on its way already.
        """
        lifetime = self._entered()
        await lifetime.leave()
        if error is None and lifetime.failure is not None:
            raise lifetime.failure

    async def abandon(self) -> None:
        """Drop everything at once, without a goodbye: what a killed process looks like from
        outside. For tests of what comes after; `async with` may be left as usual then."""
        await self._entered().stop()

    # --- what the platform knows -------------------------------------------------------

    def set_background(self, is_background: bool) -> None:
        """Nobody looks at the app any more, or somebody does again; at first in the foreground.

        In the background the client pings as seldom as the network permits, which it finds out
        (60 s to 4.5 min by default), and comes back more slowly from a lost stream. Coming to
        the foreground looks at once whether the stream is alive, and ends a long wait. May be
        called before the client is entered.
        """
        self._surroundings = replace(self._surroundings, is_background=is_background)
        if self._lifetime is not None:
            self._lifetime.keeper.set_background(is_background)

    def network_changed(self, network_id: str | None) -> None:
        """The device is on another network now; None: it is on none.

        Without a network nothing is tried and no timer runs; `send` and `events` wait. With one
        the client connects at once. `network_id` names a network (a hash of the SSID, of the
        operator's name) of 1 to 256 characters, so that what was found out about it is
        remembered in the store; the same id twice is no news. ValueError for another length.
        May be called before the client is entered. Who never calls it is on one network with no
        name.
        """
        if network_id is not None and not 0 < len(network_id) <= _MAX_NETWORK_ID:
            raise ValueError(f"a network_id has 1 to {_MAX_NETWORK_ID} characters, or is None")
        self._surroundings = replace(self._surroundings, network_id=network_id)
        if self._lifetime is not None:
            self._lifetime.keeper.network_changed(network_id)

    def defer_moves(self, seconds: float) -> None:
        """For so long (0: no longer) the application would rather not be moved to another pod:
        a call is going on, say. A pod that must stop waits for that as long as it can, and ends
        the stream then; nothing is lost. Moves are not noticed in any case, except for the
        milliseconds that they may add to a message."""
        loop = asyncio.get_running_loop()
        self._entered().dialogue.defer_until = loop.time() + seconds

    # --- what it is doing ------------------------------------------------------------

    @property
    def user_id(self) -> str:
        """Who the server says this is."""
        return self._entered().dialogue.user_id

    @property
    def state(self) -> ClientState:
        """What the client is doing."""
        return ClientState.NEW if self._lifetime is None else self._lifetime.keeper.state

    def statistics(self) -> ClientStatistics:
        """The figures at this moment."""
        return self._entered().statistics()

    def _entered(self) -> Lifetime:
        if self._lifetime is None:
            raise RuntimeError("use the client in `async with`")
        return self._lifetime
