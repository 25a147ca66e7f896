"""What every Directory promises of routes, on memory and on a real Redis."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from unittest.mock import ANY

import pytest
from redis.asyncio import Redis

from services.router.ports import Directory
from tests.contract.directory_stores import (
    LEASE_SECONDS,
    ROUTE_SECONDS,
    Store,
    directory,
    pod,
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
