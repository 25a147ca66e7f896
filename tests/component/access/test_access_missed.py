"""What was committed and never pushed, because the link broke or Logic died: heads tell."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.component.access.access_world import ScriptedClient, World, access_world
from tests.component.access.fake_logic import FakeLogic
from whimbrel.core.rendezvous import choose

USERS = 40


def share_timelines(world: World) -> None:
    """What one Logic pod has committed the others read, as from MongoDB."""
    for logic in world.logics[1:]:
        logic.timelines = world.logics[0].timelines


def die(logic: FakeLogic) -> None:
    """Its links break, and it takes no new ones; the registry does not know it yet."""
    logic.takes_links = False
    logic.break_links()


async def has_missed_nothing(client: ScriptedClient, seqs: list[int]) -> None:
    assert await client.seqs(len(seqs)) == seqs


@pytest.mark.parametrize("survives", [True, False], ids=["the_link_breaks", "logic_dies"])
async def test_what_a_broken_link_did_not_bring_is_there_within_two_seconds(
    tmp_path: Path, *, survives: bool
) -> None:
    # An assert would look at the heads too: there is none.
    async with access_world(tmp_path, logic_pods=2, assert_seconds=60) as world:
        share_timelines(world)
        users = [f"user-{number}" for number in range(USERS)]
        clients = [await world.attached(user) for user in users]
        logic, other = world.logics
        for user in users:
            logic.write(user, 1, 2)
        fetches, batches = len(other.fetches), len(other.highest)
        async with asyncio.timeout(2):
            if survives:
                logic.break_links()
            else:
                die(logic)
            async with asyncio.TaskGroup() as tasks:
                for client in clients:
                    tasks.create_task(has_missed_nothing(client, [1, 2]))
        if not survives:
            assert len(other.fetches) - fetches >= USERS
            assert len(other.highest) - batches < USERS / 2, "many in one batch"


async def test_heads_are_looked_at_again_when_a_commit_in_flight_has_ended(tmp_path: Path) -> None:
    """Logic was killed with its insert in flight: MongoDB takes it after the first look."""
    async with access_world(tmp_path, logic_pods=2, assert_seconds=60, send_seconds=1.5) as world:
        share_timelines(world)
        client = await world.attached("bob")
        home_id = choose("bob", [logic.pod.pod_id for logic in world.logics])
        (home,) = (logic for logic in world.logics if logic.pod.pod_id == home_id)
        (victim,) = (logic for logic in world.logics if logic is not home)
        looks = len(home.head_checks)
        loop = asyncio.get_running_loop()
        broken_at = loop.time()
        die(victim)
        await home.until(lambda: len(home.head_checks) > looks)
        assert home.head_checks[-1].next_seq == 1
        looks = len(home.head_checks)
        victim.write("bob", 1)
        await has_missed_nothing(client, [1])
        assert len(home.head_checks) == looks + 1, "one more look, at the deadline of the commit"
        assert loop.time() - broken_at > 1.4
