"""How many devices a user may have, who yields, and who hears of it, over real streams."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from services.access.settings import DeviceSettings
from tests.component.access.access_world import PING, ScriptedClient, hello
from tests.component.access.device_world import DeviceWorld, device_world
from tests.waiting import until
from whimbrel.api.access.v1 import access_pb2
from whimbrel.api.logic.v1 import logic_pb2
from whimbrel.core.errors import CloseCode

ONE_PHONE = DeviceSettings(limits={"phone": 1})
pytestmark = pytest.mark.timeout(60)


async def closed(client: ScriptedClient) -> CloseCode:
    return CloseCode((await client.closed()).code)


async def refused(world: DeviceWorld, device: str, platform: str, **fields: Any) -> CloseCode:
    client = await world.client()
    await client.say(hello("alice", device_id=device, platform=platform, **fields))
    frame = await client.expect("close")
    return CloseCode(frame.code)


async def lives(client: ScriptedClient) -> None:
    await client.say(PING)
    await client.next("pong")


@pytest.mark.parametrize("pod", [0, 1], ids=["same pod", "other pod"])
async def test_a_second_phone_ends_the_first_with_kicked(tmp_path: Path, pod: int) -> None:
    async with device_world(tmp_path, ONE_PHONE) as world:
        old = await world.device("p1")
        new = await world.device("p2", pod=pod)
        assert await closed(old) is CloseCode.KICKED
        await lives(new)
        assert await world.directory.devices() == {"p2"}


async def test_each_platform_has_its_limit_and_its_policy(tmp_path: Path) -> None:
    devices = DeviceSettings(
        limits={"phone": 1, "desktop": 2, "other": 1},
        policy="kick_oldest",
        policies={"desktop": "refuse", "other": "refuse"},
    )
    async with device_world(tmp_path, devices) as world:
        desks = [await world.device(f"d{number}", "desktop") for number in range(2)]
        phones = [await world.device(f"p{number}") for number in range(2)]
        unnamed = await world.device("o1", "")
        tabs = [await world.device(f"t{number}", "web") for number in range(3)]
        assert await refused(world, "d2", "desktop") is CloseCode.TOO_MANY_DEVICES
        assert await refused(world, "o2", "other") is CloseCode.TOO_MANY_DEVICES
        assert await closed(phones[0]) is CloseCode.KICKED
        for client in (*desks, phones[1], unnamed, *tabs):
            await lives(client)
        # Who is there already is never refused, and who leaves makes room.
        await world.device("d0", "desktop", attempt=2)
        await desks[1].say(access_pb2.ConnectRequest(bye=access_pb2.Bye()))

        async def has_left() -> bool:
            return "d1" not in await world.directory.devices()

        await until(has_left)
        await world.device("d2", "desktop")


async def test_without_limits_devices_are_many(tmp_path: Path) -> None:
    async with device_world(tmp_path, DeviceSettings()) as world:
        clients = [await world.device(f"p{number}", pod=number % 2) for number in range(6)]
        for client in clients:
            await lives(client)


@pytest.mark.parametrize("pod", [0, 1], ids=["same pod", "other pod"])
async def test_of_one_device_twice_the_newest_stays_and_the_other_may_not_return(
    tmp_path: Path, pod: int
) -> None:
    async with device_world(tmp_path, ONE_PHONE) as world:
        old = await world.device("p1", instance_id="i1")
        new = await world.device("p1", pod=pod, instance_id="i2")
        code = await closed(old)
        assert code is CloseCode.SUPERSEDED
        assert not code.reconnects
        await lives(new)


async def test_a_platform_that_is_no_name_is_refused(tmp_path: Path) -> None:
    async with device_world(tmp_path, ONE_PHONE) as world:
        for platform in ("x" * 17, "a b", "a|b"):
            assert await refused(world, "p1", platform) is CloseCode.INVALID_FRAME


async def test_the_scope_of_the_account_is_passed_on(tmp_path: Path) -> None:
    async with device_world(tmp_path, DeviceSettings()) as world:
        for scope in range(3):
            await world.device(f"p{scope}", cursor_scope=scope)
        asked = {one.device_id: one.account_scope for one in world.logic.attaches}
        assert asked == {"p0": False, "p1": False, "p2": True}


# Notices that do not come, or come at the wrong moment.


async def test_a_lost_notice_is_found_out_at_the_re_assert(tmp_path: Path) -> None:
    async with device_world(tmp_path, ONE_PHONE, carries=False, assert_seconds=0.2) as world:
        old = await world.device("p1", pod=0)
        new = await world.device("p2", pod=1)
        assert await closed(old) is CloseCode.KICKED
        assert [kicked.device_id for kicked in world.logic.kicked] == ["p1"]
        await lives(new)
        assert await world.directory.devices() == {"p2"}


async def test_a_lost_notice_is_found_out_though_redis_has_forgotten_the_kick(
    tmp_path: Path,
) -> None:
    async with device_world(tmp_path, ONE_PHONE, carries=False, assert_seconds=0.2) as world:
        world.directory.forgets_kicks = True
        old = await world.device("p1", pod=0)
        new = await world.device("p2", pod=1)
        assert await closed(old) is CloseCode.KICKED
        await lives(new)
        assert await world.directory.devices() == {"p2"}


async def test_a_client_that_never_heard_of_its_kick_does_not_kick_in_return(
    tmp_path: Path,
) -> None:
    async with device_world(tmp_path, ONE_PHONE, carries=False) as world:
        old = await world.device("p1", pod=0)
        new = await world.device("p2", pod=1)
        old.call.cancel()  # its network is gone before anybody told it
        assert await refused(world, "p1", "phone", attempt=2) is CloseCode.KICKED
        await lives(new)
        # A person who starts it anew wants it back.
        await world.device("p1", pod=1, instance_id="i2")
        assert await closed(new) is CloseCode.KICKED


async def test_a_notice_that_overtakes_the_routers_answer_is_not_forgotten(
    tmp_path: Path,
) -> None:
    async with device_world(tmp_path, ONE_PHONE) as world:
        witness = await world.client(0)
        await witness.attach("bob")
        world.directory.answers.clear()
        old = await world.client(0)
        await old.say(hello("alice", device_id="p1", platform="phone"))
        await until(lambda: len(world.directory.attached) == 2)
        ((route,),) = [user.routes for user in await world.directory.locate(["alice"])]
        new = await world.client(1)
        await new.say(hello("alice", device_id="p2", platform="phone"))
        await until(lambda: len(world.directory.attached) == 3)
        # The winner's answer is held back too, so its notice is said for it.
        notice = logic_pb2.Kicked(
            user_id="alice", device_id="p1", epoch=route.epoch, pod_id="access-0"
        )
        world.logic.say(logic_pb2.LinkResponse(kicked=[notice]))
        world.logic.write("bob", 1)
        world.logic.push("bob", 1)
        assert await witness.seqs(1) == [1]  # it came behind the notice, on the same link
        world.directory.answers.set()
        assert await closed(old) is CloseCode.KICKED
        await new.expect("welcome")


async def test_a_late_notice_leaves_a_newer_session_alone(tmp_path: Path) -> None:
    async with device_world(tmp_path, ONE_PHONE) as world:
        first = await world.client()
        epoch = (await first.attach("alice", device_id="p1", platform="phone")).epoch
        again = await world.device("p1", attempt=2, epoch=epoch)
        notice = logic_pb2.Kicked(user_id="alice", device_id="p1", epoch=epoch, pod_id="access-0")
        world.logic.say(logic_pb2.LinkResponse(kicked=[notice]))
        world.logic.write("alice", 1)
        world.logic.push("alice", 1)  # behind the notice on the same link
        assert await again.seqs(1) == [1]
        await lives(again)
