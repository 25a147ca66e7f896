"""The beginning and the end of a client: what `async with` does, and what ends it for good."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from whimbrel.client.dialogue import Dialogue
from whimbrel.client.endpoints import Endpoints
from whimbrel.client.events import ClientStatistics, ConnectionClosed
from whimbrel.client.keeper import Keeper, Parts
from whimbrel.client.presence import Surroundings
from whimbrel.client.sending import Sending, again
from whimbrel.client.settings import ClientSettings
from whimbrel.client.signal_book import SignalBook
from whimbrel.client.store import ClientStore, check_owner
from whimbrel.client.tokens import TokenSource, claimed_user
from whimbrel.client.transport import Transport
from whimbrel.core.errors import ErrorCode, WhimbrelError

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

CLIENT_NAME: Final = "whimbrel-python/0.1.0"
_GRACE_SECONDS: Final = 2.0


@dataclass(frozen=True)
class Options:
    """What `connect` was given."""

    device: str
    store: ClientStore
    cursor: int | None
    timeout_seconds: float | None
    settings: ClientSettings
    transport: Transport
    platform: str = ""
    account_scope: bool = False
    signals: bool = False
    delivered_receipts: bool = False
    tracer: Tracer | None = None


class Lifetime:
    """One run of a client: made when its store is read, over when `stop` returns."""

    def __init__(
        self,
        dialogue: Dialogue,
        parts: Parts,
        surroundings: Surroundings,
        timeout_seconds: float | None,
    ) -> None:
        self.dialogue = dialogue
        self.sending = Sending(dialogue, parts.store, self.poke)
        self.keeper = Keeper(parts, self.sending.answered, surroundings)
        self._parts = parts
        self._timeout_seconds = timeout_seconds
        self._task: asyncio.Task[None] | None = None
        self._closed: ConnectionClosed | None = None

    @classmethod
    async def start(
        cls,
        options: Options,
        endpoints: Endpoints,
        tokens: TokenSource,
        surroundings: Surroundings,
    ) -> Lifetime:
        """Read the store, connect, and return when the first stream is attached.

        Raises what `connect` says, and leaves nothing behind then.
        """
        store = options.store
        state = await store.load()
        lifetime: Lifetime | None = None
        try:
            check_owner(state.owner, claimed_user(await tokens.current()), options.device)
            dialogue = Dialogue(
                device_id=options.device,
                instance_id=uuid.uuid4().hex,
                client=CLIENT_NAME,
                platform=options.platform,
                account_scope=options.account_scope,
                settings=options.settings,
                cursor=options.cursor if state.cursor is None else state.cursor,
                highest=state.highest,
                owner=state.owner,
                outgoing=state.outgoing,
                heartbeats=state.heartbeats,
                surroundings=surroundings,
                signals=SignalBook(
                    is_enabled=options.signals, delivered=options.delivered_receipts
                ),
            )
            parts = Parts(dialogue, store, tokens, endpoints, options.settings, options.transport)
            lifetime = cls(dialogue, parts, surroundings, options.timeout_seconds)
            await lifetime.run()
        except BaseException:
            await (store.close() if lifetime is None else lifetime.stop())
            raise
        return lifetime

    async def run(self) -> None:
        """Start the client's task and wait for the first attachment."""
        self._task = asyncio.create_task(self.keeper.run(), name="whimbrel-client")
        self._task.add_done_callback(self._over)
        keeper = self.keeper
        try:
            async with asyncio.timeout(self._timeout_seconds):
                await keeper.attached.wait()
        except TimeoutError:
            raise WhimbrelError(
                ErrorCode.DEADLINE_EXCEEDED,
                f"no Welcome in {self._timeout_seconds} s; the last attempt: "
                f"{keeper.last_end or 'is not over'}",
            ) from None
        if self._closed is not None:
            raise self._closed.__cause__ or again(self._closed)

    async def leave(self) -> None:
        """Say goodbye as far as there is somebody to say it to, then `stop`."""
        if self._task is not None and not self._task.done():
            is_attached = self.keeper.attached.is_set()
            self.keeper.leave()
            if is_attached:
                limit = self._parts.settings.leave_timeout_seconds + _GRACE_SECONDS
                await asyncio.wait({self._task}, timeout=limit)
        await self.stop()

    async def stop(self) -> None:
        """End the task and close the store, without a goodbye. May be called again."""
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait({self._task})
        self._close(ConnectionClosed(None, "the client has left"))
        await self._parts.store.close()

    def poke(self) -> None:
        """There may be something to write."""
        self.keeper.poke()

    def ended(self) -> ConnectionClosed | None:
        """Why this is over; a new object each time, since it is going to be raised."""
        return None if self._closed is None else again(self._closed)

    @property
    def failure(self) -> BaseException | None:
        """The error in this process (store, token function) that ended the client, if any."""
        return None if self._closed is None else self._closed.__cause__

    def statistics(self) -> ClientStatistics:
        """The figures at this moment."""
        dialogue, keeper = self.dialogue, self.keeper
        return ClientStatistics(
            state=keeper.state,
            attempts=dialogue.attempt,
            streams=keeper.streams,
            endpoint=self._parts.endpoints.current,
            epoch=dialogue.epoch,
            last_end=keeper.last_end,
            inbox=dialogue.inbox.statistics(),
            outbox=dialogue.outbox.statistics(),
            backoff=keeper.reconnect.statistics(),
            heartbeat=dialogue.presence.statistics(),
            moves=dialogue.migration.statistics(),
        )

    def _over(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        if error is None:
            self._close(ConnectionClosed(None, "the client has left"))
        elif isinstance(error, ConnectionClosed):
            self._close(error)
        else:
            reason = ConnectionClosed(None, f"{type(error).__name__}: {error}")
            reason.__cause__ = error
            self._close(reason)

    def _close(self, reason: ConnectionClosed) -> None:
        if self._closed is None:
            self._closed = reason
        self.sending.close(self._closed)
        self.keeper.arrived.set()
        self.keeper.signalled.set()
        self.keeper.attached.set()  # whoever waits for it looks at _closed
