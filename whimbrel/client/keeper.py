"""Keeps a device attached: opens session after session until the client leaves or must not return.

It acts on the Close code alone: which codes come back is written in `CloseCode`. It knows
nothing of the application; `Client` does that part.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass

from whimbrel.api.access.v1 import access_pb2
from whimbrel.client.connection_types import Admission, Ending
from whimbrel.client.correspondence import Outcome
from whimbrel.client.dialogue import Dialogue
from whimbrel.client.endpoints import Endpoints
from whimbrel.client.events import ClientState, ConnectionClosed
from whimbrel.client.farewell import Farewell
from whimbrel.client.presence import Surroundings
from whimbrel.client.settings import ClientSettings
from whimbrel.client.store import ClientStore
from whimbrel.client.streams import SessionStreams
from whimbrel.client.tokens import TokenSource
from whimbrel.client.transport import Transport
from whimbrel.core.errors import CloseCode
from whimbrel.core.reconnect import Reconnect

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
    transport: Transport


class Keeper:
    """The reconnect loop of one client, and the host of its streams."""

    def __init__(
        self,
        parts: Parts,
        on_outcome: Callable[[Outcome], None],
        surroundings: Surroundings,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.state = ClientState.NEW
        self.streams = 0
        self.last_end = ""
        self.attached = asyncio.Event()
        """Set while a stream is attached."""
        self.arrived = asyncio.Event()
        """Set when messages may be waiting in the inbox, and at the end."""
        self.signalled = asyncio.Event()
        """Set when signals may be waiting, and at the end."""
        self.reconnect = Reconnect(
            parts.settings.reconnect,
            is_background=surroundings.is_background,
            is_up=surroundings.network_id is not None,
        )
        self._parts = parts
        self._on_outcome = on_outcome
        self._chance = chance
        self._streams: SessionStreams | None = None
        self._tickets: dict[str, str] = {}
        self._network_id = surroundings.network_id
        self._is_leaving = False
        self._stirred = asyncio.Event()
        self._clock = asyncio.get_running_loop().time
        self._is_new_stream = False

    # --- for the client --------------------------------------------------------------

    def poke(self) -> None:
        """The dialogue may have something to write."""
        if self._streams is not None:
            self._streams.poke()

    def leave(self) -> None:
        """Say goodbye and end `run`; at once when no stream is there."""
        self._is_leaving = True
        self._stirred.set()
        if self._streams is not None and self.attached.is_set():
            self._streams.leave()

    def set_background(self, is_background: bool) -> None:
        """The app has gone to the background, or has come back."""
        self._parts.dialogue.presence.set_background(is_background)
        self.reconnect.set_background(is_background, self._clock(), self._chance())
        self._stirred.set()
        self.poke()

    def network_changed(self, network_id: str | None) -> None:
        """The device is on this network now; None: on none. Nothing happens when that is no
        news; else the stream of the old one is given up."""
        if network_id == self._network_id:
            return
        self._network_id = network_id
        now = self._clock()
        self._parts.dialogue.presence.set_network(network_id, now)
        self.reconnect.set_network(network_id is not None, now, self._chance())
        if self._streams is not None:
            is_down = network_id is None
            self._streams.drop("the network is down" if is_down else "the network has changed")
        self._stirred.set()

    async def run(self) -> None:
        """Keep attached. Returns after `leave`; ConnectionClosed when the server forbids to
        return; other errors are those of the store and of the token function."""
        try:
            while not self._is_leaving:
                if not await self._pause():
                    continue
                self.state = ClientState.CONNECTING
                token = await self._parts.tokens.next()
                if not self.reconnect.is_up:
                    continue
                ending = await self._run_one(token)
                if self._is_leaving:
                    return
                await self._judge(ending)
        finally:
            self.state = ClientState.CLOSED
            self.arrived.set()
            self.signalled.set()

    # --- what a connection tells (see Host) -----------------------------------

    async def on_welcome(self, welcome: access_pb2.Welcome, endpoint: str) -> None:
        """See Host."""
        parts = self._parts
        device_id = parts.dialogue.device_id
        await parts.store.bind(welcome.user_id, device_id)
        parts.endpoints.move_to(endpoint)
        parts.endpoints.learn(welcome.endpoints)
        self.reconnect.backoff.attached()
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
            self.reconnect.backoff.good_frame()
        if dialogue.presence.storm_window_seconds is not None:
            self.reconnect.backoff.set_storm_window(*dialogue.presence.storm_window_seconds)
        if dialogue.inbox.has_waiting:
            self.arrived.set()
        if dialogue.signals.has_events:
            self.signalled.set()
        if dialogue.migration.next_attempt() is not None:
            self.poke()
        outcomes = dialogue.take_outcomes()
        if outcomes:
            for outcome in outcomes:
                self._on_outcome(outcome)
            identifiers = [outcome.client_message_id for outcome in outcomes]
            await self._parts.store.forget_outgoing(identifiers)
        for network_id, learned in dialogue.presence.take_learned().items():
            await self._parts.store.save_heartbeat(network_id, learned)

    async def on_ack(self, cursor: int) -> None:
        """See Host."""
        inbox = self._parts.dialogue.inbox
        await self._parts.store.save_cursor(cursor, inbox.passed(cursor))
        inbox.settle(cursor)  # not before: this may be cancelled, and the store with it

    # --- inside ----------------------------------------------------------------------

    async def _run_one(self, token: str) -> Ending:
        parts = self._parts
        streams = SessionStreams(parts.dialogue, self, parts.settings, parts.transport)
        self._streams = streams
        endpoint = parts.endpoints.current
        tickets, self._tickets = self._tickets, {}
        try:
            return await streams.run(endpoint, Admission(token, tickets.get(endpoint, "")))
        finally:
            self._streams = None
            self.attached.clear()

    async def _judge(self, ending: Ending) -> None:
        """Say when the next attempt is due; ConnectionClosed when there is to be none."""
        farewell = ending.farewell
        code = farewell.code if farewell else None
        self.last_end = f"{code.name}: {ending.reason}" if code else ending.reason
        if code is not None and not code.reconnects:
            renewable = code in (CloseCode.TOKEN_EXPIRED, CloseCode.BAD_TOKEN)
            if not (renewable and await self._parts.tokens.has_another()):
                raise ConnectionClosed(code, ending.reason)
        if code is CloseCode.SEQ_AHEAD:
            await self._parts.store.save_cursor(None, {})
        if ending.is_ours:
            return  # what made us drop it has said when to try
        reconnect, now, chance = self.reconnect, self._clock(), self._chance()
        if farewell is not None and farewell.targets:
            self._go_on_at(farewell)
            reconnect.redirected(now, chance, farewell.jitter_seconds)
            return
        if code not in _STAYS:
            self._parts.endpoints.advance()
        retry_after = farewell.retry_after_seconds if farewell else 0.0
        if not ending.was_attached:
            reconnect.failed(now, chance, retry_after)
        elif farewell is not None:
            reconnect.closed(now, chance, retry_after)
        else:
            reconnect.lost(now, chance)

    def _go_on_at(self, farewell: Farewell) -> None:
        """The pod has said where to go on (Redirect, Busy)."""
        self._parts.endpoints.prefer(target.endpoint for target in farewell.targets)
        self._tickets = {one.endpoint: one.ticket for one in farewell.targets if one.ticket}

    async def _pause(self) -> bool:
        """Sleep until the next attempt may be due, or something has changed; whether it is."""
        at = self.reconnect.next_attempt()
        if at is not None and at <= self._clock():
            return True
        self.state = ClientState.WAITING
        self._stirred.clear()
        try:
            async with asyncio.timeout_at(at):
                await self._stirred.wait()
        except TimeoutError:
            return True
        return False
