"""Events reach the host product in order, and each way of not taking them has its outcome."""

from __future__ import annotations

import asyncio
import base64
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from standardwebhooks import Webhook

from services.logic.domain.events import HostEvent
from services.push.domain.deliveries import pause_seconds
from services.push.usecases.deliver_events import MAX_EVENTS, DeliverEvents
from tests.waiting import until
from whimbrel.runtime.http_answer import HttpAnswer
from whimbrel.runtime.webhook_client import open_webhook_client
from whimbrel.testing.memory_stores.event_outbox import MemoryEventOutbox

SECRET = "whsec_" + base64.b64encode(b"s" * 32).decode()
GIVE_UP_SECONDS = 3600.0
HANG = 0


class Receiver:
    """A real server; `status_of` a conversation decides what it answers."""

    def __init__(self) -> None:
        self.status_of: Callable[[str], int] = lambda _: 200
        self.retry_after = ""
        self.taken: dict[str, list[int]] = {}
        self.tries: Counter[str] = Counter()
        self.ids: list[str] = []
        self.held = asyncio.Event()

    async def answer(self, request: web.Request) -> web.Response:
        rows = Webhook(SECRET).verify(await request.read(), dict(request.headers))["events"]
        (key,) = {row["conversation"] for row in rows}
        self.ids.append(request.headers["webhook-id"])
        self.tries[key] += 1
        status = self.status_of(key)
        if status == HANG:
            await self.held.wait()
            return web.Response()
        if status == 200:
            self.taken.setdefault(key, []).extend(row["n"] for row in rows)
        return web.Response(status=status, headers={"retry-after": self.retry_after})


class Wall:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.ms = 1_000_000

    def __call__(self) -> int:
        return self.ms


