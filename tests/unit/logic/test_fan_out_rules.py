"""Who hears of a committed message or is woken, and what is refused (rules 10, 11, 13, 16, 20)."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from services.logic.domain.model import Answer
from services.logic.usecases.attach_session import Attach
from tests.unit.logic.logic_world import World, code_of, draft, running, send
from whimbrel.core.attributes import Attributes


async def test_routes_are_read_after_the_commit() -> None:
    """Rule 10: when the Router is asked, the entries are there for a backlog to find."""
    world = World()
    seen: list[list[int]] = []
    locate = world.locator.locate

    async def spy(users: Sequence[str]) -> dict[str, list[str]]:
        seen.append(await world.seqs("bob"))
        return await locate(users)

    world.locator.locate = spy  # type: ignore[method-assign]
    async with running(world.logic()) as logic:
        await send(logic, draft())
        await logic.fan_out.wait_idle(1)
    assert seen == [[1]]


async def test_a_failed_lookup_is_tried_again_and_never_means_offline() -> None:
    """Rule 11."""
    world = World()
    world.locator.routes = {"alice": ["access-0"], "bob": ["access-1"]}
    world.locator.away = 2
    async with running(world.logic()) as logic:
        await send(logic, draft())
        assert await logic.fan_out.wait_idle(5)
    assert {pod for pod, _, _ in world.outlet.delivered} == {"access-0", "access-1"}
    assert not world.push_queue.jobs


async def test_one_message_crosses_each_link_once() -> None:
    world = World()
    await world.conversations.create_group("g:x", "alice", ["bob", "carol"], "", 0)
    world.locator.routes = {name: ["access-1"] for name in ("alice", "bob", "carol")}
    async with running(world.logic()) as logic:
        await send(logic, draft(to="g:x"))
        await logic.fan_out.wait_idle(1)
    ((pod, _, targets),) = world.outlet.delivered
    assert pod == "access-1"
    assert {entry.user for entry in targets} == {"alice", "bob", "carol"}


async def test_who_is_on_no_pod_is_indexed_and_woken_and_the_sender_is_not() -> None:
    world = World()
    world.locator.routes = {"alice": ["access-0"]}
    async with running(world.logic()) as logic:
        await send(logic, draft())
        await logic.fan_out.wait_idle(1)
    assert [job.user for job in world.push_queue.jobs] == ["bob"]


@pytest.mark.parametrize(
    ("attributes", "woken"),
    [
        (Attributes(mentions=("bob",)), {"bob": True, "carol": False}),
        (Attributes(mentions_all=True), {"bob": True, "carol": True}),
        (Attributes(), {"bob": False, "carol": False}),
    ],
)
async def test_a_job_says_whether_the_message_means_its_user(
    attributes: Attributes, woken: dict[str, bool]
) -> None:
    world = World()
    await world.conversations.create_group("g:x", "alice", ["bob", "carol"], "", 0)
    async with running(world.logic()) as logic:
        await send(logic, draft(to="g:x", attributes=attributes))
        await logic.fan_out.wait_idle(1)
    assert {job.user: job.mentions_user for job in world.push_queue.jobs} == woken


async def test_a_lost_index_is_rebuilt_by_the_next_message_for_its_user() -> None:
    """Rule 20, promise 8: Redis was flushed between two messages for somebody who is away."""
    world = World()
    async with running(world.logic()) as logic:
        first = await send(logic, draft())
        await logic.fan_out.wait_idle(1)
        world.undelivered.lose_everything()
        second = await send(logic, draft(client_id="c2"))
        await logic.fan_out.wait_idle(1)
    assert isinstance(first, Answer)
    assert isinstance(second, Answer)
    index = await world.undelivered.find("bob")
    assert index == {"d:alice:bob": [first.message_id, second.message_id]}


async def test_a_route_without_a_link_is_treated_as_offline() -> None:
    world = World()
    world.locator.routes = {"alice": ["access-0"], "bob": ["access-7"]}
    async with running(world.logic()) as logic:
        await send(logic, draft())
        await logic.fan_out.wait_idle(1)
    assert [job.user for job in world.push_queue.jobs] == ["bob"]


async def test_a_resend_of_a_stored_message_repeats_the_fan_out() -> None:
    """Rule 16: the first attempt may have died before it told anybody."""
    world = World()
    async with running(world.logic()) as logic:
        first = await send(logic, draft())
        await logic.fan_out.wait_idle(1)
    world.memory = type(world.memory)()  # died before it could remember
    world.locator.routes = {"bob": ["access-1"]}
    async with running(world.logic("logic-1/b")) as other:
        assert await send(other, draft(), resend=True) == first
        await other.fan_out.wait_idle(1)
    assert [pod for pod, _, _ in world.outlet.delivered] == ["access-1"]


async def test_a_send_of_an_older_attachment_is_refused() -> None:
    """Rule 13, promise 7."""
    world = World()
    async with running(world.logic()) as logic:
        await logic.use_cases.attach.attach([Attach("alice", "phone", 7, None, 10)])
        assert code_of(await send(logic, draft(), epoch=6)) == "STALE_EPOCH"
        assert isinstance(await send(logic, draft(client_id="c2"), epoch=7), Answer)


@pytest.mark.parametrize(
    ("conversation", "code"),
    [
        ("g:nowhere", "UNKNOWN_CONVERSATION"),
        ("nonsense", "UNKNOWN_CONVERSATION"),
        ("d:bob:carol", "NOT_A_MEMBER"),
        ("g:x", "NOT_A_MEMBER"),
    ],
)
async def test_a_send_to_the_wrong_place_is_refused_and_stores_nothing(
    conversation: str, code: str
) -> None:
    world = World()
    await world.conversations.create_group("g:x", "bob", ["carol"], "", 0)
    async with running(world.logic()) as logic:
        assert code_of(await send(logic, draft(to=conversation))) == code
    assert await world.seqs("bob") == []
