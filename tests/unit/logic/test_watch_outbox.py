"""Events that nobody delivers are said once, and once more when somebody does."""

from __future__ import annotations

from structlog.testing import capture_logs

from services.logic.domain.events import HostEvent
from services.logic.usecases.watch_outbox import UNTAKEN_MS, WatchOutbox
from tests.unit.logic.logic_world import World
from whimbrel.testing.memory_stores.event_outbox import MemoryEventOutbox


async def test_a_push_that_was_not_told_of_events_is_noticed() -> None:
    world, outbox = World(), MemoryEventOutbox()
    watch = WatchOutbox(outbox, wall_ms=world.clock.wall_ms)
    at_ms = world.clock.wall_ms()
    await outbox.put([HostEvent("1.message.sent", "d:alice:bob", 1, at_ms, "{}")], due_ms=at_ms)
    with capture_logs() as logs:
        await watch.look()
        world.clock.now += UNTAKEN_MS / 1000 - 1
        await watch.look()
        assert not logs, "a push pod may be busy"
        world.clock.now += 1
        for _ in range(3):
            await watch.look()
        assert [one["event"] for one in logs] == ["events_not_taken"]
        assert "WHIMBREL_WEBHOOKS__EVENTS_URL" in logs[0]["hint"]
        assert watch.oldest_seconds == UNTAKEN_MS / 1000
        taken = await outbox.take("push-0/a#0", now_ms=world.clock.wall_ms(), lease_ms=200_000)
        assert taken is not None
        await watch.look()
    assert [one["event"] for one in logs] == ["events_not_taken", "events_taken_again"]


async def test_a_backend_that_fails_is_not_a_push_that_does_not_deliver() -> None:
    world, outbox = World(), MemoryEventOutbox()
    watch = WatchOutbox(outbox, wall_ms=world.clock.wall_ms)
    now_ms = world.clock.wall_ms()
    await outbox.put([HostEvent("1.message.sent", "d:alice:bob", 1, now_ms, "{}")], due_ms=now_ms)
    taken = await outbox.take("push-0/a#0", now_ms=now_ms, lease_ms=1000)
    assert taken is not None
    await outbox.release(taken, "push-0/a#0", due_ms=now_ms + 600_000, attempts=9)
    world.clock.now += 500
    state = await watch.look()
    assert (state.waiting, state.untaken_ms) == (1, 0)
    assert watch.oldest_seconds == 500
