"""A client that sends too much: what it is told, and that nothing of it is lost."""

from __future__ import annotations

from pathlib import Path

from tests.component.access.access_world import PING, access_world, sends, text
from whimbrel.api.types.v1 import types_pb2


async def test_a_message_beyond_the_rate_is_rejected_with_the_time_to_wait(tmp_path: Path) -> None:
    shell = {"user_messages_per_second": 0.5, "user_messages_burst": 2}
    async with access_world(tmp_path, shell=shell) as world:
        client = await world.attached("mallory")
        await client.say(sends(*(text(f"m{n}") for n in range(3))))
        (rejected,) = (await client.next("rejected")).messages
        assert rejected.client_message_id == "m2"
        assert rejected.code == types_pb2.ERROR_CODE_RATE_LIMITED
        assert 0 < rejected.retry_after_ms <= 2_000
        assert not rejected.outcome_unknown
        other = await world.attached("alice")
        await other.say(sends(text("a0", "carol")))
        await world.logic.until(lambda: len(world.logic.sends) == 3)
        assert [send.client_message_id for send in world.logic.sends] == ["m0", "m1", "a0"]


async def test_a_stream_that_comes_too_fast_is_slowed_down_and_not_ended(tmp_path: Path) -> None:
    shell = {"frames_per_second": 200, "frames_burst": 1}
    async with access_world(tmp_path, shell=shell, heartbeat_seconds=0.1) as world:
        client = await world.attached("bob")
        throttled = world.stream_of("bob").services.shell
        for _ in range(40):
            await client.say(PING)
        await client.say(sends(text("m1", "alice")))
        await world.logic.until(lambda: bool(world.logic.sends))
        assert throttled.throttled > 20
