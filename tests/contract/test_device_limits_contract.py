"""What every Directory promises about how many devices of a platform a user may have."""

from __future__ import annotations

import pytest

from services.router.ports import Directory
from tests.contract.directory_stores import (
    LEASE_SECONDS,
    Store,
    directory,
    routes,
    session,
    store,
)
from whimbrel.api.router.v1 import router_pb2

__all__ = ["directory", "store"]

REFUSE = router_pb2.OVER_LIMIT_REFUSE


def phone(
    device: str,
    *,
    user: str = "alice",
    instance: str = "app1",
    attempt: int = 1,
    epoch: int = 0,
    pod: str = "access-0",
    platform: str = "phone",
    limit: int = 1,
    policy: router_pb2.OverLimit.ValueType = router_pb2.OVER_LIMIT_KICK_OLDEST,
) -> router_pb2.Session:
    one = session(user, device, pod=pod, instance=instance, attempt=attempt, epoch=epoch)
    one.platform = platform
    one.platform_limit = limit
    one.over_limit = policy
    return one


async def attach(directory: Directory, one: router_pb2.Session) -> router_pb2.Attachment:
    (attachment,) = await directory.attach([one])
    return attachment


def names(attachment: router_pb2.Attachment) -> list[tuple[str, str, str, int]]:
    return [
        (route.device_id, route.pod_id, route.incarnation, route.epoch)
        for route in attachment.kicked
    ]


async def test_one_too_many_takes_the_place_of_the_oldest(directory: Directory) -> None:
    first = await attach(directory, phone("p1", limit=2, pod="access-1"))
    second = await attach(directory, phone("p2", limit=2))
    third = await attach(directory, phone("p3", limit=2))
    assert names(second) == []
    assert names(third) == [("p1", "access-1", "access-1-run", first.epoch)]
    assert not third.over_limit
    assert await routes(directory) == {
        "p2": ("access-0", second.epoch),
        "p3": ("access-0", third.epoch),
    }


async def test_a_limit_that_was_lowered_takes_all_that_are_too_many_oldest_first(
    directory: Directory,
) -> None:
    for device in ("d", "b", "c", "a"):
        await attach(directory, phone(device, limit=9))
    newest = await attach(directory, phone("e", limit=2))
    assert [device for device, *_ in names(newest)] == ["d", "b", "c"]
    assert set(await routes(directory)) == {"a", "e"}


async def test_the_new_one_is_refused_where_the_policy_says_so(directory: Directory) -> None:
    first = await attach(directory, phone("p1", policy=REFUSE))
    refused = await attach(directory, phone("p2", policy=REFUSE))
    assert (refused.epoch, refused.over_limit, names(refused)) == (0, True, [])
    assert (refused.previous_pod_id, refused.previous_instance_id) == ("", "")
    assert await routes(directory) == {"p1": ("access-0", first.epoch)}
    await directory.detach([phone("p1", epoch=first.epoch)])
    assert (await attach(directory, phone("p2", policy=REFUSE))).epoch > 0


@pytest.mark.parametrize("policy", [router_pb2.OVER_LIMIT_KICK_OLDEST, REFUSE])
async def test_a_device_never_counts_against_itself(
    directory: Directory, policy: router_pb2.OverLimit.ValueType
) -> None:
    first = await attach(directory, phone("p1", policy=policy))
    again = await attach(directory, phone("p1", attempt=2, policy=policy))
    other = await attach(directory, phone("p1", instance="app2", policy=policy))
    assert first.epoch < again.epoch < other.epoch
    assert names(again) == names(other) == []


async def test_other_platforms_and_other_users_do_not_count(directory: Directory) -> None:
    await attach(directory, phone("desk", platform="desktop"))
    await attach(directory, phone("p1", user="bob"))
    mine = await attach(directory, phone("p1", policy=REFUSE))
    assert mine.epoch > 0
    assert set(await routes(directory)) == {"desk", "p1"}
    assert set(await routes(directory, "bob")) == {"p1"}


async def test_routes_that_ran_out_do_not_count(store: Store) -> None:
    directory = store.make(LEASE_SECONDS, 0.05)
    await attach(directory, phone("p1"))
    await store.let_pass(0.06)
    late = await attach(directory, phone("p2", policy=REFUSE))
    assert late.epoch > 0
    await store.let_pass(0.06)
    assert names(await attach(directory, phone("p3"))) == []


