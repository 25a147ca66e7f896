"""One device under test: an SDK client that comes, talks, listens, dies and comes back, on record.

It acts and records; it judges nothing. What a server says that a client may not expect (a Close
that forbids to return) is recorded as the end of a run, and the device comes again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from whimbrel.client import (
    Client,
    ClientSettings,
    ConnectionClosed,
    ErrorCode,
    ReconnectPolicy,
    SqliteStore,
    WhimbrelError,
    connect,
)
from whimbrel.testing.soak.plan import DevicePlan
from whimbrel.testing.soak.recorder import Recorder
from whimbrel.testing.soak.witness import Witness

LADDER_SECONDS = 8.0
_SEND_SECONDS = 6.0
_SLOW_SECONDS = 0.1
_RETURN_SECONDS = 1.0


@dataclass(frozen=True)
class Target:
    """The cluster, as its clients see it."""

    find_endpoints: Callable[[], Sequence[str]]
    """Where clients connect now: what a look-up of the cluster's name would say."""
    token_of: Callable[[str], str]


class Device:
    """A device; `live` is one run of its program."""

    def __init__(
        self, plan: DevicePlan, target: Target, turn: int, recorder: Recorder, folder: Path
    ) -> None:
        self.plan = plan
        self.client: Client | None = None
        """The SDK's client while it is attached or comes back by itself; None while it is away."""
        self.present = asyncio.Event()
        self.hurry = asyncio.Event()
        """Once set, a slow reader reads as fast as others."""
        self._witness = Witness(recorder, plan.client)
        self._token = target.token_of(plan.user)
        self._target = target
        self._turn = turn
        self._store_path = folder / f"{plan.user}.{plan.device}.sqlite3"
        self._settings = ClientSettings(
            reconnect=ReconnectPolicy(cap_seconds=LADDER_SECONDS), observer=self._witness
        )

    # --- runs ------------------------------------------------------------------------

    async def live(self, leave: asyncio.Event, until: asyncio.Event | None = None) -> None:
        """Run the program: until `leave`, with a goodbye then, or until `until`, and die then."""
        self._witness.started(self.plan.reader, is_durable=self.plan.is_restless)
        how = "left"
        try:
            async with self._connect() as client:
                self.client = client
                self.present.set()
                await self._stay(client, leave if until is None else until, leave)
                self._away()
                if until is not None and until.is_set():
                    how = "abandoned"
                    await client.abandon()
        except ConnectionClosed as closed:
            how = f"closed by the server: {closed}"
        finally:
            self._away()
            self._witness.stopped(how)

    async def live_on(self, leave: asyncio.Event) -> None:
        """Run the program until `leave`, again whenever the server has ended it."""
        while not leave.is_set():
            await self.live(leave)
            await _pause(leave, _RETURN_SECONDS)

    def _connect(self) -> Client:
        found = list(self._target.find_endpoints())
        turn = self._turn % len(found)
        return connect(
            [*found[turn:], *found[:turn]],
            self._token,
            device=self.plan.device,
            store=SqliteStore(self._store_path) if self.plan.is_restless else None,
            timeout_seconds=None,
            settings=self._settings,
        )

    def _away(self) -> None:
        self.client = None
        self.present.clear()

    async def _stay(self, client: Client, *until: asyncio.Event) -> None:
        """Listen, and hear what became of an earlier run's messages, until it is time."""
        tasks = [
            asyncio.create_task(self._listen(client), name=f"{self.plan.client} listens"),
            *(asyncio.create_task(event.wait()) for event in until),
        ]
        heirs = [
            asyncio.create_task(self._inherit(client, identifier), name=f"answer to {identifier}")
            for identifier in client.unanswered
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (*tasks, *heirs):
                task.cancel()
            ends = await asyncio.gather(*tasks, *heirs, return_exceptions=True)
        for end in ends:
            if isinstance(end, Exception):
                raise end

    async def _listen(self, client: Client) -> None:
        async for event in client.events():
            self._witness.given(event)
            if self.plan.reader == "slow" and not self.hurry.is_set():
                await _pause(self.hurry, _SLOW_SECONDS)

    # --- sends -----------------------------------------------------------------------

    async def send(
        self,
        client: Client,
        identifier: str,
        body: bytes,
        *,
        recipient: str | None,
        conversation: str,
        members: tuple[str, ...],
    ) -> None:
        """Send a message, again under the same id while its outcome is unknown, and record what
        becomes of it. Returns when that is known, or the client is gone."""
        self._witness.invoked(identifier, conversation, members, body)
        is_unknown = False
        while True:
            try:
                if recipient is not None:
                    receipt = await client.send(
                        recipient, body, client_message_id=identifier,
                        timeout_seconds=_SEND_SECONDS,
                    )  # fmt: skip
                else:
                    receipt = await client.send_to(
                        conversation, body, client_message_id=identifier,
                        timeout_seconds=_SEND_SECONDS,
                    )  # fmt: skip
            except WhimbrelError as error:
                is_unknown = is_unknown or error.outcome_unknown
                if error.code is ErrorCode.DEADLINE_EXCEEDED and not error.outcome_unknown:
                    continue  # it never went out
                self._witness.not_ok(identifier, error.code.name, is_unknown=is_unknown)
                if not error.outcome_unknown:
                    return
                if self.plan.is_restless:  # it stays in the outbox
                    await self._inherit(client, identifier)
                    return
            except ConnectionClosed:
                self._witness.not_ok(identifier, "GONE", is_unknown=True)
                return
            else:
                self._witness.ok(receipt)
                return

    async def _inherit(self, client: Client, identifier: str) -> None:
        """Wait for the answer to a message that is in the outbox already."""
        while True:
            try:
                receipt = await client.receipt(identifier, timeout_seconds=_SEND_SECONDS)
            except WhimbrelError as error:
                if error.code is ErrorCode.DEADLINE_EXCEEDED:
                    continue
                self._witness.not_ok(identifier, error.code.name, is_unknown=True)
                return
            except ConnectionClosed:
                return
            self._witness.ok(receipt)
            return


async def _pause(event: asyncio.Event, seconds: float) -> None:
    """Until the event, or the time is over."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
