"""What a Directory promises of tickets: each serves once, and the pod that is left is told for a
while."""

from __future__ import annotations

from services.router.ports import Directory
from tests.contract.directory_stores import Store, directory, left, routes, session, store
from whimbrel.api.router.v1 import router_pb2

__all__ = ["directory", "store"]


def on_ios(session: router_pb2.Session, limit: int) -> router_pb2.Session:
    session.platform, session.platform_limit = "ios", limit
    return session


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
