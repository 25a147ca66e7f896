"""The whole Router, as it is started, over a real Redis."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest

from services.router.bootstrap import SERVICE
from services.router.settings import RouterSettings
from whimbrel.api.router.v1 import router_pb2, router_pb2_grpc
from whimbrel.core.errors import ErrorCode
from whimbrel.local.redis_server import running_redis
from whimbrel.runtime.channels import open_channel
from whimbrel.runtime.errors import error_from_rpc
from whimbrel.runtime.redis_client import open_redis
from whimbrel.runtime.registration import Registration
from whimbrel.runtime.settings import RedisSettings
from whimbrel.testing.servers import running_service

Stub = router_pb2_grpc.RouterServiceStub


@asynccontextmanager
async def router(url: str) -> AsyncIterator[Stub]:
    settings = RouterSettings(redis=RedisSettings(url=url))
    async with (
        running_service(SERVICE, settings) as chassis,
        open_channel(chassis.address) as channel,
    ):
        yield Stub(channel)


def access(name: str) -> router_pb2.Pod:
    return router_pb2.Pod(
        pod_id=name,
        incarnation="run",
        role=router_pb2.POD_ROLE_ACCESS,
        state=router_pb2.POD_STATE_ACTIVE,
        client_endpoint=f"{name}:1",
        address="x:1",
    )


def session(**fields: str | int) -> router_pb2.Session:
    one = router_pb2.Session(
        user_id="alice",
        device_id="phone",
        pod_id="access-0",
        incarnation="run",
        instance_id="app",
        attempt=1,
    )
    for name, value in fields.items():
        setattr(one, name, value)
    return one


async def test_a_session_is_attached_found_asserted_and_detached(redis_url: str) -> None:
    async with router(redis_url) as stub:
        answer = await stub.Attach(router_pb2.AttachRequest(sessions=[session()]), timeout=5)
        epoch = answer.attachments[0].epoch
        assert epoch > 0
        where = router_pb2.LocateRequest(user_ids=["alice", "bob"])
        alice, bob = (await stub.Locate(where, timeout=5)).users
        assert [(route.pod_id, route.epoch) for route in alice.routes] == [("access-0", epoch)]
        assert not bob.routes
        mine = [session(epoch=epoch)]
        held = await stub.Assert(router_pb2.AssertRequest(sessions=mine), timeout=5)
        assert held.assertions[0].epoch == epoch
        await stub.Detach(router_pb2.DetachRequest(sessions=mine), timeout=5)
        assert not (await stub.Locate(where, timeout=5)).users[0].routes


async def test_clients_are_sent_to_registered_access_pods(redis_url: str) -> None:
    async with router(redis_url) as stub:
        tables = stub.WatchPods(router_pb2.WatchPodsRequest(roles=[router_pb2.POD_ROLE_ACCESS]))
        await stub.Register(router_pb2.RegisterRequest(pod=access("access-0")), timeout=5)
        async with asyncio.timeout(5):
            async for table in tables:
                if [pod.pod_id for pod in table.pods] == ["access-0"]:
                    break
        chosen = await stub.ChooseEndpoints(
            router_pb2.ChooseEndpointsRequest(user_id="alice"), timeout=5
        )
        assert list(chosen.endpoints) == ["access-0:1"]


async def test_the_router_is_in_its_own_registry(redis_url: str) -> None:
    async with router(redis_url) as stub, asyncio.timeout(5):
        async for table in stub.WatchPods(router_pb2.WatchPodsRequest()):
            if [pod.pod_id for pod in table.pods] == ["router-0"]:
                break


async def test_a_flushall_is_noticed_within_a_second(redis_url: str) -> None:
    async with router(redis_url) as stub:
        lost, seen = asyncio.Event(), asyncio.Event()
        registration = Registration(stub, lambda: access("access-0"), watch_roles=[])
        registration.on_lost(lost.set)
        registration.on_pods(lambda pods: seen.set() if "access-0" in pods else None)
        task = asyncio.create_task(registration.run())
        try:
            async with asyncio.timeout(5):
                await seen.wait()
            async with open_redis(RedisSettings(url=redis_url)) as redis:
                await redis.flushall()
            # Renewals come every 3 s: within 2 s (1 s and a slow machine) it was the watch.
            async with asyncio.timeout(2):
                await lost.wait()
            assert "access-0" in registration.pods
        finally:
            task.cancel()
            await asyncio.wait((task,))


@pytest.mark.parametrize(
    "odd",
    [
        {"user_id": ""},
        {"user_id": "a}b"},
        {"instance_id": "a|b"},
        {"pod_id": "a b"},
        {"device_id": "x" * 65},
        {"incarnation": ""},
    ],
)
async def test_names_that_would_break_a_route_are_refused(
    redis_url: str, odd: dict[str, str]
) -> None:
    async with router(redis_url) as stub:
        for ask in (
            stub.Attach(router_pb2.AttachRequest(sessions=[session(**odd)]), timeout=5),
            stub.Assert(router_pb2.AssertRequest(sessions=[session(**odd)]), timeout=5),
        ):
            with pytest.raises(grpc.aio.AioRpcError) as error:
                await ask
            assert error_from_rpc(error.value).code is ErrorCode.INVALID_ARGUMENT


async def test_too_much_at_once_is_refused(redis_url: str) -> None:
    async with router(redis_url) as stub:
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await stub.Attach(router_pb2.AttachRequest(sessions=[session()] * 1_001), timeout=5)
        assert error_from_rpc(error.value).code is ErrorCode.INVALID_ARGUMENT
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await stub.Locate(router_pb2.LocateRequest(user_ids=["a"] * 5_001), timeout=5)
        assert error_from_rpc(error.value).code is ErrorCode.INVALID_ARGUMENT


async def test_without_redis_nobody_is_offline_and_its_return_is_found(tmp_path: Path) -> None:
    where = router_pb2.LocateRequest(user_ids=["alice"])
    async with running_redis(tmp_path / "one") as first:
        port = first.port
    async with router(f"redis://127.0.0.1:{port}/0") as stub:
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await stub.Locate(where, timeout=5)
        refusal = error_from_rpc(error.value)
        assert refusal.code is ErrorCode.UNAVAILABLE
        assert refusal.retry_after_seconds is not None
        for folder in ("two", "three"):  # a restart breaks connections and forgets scripts
            async with running_redis(tmp_path / folder, port=port):
                attach = router_pb2.AttachRequest(sessions=[session()] * 3)
                answer = await stub.Attach(attach, timeout=5)
                epochs = [one.epoch for one in answer.attachments]
                assert epochs == sorted(set(epochs))
                assert len((await stub.Locate(where, timeout=5)).users[0].routes) == 1


async def _started(process: Process) -> None:
    assert process.stdout is not None
    async with asyncio.timeout(20):
        async for line in process.stdout:
            if json.loads(line)["event"] == "service_started":
                return
    pytest.fail("the Router ended before it started")


async def _process(*arguments: str, **variables: str) -> Process:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WHIMBREL_")}
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.router",
        *arguments,
        env=kept | variables,
        stdout=PIPE,
        stderr=PIPE,
    )


async def test_as_a_process_it_stops_cleanly_and_says_why_it_does_not_start(
    redis_url: str,
) -> None:
    redis = {"WHIMBREL_REDIS__URL": redis_url}
    process = await _process(**redis)
    try:
        await _started(process)
        process.send_signal(signal.SIGTERM)
        out, err = await asyncio.wait_for(process.communicate(), 20)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert (process.returncode, err) == (0, b"")
    assert json.loads(out.splitlines()[-1])["event"] == "service_stopped"

    bad = await _process("--check-config", WHIMBREL_REDIS__TIMEOUT="1")
    out, err = await asyncio.wait_for(bad.communicate(), 20)
    assert bad.returncode == 2
    assert err.decode().splitlines()[0].startswith("WHIMBREL_REDIS__TIMEOUT is not a setting")

    settings = RouterSettings(redis=RedisSettings(url=redis_url))
    async with running_service(SERVICE, settings) as chassis:
        second = await _process(WHIMBREL_POD__LISTEN=chassis.address, **redis)
        out, err = await asyncio.wait_for(second.communicate(), 20)
    assert second.returncode == 1
    assert "the port is taken" in json.loads(out.splitlines()[-1])["reason"]
