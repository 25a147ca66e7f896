"""Keeps a device attached: opens stream after stream until the client leaves or must not return.

It acts on the Close code alone: which codes come back is written in `CloseCode`. It knows
nothing of the application; `Client` does that part.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass

import grpc

from whimbrel.api.access.v1 import access_pb2
from whimbrel.client.connection import Connection, Ending
from whimbrel.client.dialogue import Dialogue, Outcome
from whimbrel.client.endpoints import Endpoints
from whimbrel.client.events import ClientState, ConnectionClosed
from whimbrel.client.settings import ClientSettings
from whimbrel.client.store import ClientStore
from whimbrel.client.tokens import TokenSource
from whimbrel.client.waker import Waker
from whimbrel.core.backoff import Backoff
from whimbrel.core.errors import CloseCode

_STAYS = frozenset((CloseCode.HEARTBEAT_TIMEOUT, CloseCode.SEQ_AHEAD))
"""Ends that say nothing against the pod: the next attempt goes to the same."""


@dataclass(frozen=True)
class Parts:
    """What a keeper works with."""

    dialogue: Dialogue
    store: ClientStore
    tokens: TokenSource
    endpoints: Endpoints
    settings: ClientSettings
    credentials: grpc.ChannelCredentials | None


class Keeper:
    """The reconnect loop of one client, and the host of its connections."""

    def __init__(
        self,
        parts: Parts,
        on_outcome: Callable[[Outcome], None],
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.state = ClientState.NEW
        self.streams = 0
        self.last_end = ""
        self.attached = asyncio.Event()
        """Set while a stream is attached."""
        self.arrived = asyncio.Event()
        """Set when messages may be waiting in the inbox, and at the end."""
        self.backoff = Backoff(parts.settings.reconnect)
        self._parts = parts
        self._on_outcome = on_outcome
        self._chance = chance
        self._waker = Waker()
        self._connection: Connection | None = None
        self._leaving = asyncio.Event()
        self._is_new_stream = False

    # --- for the client --------------------------------------------------------------

    def poke(self) -> None:
        """The dialogue may have something to write."""
        self._waker.poke(self._parts.dialogue.next_deadline())

    def leave(self) -> None:
        """Say goodbye and end `run`; at once when no stream is there."""
        self._leaving.set()
        if self._connection is not None and self.attached.is_set():
            self._connection.leave()

    async def run(self) -> None:
        """Keep attached. Returns after `leave`; ConnectionClosed when the server forbids to
        return; other errors are those of the store and of the token function."""
        try:
            while not self._leaving.is_set():
                self.state = ClientState.CONNECTING
                token = await self._parts.tokens.next()
                ending = await self._run_one(token)
                if self._leaving.is_set():
                    return
                delay = await self._judge(ending)
                self.state = ClientState.WAITING
                await self._pause(delay)
        finally:
            self.state = ClientState.CLOSED
            self.arrived.set()

    # --- what a connection tells (connection.Host) -----------------------------------

    async def on_welcome(self, welcome: access_pb2.Welcome) -> None:
        """See Host."""
        parts = self._parts
        device_id = parts.dialogue.device_id
        await parts.store.bind(welcome.user_id, device_id)
        parts.endpoints.learn(welcome.endpoints)
        self.backoff.attached()
        self.streams += 1
        self.state = ClientState.ATTACHED
        self._is_new_stream = True

    async def on_frame(self) -> None:
        """See Host."""
        dialogue = self._parts.dialogue
        if self._is_new_stream:  # the Welcome itself
            self._is_new_stream = False
            self.attached.set()
        else:
            self.backoff.good_frame()
        if dialogue.storm_window_seconds is not None:
            self.backoff.set_storm_window(dialogue.storm_window_seconds)
        if dialogue.inbox.has_waiting:
            self.arrived.set()
        outcomes = dialogue.take_outcomes()
        if outcomes:
            for outcome in outcomes:
                self._on_outcome(outcome)
            identifiers = [outcome.client_message_id for outcome in outcomes]
            await self._parts.store.forget_outgoing(identifiers)

    async def on_ack(self, cursor: int) -> None:
        """See Host."""
        await self._parts.store.save_cursor(cursor)

    # --- inside ----------------------------------------------------------------------

    async def _run_one(self, token: str) -> Ending:
        parts = self._parts
        self._connection = Connection(
            parts.dialogue, self, self._waker, parts.settings, parts.credentials
        )
        try:
            return await self._connection.run(parts.endpoints.current, token)
        finally:
            self._connection = None
            self.attached.clear()

    async def _judge(self, ending: Ending) -> float:
        """Seconds until the next attempt; ConnectionClosed when there is to be none."""
        farewell = ending.farewell
        code = farewell.code if farewell else None
        self.last_end = f"{code.name}: {ending.reason}" if code else ending.reason
        if code is not None and not code.reconnects:
            renewable = code in (CloseCode.TOKEN_EXPIRED, CloseCode.BAD_TOKEN)
            if not (renewable and await self._parts.tokens.has_another()):
                raise ConnectionClosed(code, ending.reason)
        if code is CloseCode.SEQ_AHEAD:
            await self._parts.store.save_cursor(None)
        if code not in _STAYS:
            self._parts.endpoints.advance()
        retry_after = farewell.retry_after_seconds if farewell else 0.0
        draw = self.backoff.after_loss if ending.was_attached else self.backoff.after_failure
        return draw(self._chance(), retry_after)

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._leaving.wait()
        except TimeoutError:
            return
