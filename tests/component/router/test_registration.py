"""What every pod does with the Router, against a real Router over a directory in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import grpc
import pytest

from services.router.pod_feed import PodFeed
from services.router.servicer import RouterServicer
from tests.waiting import until
from whimbrel.api.router.v1 import router_pb2, router_pb2_grpc
from whimbrel.runtime.channels import open_channel
from whimbrel.runtime.chassis import Chassis
from whimbrel.runtime.registration import Registration
from whimbrel.runtime.serve import ServiceSpec
from whimbrel.runtime.settings import PodSettings, ServiceSettings
from whimbrel.testing.memory_directory import MemoryDirectory
from whimbrel.testing.servers import running_service

RENEW_SECONDS = 0.02


def router(
    directory: MemoryDirectory, listen: str = "127.0.0.1:0"
) -> tuple[ServiceSpec[ServiceSettings], ServiceSettings]:
    async def start(_: ServiceSettings, chassis: Chassis) -> None:
        feed = PodFeed(directory, poll_seconds=0.01)
        servicer = RouterServicer(directory, feed, lease_seconds=10)
        router_pb2_grpc.add_RouterServiceServicer_to_server(servicer, chassis.server)
        chassis.spawn(feed.run(), "feed")
        chassis.on_drain(feed.close)

    pod = PodSettings(listen=listen, grace_seconds=2)
    return ServiceSpec("router", ServiceSettings, start), ServiceSettings(pod=pod)


@dataclass
class Peer:
    """A pod that registers, and what it was told."""

    registration: Registration
    pod: router_pb2.Pod
    lost: int = 0
    tables: list[Mapping[str, router_pb2.Pod]] = field(default_factory=list)
    news: asyncio.Condition = field(default_factory=asyncio.Condition)


def access_pod(name: str) -> router_pb2.Pod:
    return router_pb2.Pod(
        pod_id=name, incarnation="run", role=router_pb2.POD_ROLE_ACCESS, address="x:1"
    )


@asynccontextmanager
async def peer(
    name: str,
    address: str,
    renew_seconds: float = RENEW_SECONDS,
    load_interval_seconds: float = 0.0,
) -> AsyncIterator[Peer]:
    pod = router_pb2.Pod(
        pod_id=name, incarnation=f"{name}-run", role=router_pb2.POD_ROLE_ACCESS, address="x:1"
    )
    async with open_channel(address) as channel:
        registration = Registration(
            router_pb2_grpc.RouterServiceStub(channel),
            lambda: pod,
            watch_roles=[router_pb2.POD_ROLE_ACCESS],
            renew_seconds=renew_seconds,
            load_interval_seconds=load_interval_seconds,
        )
        made = Peer(registration, pod)

        def lost() -> None:
            made.lost += 1

        registration.on_lost(lost)
        registration.on_pods(lambda pods: made.tables.append(dict(pods)))
        task = asyncio.create_task(registration.run())
        try:
            yield made
            assert not task.done()
        finally:
            task.cancel()
            await asyncio.wait((task,))


async def test_pods_find_each_other() -> None:
    directory = MemoryDirectory(lambda: 1_000)
    async with running_service(*router(directory)) as chassis, AsyncExitStack() as stack:
        a = await stack.enter_async_context(peer("a", chassis.address))
        b = await stack.enter_async_context(peer("b", chassis.address))
        await until(lambda: set(a.registration.pods) == set(b.registration.pods) == {"a", "b"})
        assert a.tables[-1] == dict(a.registration.pods)
        assert (a.lost, b.lost) == (0, 0)


async def test_who_asks_for_load_knows_the_load_of_others() -> None:
    directory = MemoryDirectory(lambda: 1_000)
    async with running_service(*router(directory)) as chassis, AsyncExitStack() as stack:
        a = await stack.enter_async_context(peer("a", chassis.address, load_interval_seconds=0.05))
        b = await stack.enter_async_context(peer("b", chassis.address))
        await until(lambda: set(a.registration.pods) == set(b.registration.pods) == {"a", "b"})
        b.pod.sessions = 7
        b.registration.renew()
        await until(lambda: a.registration.pods["b"].sessions == 7)
        assert b.registration.pods["b"].sessions == 0, "who does not ask is left in peace"


async def test_a_flushed_registry_is_noticed_by_the_watch_and_loses_no_peer() -> None:
    directory = MemoryDirectory(lambda: 1_000)
    async with running_service(*router(directory)) as chassis, AsyncExitStack() as stack:
        # The next renewal is an hour away: only the watch can notice.
        a = await stack.enter_async_context(peer("a", chassis.address, renew_seconds=3_600))
        b = await stack.enter_async_context(peer("b", chassis.address, renew_seconds=3_600))
        await until(lambda: set(a.registration.pods) == set(b.registration.pods) == {"a", "b"})
        directory.flush()
        await until(lambda: (a.lost, b.lost) == (1, 1))
        assert len((await directory.registry()).pods) == 2
        assert set(a.registration.pods) == set(b.registration.pods) == {"a", "b"}
        assert all("a" in table for table in a.tables[1:])


async def test_a_lease_that_ran_out_is_lost_too() -> None:
    now = [1_000]
    directory = MemoryDirectory(lambda: now[0])
    async with running_service(*router(directory)) as chassis, peer("a", chassis.address) as a:
        await until(lambda: a.registration.registered)
        now[0] += 60_000
        await until(lambda: a.lost >= 1)


async def test_a_router_that_comes_later_is_found() -> None:
    directory = MemoryDirectory(lambda: 1_000)
    async with running_service(*router(directory)) as chassis:
        address = chassis.address
    async with peer("a", address) as a:
        async with running_service(*router(directory, address)):
            await until(lambda: a.registration.registered and "a" in a.registration.pods)
        assert a.lost == 0


async def test_a_router_that_restarts_costs_nothing() -> None:
    directory = MemoryDirectory(lambda: 1_000)
    async with AsyncExitStack() as first:
        chassis = await first.enter_async_context(running_service(*router(directory)))
        async with peer("a", chassis.address) as a:
            await until(lambda: "a" in a.registration.pods)
            await first.aclose()
            assert set(a.registration.pods) == {"a"}
            async with running_service(*router(directory, chassis.address)):
                await directory.register(access_pod("b"))
                await until(lambda: set(a.registration.pods) == {"a", "b"})
            assert a.lost == 0


async def test_a_store_that_is_away_changes_nothing() -> None:
    directory = MemoryDirectory(lambda: 1_000)
    async with running_service(*router(directory)) as chassis, peer("a", chassis.address) as a:
        await until(lambda: "a" in a.registration.pods)
        directory.away = True
        a.pod.revision = "new"  # seen only when a renewal gets through
        a.registration.renew()
        await asyncio.wait_for(_unavailable(chassis.address), 5)
        assert set(a.registration.pods) == {"a"}
        directory.away = False
        await until(lambda: a.registration.pods["a"].revision == "new")
        assert a.lost == 0


async def test_unregister_ends_the_lease_and_the_renewals() -> None:
    directory = MemoryDirectory(lambda: 1_000)
    async with running_service(*router(directory)) as chassis, peer("a", chassis.address) as a:
        await until(lambda: a.registration.registered)
        await a.registration.unregister()
        a.registration.renew()
        assert (await directory.registry()).pods == ()


async def test_unregister_without_a_router_gives_up_in_time() -> None:
    async with peer("a", "127.0.0.1:1") as a:
        await asyncio.wait_for(a.registration.unregister(), 5)


async def test_what_a_callback_raises_ends_the_task() -> None:
    directory = MemoryDirectory(lambda: 1_000)

    def breaks(_: Mapping[str, router_pb2.Pod]) -> None:
        raise KeyError("a bug")

    async with (
        running_service(*router(directory)) as chassis,
        open_channel(chassis.address) as channel,
    ):
        registration = Registration(
            router_pb2_grpc.RouterServiceStub(channel),
            lambda: access_pod("a"),
            watch_roles=[],
        )
        registration.on_pods(breaks)
        with pytest.raises(ExceptionGroup) as failure:
            await asyncio.wait_for(registration.run(), 5)
    assert failure.group_contains(KeyError)


async def _unavailable(address: str) -> None:
    """Wait until the Router has said UNAVAILABLE to somebody."""
    async with open_channel(address) as channel:
        stub = router_pb2_grpc.RouterServiceStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await stub.Locate(router_pb2.LocateRequest(user_ids=["alice"]), timeout=5)
    assert error.value.code() is grpc.StatusCode.UNAVAILABLE
