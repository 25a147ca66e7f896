"""Links to Logic: what happens to whom when one is slow, breaks, or comes back."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.component.access.access_world import PING, access_world, ack, sends, text
from tests.component.access.fake_logic import FakeLogic
from whimbrel.api.access.v1 import access_pb2
from whimbrel.api.logic.v1 import logic_pb2
from whimbrel.api.router.v1 import router_pb2
from whimbrel.api.types.v1 import types_pb2
from whimbrel.core.rendezvous import choose


def chosen(logics: list[FakeLogic], key: str) -> FakeLogic:
    by_id = {logic.pod.pod_id: logic for logic in logics}
    pod_id = choose(key, by_id)
    assert pod_id is not None
    return by_id[pod_id]


async def test_a_broken_link_says_unknown_and_heads_are_checked(tmp_path: Path) -> None:
    async with access_world(tmp_path) as world:
        client = await world.attached()
        world.logic.answers_sends = False
        await client.say(sends(text("m1")))
        await world.logic.until(lambda: len(world.logic.sends) == 1)
        world.logic.write("bob", 1)  # stored, but the link breaks before anybody is told
        checks = len(world.logic.head_checks)
        world.logic.break_links()
        (unknown,) = (await client.expect("rejected")).messages
        assert unknown.client_message_id == "m1"
        assert unknown.code == types_pb2.ERROR_CODE_UNAVAILABLE
        assert unknown.outcome_unknown
        assert unknown.retry_after_ms == 200
        await world.logic.until(lambda: len(world.logic.head_checks) > checks)
        assert world.logic.head_checks[-1].next_seq == 1
        assert await client.seqs(1) == [1], "what was lost with the link is pulled"
        assert len(world.logic.hellos) == 2


async def test_a_send_that_nobody_answers_is_unknown_after_its_deadline(tmp_path: Path) -> None:
    async with access_world(tmp_path, send_seconds=0.3) as world:
        client = await world.attached()
        world.logic.answers_sends = False
        await client.say(sends(text("m1")))
        (unknown,) = (await client.expect("rejected")).messages
        assert unknown.outcome_unknown
        assert world.logic.sends[0].budget_ms == 300
        # The answer that comes too late is nobody's: the entry comes as a delivery.
        world.logic.write("bob", 1)
        late = logic_pb2.SendResult(
            ref=world.logic.sends[0].ref, stored=logic_pb2.Stored(message_id=1, seq=1)
        )
        world.logic.say(logic_pb2.LinkResponse(results=[late]))
        world.logic.push("bob", 1)
        assert await client.seqs(1) == [1]


async def test_without_any_link_a_send_is_refused_and_was_not_stored(tmp_path: Path) -> None:
    async with access_world(tmp_path) as world:
        client = await world.attached()
        world.logic.takes_links = False
        world.logic.answers_sends = False
        await client.say(sends(text("m1")))
        await world.logic.until(lambda: len(world.logic.sends) == 1)
        world.logic.break_links()
        (unknown,) = (await client.expect("rejected")).messages
        assert unknown.outcome_unknown
        await client.say(sends(text("m2")))
        (refused,) = (await client.expect("rejected")).messages
        assert refused.code == types_pb2.ERROR_CODE_UNAVAILABLE
        assert refused.retry_after_ms > 0
        assert not refused.outcome_unknown


async def test_acks_are_confirmed_when_stored_and_survive_a_broken_link(tmp_path: Path) -> None:
    async with access_world(tmp_path, ack_flush_seconds=0.05) as world:
        world.logic.write("bob", 1, 2, 3)
        client = await world.attached()
        assert await client.seqs(3) == [1, 2, 3]
        world.logic.confirms_cursors = False
        await client.say(ack(1), ack(2, confirm_now=True))
        await world.logic.until(lambda: bool(world.logic.stores))
        world.logic.confirms_cursors = True
        world.logic.break_links()
        assert (await client.expect("ack_confirmed")).cursor == 2
        assert world.logic.cursors["bob", "phone"] == 2


async def test_a_confirmation_comes_along_with_the_next_frame(tmp_path: Path) -> None:
    async with access_world(tmp_path, ack_flush_seconds=0.05) as world:
        world.logic.write("bob", 1, 2)
        client = await world.attached()
        assert await client.seqs(2) == [1, 2]
        await client.say(ack(2))
        await world.logic.until(lambda: world.logic.cursors.get(("bob", "phone")) == 2)
        confirmed = 0
        while not confirmed:  # the answer of Logic is on its way to the pod
            await client.say(PING)
            frame = await client.read()
            assert frame.WhichOneof("frame") == "pong"
            confirmed = frame.confirmed_cursor
        assert confirmed == 2
        await client.say(PING)
        assert (await client.read()).confirmed_cursor == 0, "it is said once"


async def test_acks_of_a_stream_that_has_ended_are_still_stored(tmp_path: Path) -> None:
    async with access_world(tmp_path, ack_flush_seconds=0.1) as world:
        world.logic.write("bob", 1, 2)
        client = await world.attached()
        assert await client.seqs(2) == [1, 2]
        await client.say(ack(2), access_pb2.ConnectRequest(bye=access_pb2.Bye()))
        await client.ended()
        await world.logic.until(lambda: world.logic.cursors.get(("bob", "phone")) == 2)


async def test_acks_are_coalesced(tmp_path: Path) -> None:
    async with access_world(tmp_path, ack_flush_seconds=0.2) as world:
        world.logic.write("bob", *range(1, 51))
        client = await world.attached()
        assert await client.seqs(50) == list(range(1, 51))
        await client.say(*[ack(cursor) for cursor in range(1, 51)])
        await world.logic.until(lambda: world.logic.cursors.get(("bob", "phone")) == 50)
        assert len(world.logic.stores) <= 3


async def test_conversations_and_users_choose_their_link(tmp_path: Path) -> None:
    async with access_world(tmp_path, logic_pods=3) as world:
        client = await world.attached("bob")
        home = chosen(world.logics, "bob")
        assert [len(logic.attaches) for logic in world.logics if logic is not home] == [0, 0]
        for number in range(6):
            await client.say(sends(text(f"m{number}", recipient=f"user{number}")))
            await client.next("accepted")
            conversation = f"d:bob:user{number}"
            assert chosen(world.logics, conversation).sends[-1].client_message_id == f"m{number}"


async def test_an_attach_moves_to_another_link_when_its_own_breaks(tmp_path: Path) -> None:
    async with access_world(tmp_path, logic_pods=2) as world:
        home = chosen(world.logics, "bob")
        (other,) = (logic for logic in world.logics if logic is not home)
        home.answers_attaches = False
        client = await world.client()
        attaching = asyncio.create_task(client.attach("bob"))
        await home.until(lambda: len(home.attaches) == 1)
        other.write("bob", 1)
        home.answers_attaches = True
        home.pod.state = router_pb2.POD_STATE_DRAINING
        world.router.set_pod(home.pod)
        home.break_links()
        await attaching


async def test_a_draining_logic_pod_gets_nothing_new(tmp_path: Path) -> None:
    async with access_world(tmp_path, logic_pods=2) as world:
        client = await world.attached("bob")
        home = chosen(world.logics, "d:alice:bob")
        (other,) = (logic for logic in world.logics if logic is not home)
        draining = router_pb2.Pod()
        draining.CopyFrom(home.pod)
        draining.state = router_pb2.POD_STATE_DRAINING
        world.router.set_pod(draining)
        number = 0
        while not other.sends:
            number += 1
            await client.say(sends(text(f"m{number}")))
            await client.next("accepted")
        before = len(home.sends)
        await client.say(sends(text("last")))
        await client.next("accepted")
        assert len(home.sends) == before
        assert home.links, "the link itself stays"


async def test_the_highest_message_id_travels_to_every_link(tmp_path: Path) -> None:
    async with access_world(tmp_path, logic_pods=2) as world:
        first = world.logics[0]
        first.message_id = 500
        first.write("bob", 1)
        client = await world.attached("bob")
        await first.until(lambda: bool(first.links))
        first.push("bob", 1)
        assert await client.seqs(1) == [1]
        await client.say(ack(1))
        home = chosen(world.logics, "bob")
        await home.until(lambda: bool(home.stores))
        assert max(home.highest) >= 501


async def test_a_logic_pod_that_starts_again_is_linked_again(tmp_path: Path) -> None:
    async with access_world(tmp_path) as world:
        client = await world.attached()
        again = router_pb2.Pod()
        again.CopyFrom(world.logic.pod)
        again.incarnation = "i2"
        world.router.set_pod(again)
        await world.logic.until(lambda: len(world.logic.hellos) == 2)
        await client.say(sends(text("m1")))
        await client.next("accepted")