@asynccontextmanager
async def delivering(
    tmp_path: Path, queue: MemoryEventOutbox, receiver: Receiver, wall: Wall
) -> AsyncIterator[DeliverEvents]:
    secrets = tmp_path / "secrets"
    secrets.write_text(SECRET)
    app = web.Application()
    app.router.add_post("/events", receiver.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/events"
    try:
        async with open_webhook_client(secrets, max_connections=4) as client:

            async def post(webhook_id: str, content: str) -> HttpAnswer:
                return await client.post(url, webhook_id, content, timeout_seconds=0.2)

            yield DeliverEvents(
                queue,
                post,
                holder="push-0/a",
                workers=2,
                timeout_seconds=0.2,
                give_up_seconds=GIVE_UP_SECONDS,
                wall_ms=wall,
                chance=lambda: 0.0,
            )
    finally:
        receiver.held.set()
        await runner.cleanup()


def event(number: int, key: str = "d:alice:bob", at_ms: int = 990_000) -> HostEvent:
    return HostEvent(
        f"{number}.message.sent",
        key,
        number,
        at_ms,
        json.dumps({"n": number, "conversation": key}),
    )


async def deliver_due(deliver: DeliverEvents) -> None:
    while await deliver.deliver_one("push-0/a#0"):
        pass


async def test_more_events_than_one_request_takes_arrive_in_order(tmp_path: Path) -> None:
    queue, receiver, wall = MemoryEventOutbox(), Receiver(), Wall()
    numbers = list(range(2 * MAX_EVENTS + 5))
    await queue.put([event(number) for number in reversed(numbers)], due_ms=0)
    async with delivering(tmp_path, queue, receiver, wall) as deliver:
        await deliver_due(deliver)
    assert receiver.taken == {"d:alice:bob": numbers}
    assert receiver.tries["d:alice:bob"] == 3
    assert not queue.waiting


@pytest.mark.parametrize("status", [500, 503, 429, 404, 302, HANG])
async def test_what_is_not_taken_is_tried_again_and_holds_up_no_other(
    tmp_path: Path, status: int
) -> None:
    queue, receiver, wall = MemoryEventOutbox(), Receiver(), Wall()
    receiver.status_of = lambda key: status if key == "g:broken" else 200
    await queue.put([event(1, "g:broken"), event(2, "g:broken"), event(3, "g:well")], due_ms=0)
    async with delivering(tmp_path, queue, receiver, wall) as deliver:
        await deliver_due(deliver)
        assert receiver.taken == {"g:well": [3]}
        assert receiver.tries["g:broken"] == 1
        receiver.status_of = lambda _: 200
        await deliver_due(deliver)
        assert receiver.tries["g:broken"] == 1  # not before its pause is over
        wall.ms += 600
        await deliver_due(deliver)
    assert receiver.taken["g:broken"] == [1, 2]
    assert len({one for one in receiver.ids if one.startswith("1.")}) == 1
    assert not queue.waiting


async def test_a_retry_after_is_honoured(tmp_path: Path) -> None:
    queue, receiver, wall = MemoryEventOutbox(), Receiver(), Wall()
    receiver.status_of, receiver.retry_after = lambda _: 429, "60"
    await queue.put([event(1)], due_ms=0)
    async with delivering(tmp_path, queue, receiver, wall) as deliver:
        await deliver_due(deliver)
        receiver.status_of = lambda _: 200
        wall.ms += 59_999
        await deliver_due(deliver)
        assert not receiver.taken
        wall.ms += 1
        await deliver_due(deliver)
    assert receiver.taken == {"d:alice:bob": [1]}


async def test_what_nobody_wants_is_dropped(tmp_path: Path) -> None:
    queue, receiver, wall = MemoryEventOutbox(), Receiver(), Wall()
    receiver.status_of = lambda _: 410
    await queue.put([event(1)], due_ms=0)
    async with delivering(tmp_path, queue, receiver, wall) as deliver:
        await deliver_due(deliver)
    assert not queue.waiting
    assert not queue.dead
    assert deliver.outcomes == {"unwanted": 1}


async def test_an_event_that_was_never_taken_becomes_a_dead_letter(tmp_path: Path) -> None:
    queue, receiver, wall = MemoryEventOutbox(), Receiver(), Wall()
    old = wall.ms - int(GIVE_UP_SECONDS * 1000) - 1
    await queue.put([event(1, at_ms=old), event(2)], due_ms=0)
    receiver.status_of = lambda _: 500
    async with delivering(tmp_path, queue, receiver, wall) as deliver:
        await deliver_due(deliver)
        assert not queue.dead, "it was old before anybody tried"
        receiver.status_of = lambda _: 200
        wall.ms += 1000
        await deliver_due(deliver)
    assert list(queue.dead) == ["1.message.sent"]
    assert receiver.taken == {"d:alice:bob": [2]}


async def test_events_wait_until_others_of_the_same_moment_are_there(tmp_path: Path) -> None:
    queue, receiver, wall = MemoryEventOutbox(), Receiver(), Wall()
    async with delivering(tmp_path, queue, receiver, wall) as deliver:
        # The commit of both took ten seconds: what counts is when they were recorded.
        old_ms = wall.ms - 10_000
        await queue.put([event(2, at_ms=old_ms)], due_ms=wall.ms + 1000)
        await deliver_due(deliver)
        await queue.put([event(1, at_ms=old_ms)], due_ms=wall.ms + 1000)
        wall.ms += 1000
        await deliver_due(deliver)
    assert receiver.taken == {"d:alice:bob": [1, 2]}


async def test_what_is_recorded_later_than_the_others_are_delivered_comes_after_them(
    tmp_path: Path,
) -> None:
    """The bound of the order: a second pod that records an older message a second later."""
    queue, receiver, wall = MemoryEventOutbox(), Receiver(), Wall()
    async with delivering(tmp_path, queue, receiver, wall) as deliver:
        await queue.put([event(2)], due_ms=wall.ms + 1000)
        wall.ms += 1000
        await deliver_due(deliver)
        await queue.put([event(1)], due_ms=wall.ms + 1000)
        wall.ms += 1000
        await deliver_due(deliver)
    assert receiver.taken == {"d:alice:bob": [2, 1]}


async def test_the_workers_deliver_by_themselves(tmp_path: Path) -> None:
    queue, receiver, wall = MemoryEventOutbox(), Receiver(), Wall()
    keys = [f"g:{number}" for number in range(10)]
    for number, key in enumerate(keys):
        await queue.put([event(100 + number, key), event(200 + number, key)], due_ms=0)
    async with delivering(tmp_path, queue, receiver, wall) as deliver:
        running = asyncio.create_task(deliver.run())
        await until(lambda: not queue.waiting)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
    assert all(receiver.taken[key] == sorted(receiver.taken[key]) for key in keys)
    assert sum(len(one) for one in receiver.taken.values()) == 20


def test_pauses_double_up_to_ten_minutes_and_never_overflow() -> None:
    assert [pause_seconds(n, 0.0) for n in (1, 2, 3)] == [0.5, 1.0, 2.0]
    assert pause_seconds(10_000, 0.999) < 600
    assert pause_seconds(1, 0.0, 10.0) == 10
    assert pause_seconds(1, 0.0, 999_999_999.0) == 3600
