"""What every Directory promises, on memory and on a real Redis."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from unittest.mock import ANY

import pytest
from redis.asyncio import Redis

from services.router.ports import Directory
from tests.contract.directory_stores import (
    LEASE_SECONDS,
    LEASE_SHORT_SECONDS,
    ROUTE_SECONDS,
    Store,
    directory,
    left,
    redis_store,
    routes,
    session,
    store,
)
from whimbrel.api.router.v1 import router_pb2
from whimbrel.core.errors import ErrorCode, WhimbrelError
from whimbrel.runtime.redis_client import open_redis
from whimbrel.runtime.settings import RedisSettings

__all__ = ["directory", "store"]


def pod(name: str, incarnation: str = "run1", sessions: int = 0) -> router_pb2.Pod:
    return router_pb2.Pod(
        pod_id=name,
        incarnation=incarnation,
        role=router_pb2.POD_ROLE_ACCESS,
        state=router_pb2.POD_STATE_ACTIVE,
        address="127.0.0.1:1",
        sessions=sessions,
    )


def on_ios(session: router_pb2.Session, limit: int) -> router_pb2.Session:
    session.platform, session.platform_limit = "ios", limit
    return session


async def attach(directory: Directory, *sessions: router_pb2.Session) -> list[int]:
    return [one.epoch for one in await directory.attach(sessions)]


# Routes and epochs.


async def test_the_newest_attachment_wins_and_names_the_one_before(directory: Directory) -> None:
    (first,) = await directory.attach([session(pod="access-0")])
    (second,) = await directory.attach([session(pod="access-1", instance="app2")])
    assert (first.previous_pod_id, first.previous_instance_id) == ("", "")
    assert (second.previous_pod_id, second.previous_instance_id) == ("access-0", "app1")
    assert second.epoch > first.epoch
    assert await routes(directory) == {"phone": ("access-1", second.epoch)}


async def test_an_older_attempt_of_the_same_instance_is_refused(directory: Directory) -> None:
    (newer,) = await directory.attach([session(pod="access-1", attempt=3)])
    (older,) = await directory.attach([session(pod="access-0", attempt=2)])
    assert older.epoch == 0
    assert (older.previous_pod_id, older.previous_instance_id) == ("access-1", "app1")
    assert await routes(directory) == {"phone": ("access-1", newer.epoch)}


async def test_the_same_attempt_may_be_repeated(directory: Directory) -> None:
    first, second = await attach(directory, session(attempt=2), session(attempt=2))
    assert second > first


async def test_a_ticket_serves_once_and_only_from_the_epoch_that_it_names(
    directory: Directory,
) -> None:
    (first,) = await directory.attach([session(pod="access-0", attempt=1)])
    moving = session(pod="access-1", attempt=2)
    moving.ticket_epoch = first.epoch
    (moved,) = await directory.attach([moving])
    assert moved.epoch > first.epoch
    (repeated,) = await directory.attach([moving])
    assert repeated.epoch > moved.epoch, "the same attempt, whose answer was lost"
    again = session(pod="access-2", attempt=3)
    again.ticket_epoch = first.epoch
    (refused,) = await directory.attach([again])
    assert (refused.epoch, refused.over_limit) == (0, False)
    assert await routes(directory) == {"phone": ("access-1", repeated.epoch)}


async def test_the_pod_that_a_device_leaves_by_a_ticket_is_still_told_for_two_seconds(
    store: Store, directory: Directory
) -> None:
    (first,) = await directory.attach([on_ios(session(pod="access-0", attempt=1), limit=1)])
    moving = on_ios(session(pod="access-1", attempt=2), limit=1)
    moving.ticket_epoch = first.epoch
    (moved,) = await directory.attach([moving])
    await directory.attach([moving])  # again, since the answer was lost
    (behind,) = await left(directory)
    assert (behind.device_id, behind.pod_id, behind.epoch) == ("phone", "access-0", first.epoch)
    assert (behind.platform, behind.incarnation != "") == ("", True)
    tablet = on_ios(session(device="tablet"), limit=2)
    assert not (await directory.attach([tablet]))[0].kicked, "what was left is no rival"
    assert not moved.kicked
    await store.let_pass(2.1)
    assert not await left(directory)
    assert (await routes(directory))["phone"][0] == "access-1"


async def test_nothing_is_left_by_who_comes_without_a_ticket_or_to_the_same_pod(
    directory: Directory,
) -> None:
    (first,) = await directory.attach([session(pod="access-0", attempt=1)])
    (second,) = await directory.attach([session(pod="access-1", attempt=2)])
    assert not await left(directory), "its old stream is gone already"
    same = session(pod="access-1", attempt=3)
    same.ticket_epoch = second.epoch
    await directory.attach([same])
    assert second.epoch > first.epoch
    assert not await left(directory)


async def test_a_ticket_of_a_device_that_is_nowhere_is_good(directory: Directory) -> None:
    moving = session(pod="access-1", attempt=2)
    moving.ticket_epoch = 5
    (moved,) = await directory.attach([moving])
    assert moved.epoch > 5


async def test_another_instance_always_wins(directory: Directory) -> None:
    first, second = await attach(directory, session(attempt=9), session(instance="app2", attempt=1))
    assert second > first


async def test_an_epoch_is_above_the_stored_the_presented_and_the_clock(
    store: Store, directory: Directory
) -> None:
    before = await store.now_ms()
    (by_clock,) = await attach(directory, session())
    assert by_clock >= before
    (by_presented,) = await attach(directory, session(epoch=by_clock + 1_000_000))
    assert by_presented == by_clock + 1_000_001
    (by_stored,) = await attach(directory, session(instance="app2"))
    assert by_stored == by_presented + 1


async def test_an_epoch_never_goes_back_over_a_flush(store: Store, directory: Directory) -> None:
    (ahead,) = await attach(directory, session(epoch=(await store.now_ms()) + 1_000_000))
    await store.flush()
    (after,) = await attach(directory, session(attempt=2, epoch=ahead))
    assert after > ahead


async def test_absurd_numbers_of_a_client_harm_nobody(directory: Directory) -> None:
    absurd = session(epoch=2**64 - 1, attempt=2**64 - 1)
    first, second = await attach(directory, absurd, absurd)
    (third,) = await attach(directory, session(instance="app2"))
    assert first < second < third < 2**53


async def test_repeats_within_a_batch_keep_their_order(directory: Directory) -> None:
    batch = [session(pod=f"access-{number}", attempt=number) for number in range(1, 51)]
    epochs = await attach(directory, *batch)
    assert epochs == sorted(set(epochs))
    assert await routes(directory) == {"phone": ("access-50", epochs[-1])}


async def test_devices_have_routes_of_their_own(directory: Directory) -> None:
    phone, laptop = await attach(directory, session(), session(device="laptop", pod="access-1"))
    assert await routes(directory) == {
        "phone": ("access-0", phone),
        "laptop": ("access-1", laptop),
    }


async def test_locate_answers_in_the_order_of_the_question(directory: Directory) -> None:
    await directory.attach([session("bob"), session("carol"), session("bob", "laptop")])
    located = await directory.locate(["carol", "nobody", "bob", "carol"])
    assert [sorted(route.device_id for route in user.routes) for user in located] == [
        ["phone"],
        [],
        ["laptop", "phone"],
        ["phone"],
    ]
    assert located[0].routes[0].incarnation == "access-0-run"
    assert await directory.locate([]) == []


# Assert and detach.


async def test_assert_after_a_flush_writes_the_route_again(
    store: Store, directory: Directory
) -> None:
    (epoch,) = await attach(directory, session())
    await store.flush()
    assert await routes(directory) == {}
    (assertion,) = await directory.reassert([session(epoch=epoch)])
    assert (assertion.epoch, assertion.instance_id) == (epoch, "app1")
    assert await routes(directory) == {"phone": ("access-0", epoch)}


async def test_a_superseded_session_learns_the_newer_epoch_and_changes_nothing(
    directory: Directory,
) -> None:
    old, new = await attach(directory, session(), session(pod="access-1", instance="app2"))
    (assertion,) = await directory.reassert([session(epoch=old)])
    assert (assertion.epoch, assertion.instance_id) == (new, "app2")
    assert await routes(directory) == {"phone": ("access-1", new)}


async def test_after_a_flush_the_higher_epoch_wins_in_either_order(
    store: Store, directory: Directory
) -> None:
    old, new = await attach(directory, session(), session(pod="access-1", instance="app2"))
    for order in ((old, new), (new, old)):
        await store.flush()
        for epoch in order:
            await directory.reassert(
                [
                    session(epoch=old)
                    if epoch == old
                    else session(pod="access-1", instance="app2", epoch=new)
                ]
            )
        assert await routes(directory) == {"phone": ("access-1", new)}


async def test_an_asserted_attempt_still_refuses_an_older_one(
    store: Store, directory: Directory
) -> None:
    (epoch,) = await attach(directory, session(attempt=5))
    await store.flush()
    await directory.reassert([session(attempt=5, epoch=epoch)])
    assert await attach(directory, session(attempt=4)) == [0]


async def test_detach_removes_its_own_epoch_only(directory: Directory) -> None:
    old, new = await attach(directory, session(), session(pod="access-1", instance="app2"))
    await directory.detach([session(epoch=old)])
    assert await routes(directory) == {"phone": ("access-1", new)}
    await directory.detach([session(epoch=new), session("nobody", epoch=1)])
    assert await routes(directory) == {}


async def test_a_route_that_nobody_asserts_runs_out_alone(store: Store) -> None:
    directory = store.make(LEASE_SECONDS, 1.0)
    phone, laptop = await attach(directory, session(), session(device="laptop"))
    while "phone" in await routes(directory):  # only the laptop is asserted
        await directory.reassert([session(device="laptop", epoch=laptop)])
        await store.let_pass(0.1)
    assert await routes(directory) == {"laptop": ("access-0", laptop)}
    await directory.reassert([session(epoch=phone)])
    assert set(await routes(directory)) == {"laptop", "phone"}


async def test_redis_forgets_devices_that_ran_out_when_there_are_many(redis_url: str) -> None:
    async with AsyncExitStack() as stack:
        store = await redis_store(redis_url, stack)
        redis: Redis = await stack.enter_async_context(open_redis(RedisSettings(url=redis_url)))
        gone = store.make(LEASE_SECONDS, 0.05)
        await attach(gone, *(session(device=f"tab{number}") for number in range(20)))
        await attach(store.make(LEASE_SECONDS, ROUTE_SECONDS), session(device="laptop"))
        await store.let_pass(0.06)
        (epoch,) = await attach(store.make(LEASE_SECONDS, ROUTE_SECONDS), session())
        assert await routes(gone) == {"phone": ("access-0", epoch), "laptop": ANY}
        assert len(await redis.hkeys("route:{alice}")) == 2


# The registry.


async def test_a_registration_is_known_while_its_lease_holds(store: Store) -> None:
    directory = store.make(LEASE_SHORT_SECONDS, ROUTE_SECONDS)
    first = await directory.register(pod("access-0"))
    again = await directory.register(pod("access-0"))
    assert (first.was_known, again.was_known) == (False, True)
    assert first.registry_id == again.registry_id
    await store.let_pass(LEASE_SHORT_SECONDS + 0.01)
    assert (await directory.registry()).pods == ()
    assert not (await directory.register(pod("access-0"))).was_known


async def test_another_incarnation_replaces_the_one_before(directory: Directory) -> None:
    await directory.register(pod("access-0", "run1"))
    assert not (await directory.register(pod("access-0", "run2"))).was_known
    assert [one.incarnation for one in (await directory.registry()).pods] == ["run2"]
    await directory.unregister("access-0", "run1")
    assert len((await directory.registry()).pods) == 1
    await directory.unregister("access-0", "run2")
    assert (await directory.registry()).pods == ()


async def test_the_registry_lists_pods_by_name_as_they_last_said(directory: Directory) -> None:
    for name in ("access-1", "access-0"):
        await directory.register(pod(name))
    await directory.register(pod("access-1", sessions=7))
    listed = (await directory.registry()).pods
    assert [(one.pod_id, one.sessions) for one in listed] == [("access-0", 0), ("access-1", 7)]


async def test_where_a_pod_runs_and_what_it_takes_is_kept(directory: Directory) -> None:
    said = pod("access-0")
    said.MergeFrom(
        router_pb2.Pod(
            node="n1", zone="z1", started_ms=2**41, arrivals_per_second=90, max_sessions=5_000
        )
    )
    await directory.register(said)
    assert list((await directory.registry()).pods) == [said]


async def test_a_flush_changes_the_registrys_id_and_forgets_the_pods(
    store: Store, directory: Directory
) -> None:
    lease = await directory.register(pod("access-0"))
    assert (await directory.registry()).registry_id == lease.registry_id
    await store.flush()
    after = await directory.registry()
    assert after.registry_id != lease.registry_id
    assert after.pods == ()
    again = await directory.register(pod("access-0"))
    assert (again.was_known, again.registry_id) == (False, after.registry_id)


# A store that is away.


@pytest.mark.parametrize(
    "ask",
    [
        lambda directory: directory.locate(["alice"]),
        lambda directory: directory.attach([session()]),
        lambda directory: directory.reassert([session(epoch=1)]),
        lambda directory: directory.detach([session(epoch=1)]),
        lambda directory: directory.register(pod("access-0")),
        lambda directory: directory.registry(),
        lambda directory: directory.unregister("access-0", "run1"),
    ],
    ids=["locate", "attach", "reassert", "detach", "register", "registry", "unregister"],
)
async def test_a_store_that_is_away_is_unavailable_never_empty(
    store: Store, ask: Callable[[Directory], Awaitable[object]]
) -> None:
    with pytest.raises(WhimbrelError) as error:
        await ask(store.unreachable())
    assert error.value.code is ErrorCode.UNAVAILABLE
    assert error.value.retry_after_seconds is not None
