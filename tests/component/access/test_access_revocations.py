"""What was revoked ends streams and is not let in again, on this pod, by token and by ticket."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import grpc
import pytest

from services.access.tickets import Ticket, TicketOffice
from tests.component.access.access_world import PING, SECRET, World, access_world, hello
from tests.waiting import until
from whimbrel.api.access.v1 import access_pb2
from whimbrel.core.errors import CloseCode
from whimbrel.core.revocations import Revocation
from whimbrel.runtime.tokens import sign_token

pytestmark = pytest.mark.timeout(60)


def token(user: str = "bob", login: str = "", at: float | None = None) -> str:
    return sign_token(SECRET, user, 600, now=time.time() if at is None else at, login_id=login)


async def revoke(world: World, user: str = "bob", **of: str) -> None:
    now = time.time()
    await world.logic.revocations.add([Revocation(user, now, now + 900, **of)])


async def first_frame(world: World, **fields: Any) -> access_pb2.ConnectResponse:
    client = await world.client()
    await client.say(hello("bob", **fields))
    frame: access_pb2.ConnectResponse = await client.call.read()
    return frame


async def is_refused(world: World, **fields: Any) -> bool:
    frame = await first_frame(world, **fields)
    if frame.HasField("close"):
        assert CloseCode(frame.close.code) is CloseCode.REVOKED
        return True
    return False


async def test_an_account_ends_everywhere_and_a_new_token_opens_it_again(tmp_path: Path) -> None:
    async with access_world(tmp_path) as world:
        old = token()
        phone = await world.attached(device_id="phone", token=old)
        desk = await world.attached(device_id="desk", token=old)
        alice = await world.attached("alice")
        await revoke(world)
        for client in (phone, desk):
            assert CloseCode((await client.closed()).code) is CloseCode.REVOKED
        assert await is_refused(world, device_id="third", token=old)
        await alice.say(PING)
        await alice.next("pong")
        await world.attached(device_id="phone", token=token())


async def test_a_device_ends_and_the_others_stay(tmp_path: Path) -> None:
    async with access_world(tmp_path) as world:
        held = token()
        phone = await world.attached(device_id="phone", token=held)
        desk = await world.attached(device_id="desk", token=held)
        await revoke(world, device_id="phone")
        assert CloseCode((await phone.closed()).code) is CloseCode.REVOKED
        assert await is_refused(world, device_id="phone", token=held)
        await desk.say(PING)
        await desk.next("pong")


async def test_a_login_ends_under_whatever_name_of_a_device(tmp_path: Path) -> None:
    async with access_world(tmp_path) as world:
        stolen = token(login="l1")
        thief = await world.attached(device_id="other", token=stolen)
        own = await world.attached(device_id="phone", token=token(login="l2"))
        await revoke(world, login_id="l1")
        assert CloseCode((await thief.closed()).code) is CloseCode.REVOKED
        # Also one that was issued later, by a gateway that had not heard.
        assert await is_refused(world, device_id="again", token=token(login="l1"))
        await own.say(PING)
        await own.next("pong")


async def test_what_was_revoked_before_the_pod_started_is_not_let_in(tmp_path: Path) -> None:
    async with access_world(tmp_path) as world:
        await revoke(world)
        old = token(at=time.time() - 5)

        async def refused() -> bool:
            return await is_refused(world, device_id="phone", token=old)

        await until(refused)


async def test_a_ticket_is_no_way_around_it(tmp_path: Path) -> None:
    async with access_world(tmp_path) as world:
        office = TicketOffice(SECRET, clock=time.time)

        def ticket(login: str) -> str:
            return office.write(
                Ticket("bob", "phone", "i1", "access-0", 1, time.time() + 600, login, time.time())
            )

        await revoke(world, login_id="l1")

        async def is_known() -> bool:
            return await is_refused(world, device_id="other", token=token(login="l1"))

        await until(is_known)
        # The token is the same login's: with a good one, the device would be let in by it.
        assert await is_refused(
            world, device_id="phone", ticket=ticket("l1"), token=token(login="l1")
        )
        frame = await first_frame(
            world, device_id="phone", ticket=ticket("l1"), token=token(login="l2")
        )
        assert frame.HasField("welcome")


async def test_unary_calls_are_refused_too(tmp_path: Path) -> None:
    async with access_world(tmp_path) as world:
        held = token()
        client = await world.attached(token=held)
        await revoke(world)
        await client.closed()
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await client.stub.ListMembers(
                access_pb2.ListMembersRequest(conversation_id="g:1"),
                metadata=(("authorization", f"Bearer {held}"),),
            )
        assert error.value.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_a_logic_pod_that_hangs_does_not_hold_it_up(tmp_path: Path) -> None:
    async with access_world(tmp_path, logic_pods=2) as world:
        world.logics[0].answers_revocations = False
        for number in range(3):
            user = f"user-{number}"
            client = await world.attached(user, token=token(user))
            began = time.monotonic()
            now = time.time()
            await world.logics[1].revocations.add([Revocation(user, now, now + 900)])
            assert CloseCode((await client.closed()).code) is CloseCode.REVOKED
            assert time.monotonic() - began < 2.0


async def test_a_pod_asks_twice_a_second_and_says_how_fresh_it_is(tmp_path: Path) -> None:
    async with access_world(tmp_path, logic_pods=2) as world:
        await until(lambda: all(logic.revocation_asks >= 2 for logic in world.logics))
        asked = sum(logic.revocation_asks for logic in world.logics)
        began = time.monotonic()
        await until(lambda: sum(logic.revocation_asks for logic in world.logics) >= asked + 4)
        assert time.monotonic() - began > 1.0, "no more often than it needs"
