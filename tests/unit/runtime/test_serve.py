"""The start and stop sequence: in order, bounded, and loud when something breaks."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import replace

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from whimbrel.runtime.channels import open_channel
from whimbrel.runtime.chassis import Chassis
from whimbrel.runtime.program import main
from whimbrel.runtime.serve import ServiceFailedError, ServiceSpec, serve
from whimbrel.runtime.settings import PodSettings, ServiceSettings
from whimbrel.testing.servers import running_service

Start = Callable[[ServiceSettings, Chassis], Awaitable[None]]

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


def spec(start: Start) -> ServiceSpec[ServiceSettings]:
    return ServiceSpec("toy", ServiceSettings, start)


def settings(listen: str = "127.0.0.1:0", grace_seconds: float = 1.0) -> ServiceSettings:
    return ServiceSettings(pod=PodSettings(listen=listen, grace_seconds=grace_seconds))


async def nothing(_: ServiceSettings, chassis: Chassis) -> None:
    chassis.serves("toy.v1.ToyService")


async def health(address: str, service: str = "") -> int:
    async with open_channel(address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        answer = await stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=5)
        return int(answer.status)


async def test_it_reports_serving_under_its_names_and_lists_them() -> None:
    async with running_service(spec(nothing), settings()) as chassis:
        assert await health(chassis.address) == SERVING
        assert await health(chassis.address, "toy.v1.ToyService") == SERVING
        async with open_channel(chassis.address) as channel:
            stub = reflection_pb2_grpc.ServerReflectionStub(channel)
            request = reflection_pb2.ServerReflectionRequest(list_services="")
            async for answer in stub.ServerReflectionInfo(iter([request]), timeout=5):
                names = {service.name for service in answer.list_services_response.service}
    assert "toy.v1.ToyService" in names
    assert "grpc.health.v1.Health" in names


async def test_the_address_is_known_when_the_service_starts() -> None:
    addresses: list[str] = []

    async def start(_: ServiceSettings, chassis: Chassis) -> None:
        addresses.append(chassis.address)

    async with running_service(spec(start), settings()) as chassis:
        assert addresses == [chassis.address]
        assert int(chassis.address.rpartition(":")[2]) > 0


@pytest.mark.parametrize(
    ("advertise", "expected"),
    [("pod.example", "pod.example:{port}"), ("pod.example:7", "pod.example:7")],
)
async def test_it_advertises_what_it_is_told(advertise: str, expected: str) -> None:
    pod = PodSettings(listen="127.0.0.1:0", advertise=advertise)
    async with running_service(spec(nothing), ServiceSettings(pod=pod)) as chassis:
        port = chassis.address.rpartition(":")[2]
        assert chassis.address == expected.format(port=port)


async def test_it_stops_in_order_drains_backwards_then_tasks_then_adapters() -> None:
    order: list[str] = []
    statuses: list[int] = []

    async def start(_: ServiceSettings, chassis: Chassis) -> None:
        async def background() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                order.append("task")

        async def first() -> None:
            order.append("drain first")
            statuses.append(await health(chassis.address))

        async def second() -> None:
            order.append("drain second")

        chassis.stack.callback(order.append, "adapter first")
        chassis.stack.callback(order.append, "adapter second")
        chassis.spawn(background(), "background")
        chassis.on_drain(first)
        chassis.on_drain(second)

    async with running_service(spec(start), settings()) as chassis:
        address = chassis.address
    assert order == ["drain second", "drain first", "task", "adapter second", "adapter first"]
    assert statuses == [NOT_SERVING]
    with pytest.raises(grpc.aio.AioRpcError):
        await health(address)


async def test_a_drain_step_that_hangs_or_fails_does_not_keep_the_others_from_their_turn() -> None:
    order: list[str] = []

    async def start(_: ServiceSettings, chassis: Chassis) -> None:
        async def last() -> None:
            order.append("last")

        async def hangs() -> None:
            order.append("hangs")
            await asyncio.Event().wait()

        async def fails() -> None:
            order.append("fails")
            raise KeyError("a bug")

        chassis.on_drain(last)
        chassis.on_drain(hangs)
        chassis.on_drain(fails)

    async with running_service(spec(start), settings(grace_seconds=0.05)):
        pass
    assert order == ["fails", "hangs", "last"]


async def test_a_background_task_that_raises_ends_the_service(
    capsys: pytest.CaptureFixture[str],
) -> None:
    closed: list[bool] = []

    async def start(_: ServiceSettings, chassis: Chassis) -> None:
        async def fails() -> None:
            raise KeyError("the reason")

        chassis.stack.callback(closed.append, True)
        chassis.spawn(fails(), "fragile")

    with pytest.raises(ServiceFailedError) as failure:
        await asyncio.wait_for(serve(spec(start), settings()), 5)
    assert isinstance(failure.value.__cause__, KeyError)
    assert closed == [True]
    assert capsys.readouterr().out.count("task_failed") == 1


async def test_a_task_that_returns_is_no_failure() -> None:
    done = asyncio.Event()

    async def start(_: ServiceSettings, chassis: Chassis) -> None:
        async def short() -> None:
            done.set()

        chassis.spawn(short(), "short")

    async with running_service(spec(start), settings()) as chassis:
        await done.wait()
        assert await health(chassis.address) == SERVING


@pytest.mark.parametrize("client_facing", [False, True])
async def test_a_port_that_is_taken_is_a_sentence(client_facing: bool) -> None:
    service = replace(spec(nothing), client_facing=client_facing)
    async with running_service(service, settings()) as chassis:
        with pytest.raises(ServiceFailedError, match="the port is taken"):
            await serve(service, settings(listen=chassis.address))


async def test_a_start_that_fails_closes_what_was_open() -> None:
    closed: list[bool] = []

    async def start(_: ServiceSettings, chassis: Chassis) -> None:
        chassis.stack.callback(closed.append, True)
        raise RuntimeError("no store")

    with pytest.raises(RuntimeError, match="no store"):
        async with running_service(spec(start), settings()):
            pass
    assert closed == [True]


async def test_cancelling_stops_at_once() -> None:
    started = asyncio.Event()
    closed: list[bool] = []

    async def start(_: ServiceSettings, chassis: Chassis) -> None:
        chassis.stack.callback(closed.append, True)

    task = asyncio.create_task(serve(spec(start), settings(), started=lambda _: started.set()))
    await started.wait()
    task.cancel()
    await asyncio.wait((task,), timeout=5)
    assert task.cancelled()
    assert closed == [True]


def test_check_config_says_ok_or_what_is_wrong(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in list(os.environ):
        if name.startswith("WHIMBREL_"):
            monkeypatch.delenv(name)
    main(spec(nothing), ["--check-config"])
    assert capsys.readouterr().out == "ok\n"
    monkeypatch.setenv("WHIMBREL_POD__LISTEN", "nowhere")
    monkeypatch.setenv("WHIMBREL_POD__REVISON", "7")
    with pytest.raises(SystemExit) as end:
        main(spec(nothing), ["--check-config"])
    assert end.value.code == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2
    assert "WHIMBREL_POD__REVISION" in said[0]
    assert "WHIMBREL_POD__LISTEN" in said[1]
