"""What every Directory promises of the registry of pods, on memory and on a real Redis."""

from __future__ import annotations

from services.router.ports import Directory
from tests.contract.directory_stores import (
    LEASE_SHORT_SECONDS,
    ROUTE_SECONDS,
    Store,
    directory,
    pod,
    store,
)
from whimbrel.api.router.v1 import router_pb2

__all__ = ["directory", "store"]


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