async def test_rule_14_comes_before_the_limit(directory: Directory) -> None:
    await attach(directory, phone("p1", attempt=3, limit=0))
    await attach(directory, phone("p2", limit=0))
    older = await attach(directory, phone("p1", attempt=2))
    assert (older.epoch, older.over_limit, names(older)) == (0, False, [])
    assert set(await routes(directory)) == {"p1", "p2"}


async def test_a_batch_keeps_the_limit_between_its_own_sessions(directory: Directory) -> None:
    answers = await directory.attach([phone("p1"), phone("p2"), phone("p3")])
    assert [[device for device, *_ in names(answer)] for answer in answers] == [[], ["p1"], ["p2"]]
    assert set(await routes(directory)) == {"p3"}


# What a kick leaves behind.


async def test_a_kicked_device_does_not_assert_its_route_again(directory: Directory) -> None:
    first = await attach(directory, phone("p1"))
    second = await attach(directory, phone("p2"))
    # Neither while the winner is there nor after it has gone.
    for _ in range(2):
        (assertion,) = await directory.reassert([phone("p1", epoch=first.epoch)])
        assert assertion.epoch > first.epoch
        assert assertion.instance_id == ""
        await directory.detach([phone("p2", epoch=second.epoch)])
    # Its pod detaches it when the stream ends; that changes nothing.
    await directory.detach([phone("p1", epoch=first.epoch)])
    (assertion,) = await directory.reassert([phone("p1", epoch=first.epoch)])
    assert assertion.instance_id == ""
    assert await routes(directory) == {}


async def test_a_kick_that_the_store_has_forgotten_is_found_out_in_either_order(
    store: Store, directory: Directory
) -> None:
    first = await attach(directory, phone("p1"))
    second = await attach(directory, phone("p2"))
    sessions = [phone("p1", epoch=first.epoch), phone("p2", epoch=second.epoch)]
    for order in (sessions, sessions[::-1]):
        await store.flush()
        await directory.reassert(order)
        (old, new) = await directory.reassert(sessions)
        assert (old.epoch, old.instance_id) == (first.epoch + 1, "")
        assert (new.epoch, new.instance_id) == (second.epoch, "app1")
        assert await routes(directory) == {"p2": ("access-0", second.epoch)}


async def test_devices_within_the_limit_assert_themselves_after_a_flush(
    store: Store, directory: Directory
) -> None:
    held = [phone(device, limit=3) for device in ("p1", "p2", "p3")]
    for one in held:
        one.epoch = (await attach(directory, one)).epoch
    await store.flush()
    for _ in range(2):
        answers = await directory.reassert(held)
        assert [answer.epoch for answer in answers] == [one.epoch for one in held]
    assert set(await routes(directory)) == {"p1", "p2", "p3"}


async def test_a_kicked_instance_does_not_kick_in_return(directory: Directory) -> None:
    first = await attach(directory, phone("p1", pod="access-1"))
    await attach(directory, phone("p2"))
    back = await attach(directory, phone("p1", attempt=2, epoch=first.epoch))
    assert (back.epoch, back.over_limit, names(back)) == (0, True, [])
    assert (back.previous_pod_id, back.previous_instance_id) == ("access-1", "app1")
    assert set(await routes(directory)) == {"p2"}


async def test_another_instance_of_a_kicked_device_takes_its_place_back(
    directory: Directory,
) -> None:
    first = await attach(directory, phone("p1", pod="access-1"))
    second = await attach(directory, phone("p2"))
    back = await attach(directory, phone("p1", instance="app2"))
    assert back.epoch > second.epoch > first.epoch
    assert [device for device, *_ in names(back)] == ["p2"]
    # Where its old stream was: it may not have heard of the kick.
    assert (back.previous_pod_id, back.previous_instance_id) == ("access-1", "app1")
    assert set(await routes(directory)) == {"p1"}


async def test_what_a_kick_leaves_runs_out_as_a_route_does(store: Store) -> None:
    directory = store.make(LEASE_SECONDS, 0.05)
    await attach(directory, phone("p1"))
    second = await attach(directory, phone("p2"))
    await store.let_pass(0.06)
    back = await attach(directory, phone("p1", attempt=2))
    assert back.epoch > second.epoch
