"""A pod of our authority may call what its role calls, and nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.scraping import scrape, value
from tests.waiting import PATIENCE_SECONDS
from whimbrel.core.errors import ErrorCode
from whimbrel.local.certificates import Authority
from whimbrel.runtime.call_rights import LOGIC, ROUTER
from whimbrel.runtime.channels import open_channel
from whimbrel.runtime.chassis import Chassis
from whimbrel.runtime.errors import error_from_rpc
from whimbrel.runtime.serve import ServiceSpec
from whimbrel.runtime.settings import MetricsSettings, PodSettings, ServiceSettings
from whimbrel.runtime.tls import dialer
from whimbrel.runtime.tls_settings import CertificateSettings, TlsSettings
from whimbrel.testing.servers import running_service


async def watch(request: bytes, context: Any) -> AsyncIterator[bytes]:
    yield b"pods"


async def answer(request: bytes, context: Any) -> bytes:
    return b"ok"


async def link(requests: Any, context: Any) -> None:
    await context.write(b"batch")


async def everything(_: ServiceSettings, chassis: Chassis) -> None:
    handlers: dict[str, dict[str, grpc.RpcMethodHandler[Any, Any]]] = {
        ROUTER: {
            "WatchPods": grpc.unary_stream_rpc_method_handler(watch),
            "Attach": grpc.unary_unary_rpc_method_handler(answer),
        },
        LOGIC: {
            "Link": grpc.stream_stream_rpc_method_handler(link),
            "ListReads": grpc.unary_unary_rpc_method_handler(answer),
        },
    }
    for service, methods in handlers.items():
        handler = grpc.method_handlers_generic_handler(service, methods)
        chassis.server.add_generic_rpc_handlers((handler,))


POD = ServiceSpec("toy", ServiceSettings, everything)


def settings(tls: TlsSettings) -> ServiceSettings:
    return ServiceSettings(
        pod=PodSettings(listen="127.0.0.1:0", grace_seconds=1.0),
        metrics=MetricsSettings(listen="127.0.0.1:0"),
        tls=tls,
    )


def strict(tls: TlsSettings) -> TlsSettings:
    return tls.model_copy(update={"roles_required": True})


async def calls(channel: Any) -> dict[str, str]:
    """What each kind of method answers: "ok", or why not."""
    answers = {}
    for name, call in {
        "WatchPods": channel.unary_stream(f"/{ROUTER}/WatchPods")(
            b"", timeout=PATIENCE_SECONDS
        ).read,
        "Attach": partial(channel.unary_unary(f"/{ROUTER}/Attach"), b"", timeout=PATIENCE_SECONDS),
        "Link": channel.stream_stream(f"/{LOGIC}/Link")(timeout=PATIENCE_SECONDS).read,
        "ListReads": partial(
            channel.unary_unary(f"/{LOGIC}/ListReads"), b"", timeout=PATIENCE_SECONDS
        ),
    }.items():
        try:
            await call()
            answers[name] = "ok"
        except grpc.aio.AioRpcError as error:
            if error_from_rpc(error).code is not ErrorCode.PERMISSION_DENIED:
                raise
            answers[name] = error.details() or ""
    return answers


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "ours")


async def refused(caller: TlsSettings, address: str) -> dict[str, str]:
    """What is refused to this caller, and why."""
    async with dialer(caller)(address) as channel:
        return {name: why for name, why in (await calls(channel)).items() if why != "ok"}


async def test_a_role_calls_what_is_its_own_and_is_told_what_is_not(
    authority: Authority, capsys: pytest.CaptureFixture[str]
) -> None:
    push = authority.issue("push-0", role="push")
    async with running_service(POD, settings(authority.issue("pod"))) as chassis:
        assert not await refused(authority.issue("access-0", role="access"), chassis.address)
        for _ in range(3):
            assert await refused(push, chassis.address) == {
                "Attach": "push may not call whimbrel.api.router.v1.RouterService/Attach: "
                "only access may",
                "Link": "push may not call whimbrel.api.logic.v1.LogicService/Link: "
                "only access may",
                "ListReads": "push may not call whimbrel.api.logic.v1.LogicService/ListReads: "
                "only access, gateway may",
            }
        seen = await scrape(chassis.metrics_address)
    callers = "whimbrel_service_callers_total"
    assert value(seen, callers, role="access", outcome="admitted") == 4
    assert value(seen, callers, role="push", outcome="admitted") == 3
    assert value(seen, callers, role="push", outcome="refused") == 9
    assert value(seen, callers, role="gateway", outcome="refused") == 0
    assert value(seen, "whimbrel_service_refused_calls_total", code="permission_denied") == 9
    ended = "whimbrel_service_calls_total"
    assert value(seen, ended, method="LogicService.ListReads", status="ok") == 1
    assert value(seen, ended, method="LogicService.ListReads", status="permission_denied") == 3
    logged = [line for line in capsys.readouterr().out.splitlines() if "caller_refused" in line]
    assert len(logged) == 3, "once for each method, however often it comes"


async def test_a_certificate_without_a_role_opens_everything_until_roles_are_required(
    authority: Authority,
) -> None:
    of_before = authority.issue("of-before")
    async with running_service(POD, settings(authority.issue("pod"))) as chassis:
        assert not await refused(of_before, chassis.address)
    async with running_service(POD, settings(strict(authority.issue("pod")))) as chassis:
        whys = await refused(of_before, chassis.address)
        seen = await scrape(chassis.metrics_address)
    assert set(whys) == {"WatchPods", "Attach", "Link", "ListReads"}
    assert whys["Link"] == (
        "a pod whose certificate names no role may not call "
        "whimbrel.api.logic.v1.LogicService/Link: only access may"
    )
    assert value(seen, "whimbrel_service_callers_total", role="none", outcome="refused") == 4


async def test_a_role_that_nobody_knows_is_none_that_may(authority: Authority) -> None:
    async with running_service(POD, settings(authority.issue("pod"))) as chassis:
        assert len(await refused(authority.issue("x", role="bridge"), chassis.address)) == 4
        # What merely ends like the name of a role is none.
        other = authority.issue("y", "whimbrel-pod", "accesswhimbrel-pod", role="push")
        assert "Attach" in await refused(other, chassis.address)
        seen = await scrape(chassis.metrics_address)
    assert value(seen, "whimbrel_service_callers_total", role="other", outcome="refused") == 4


async def test_a_certificate_of_two_roles_may_what_either_may(authority: Authority) -> None:
    both = authority.issue("both", "whimbrel-pod", "gateway.whimbrel-pod", role="push")
    async with running_service(POD, settings(strict(authority.issue("pod")))) as chassis:
        assert set(await refused(both, chassis.address)) == {"Attach", "Link"}


async def test_every_pod_may_ask_for_the_health(authority: Authority) -> None:
    async with (
        running_service(POD, settings(strict(authority.issue("pod")))) as chassis,
        dialer(authority.issue("of-before"))(chassis.address) as channel,
    ):
        health = health_pb2_grpc.HealthStub(channel)
        await health.Check(health_pb2.HealthCheckRequest(), timeout=PATIENCE_SECONDS)


@pytest.mark.parametrize("client_facing", [False, True], ids=["plain", "clients"])
async def test_where_nobody_shows_a_certificate_nobody_is_asked_for_a_role(
    authority: Authority, client_facing: bool
) -> None:
    tls = strict(authority.issue("pod"))
    open_port = settings(tls if client_facing else TlsSettings(roles_required=True))
    if client_facing:
        shown = CertificateSettings(certificate=tls.certificate, key=tls.key)
        open_port = open_port.model_copy(update={"client_tls": shown})
    toy = ServiceSpec("toy", ServiceSettings, everything, client_facing=client_facing)
    dial = dialer(authority.issue("push-0", role="push")) if client_facing else open_channel
    async with running_service(toy, open_port) as chassis, dial(chassis.address) as channel:
        assert set((await calls(channel)).values()) == {"ok"}
        assert not [
            name
            for name, _ in await scrape(chassis.metrics_address)
            if name.startswith("whimbrel_service_callers")
        ]


async def test_a_certificate_without_the_name_of_pods_opens_calls_and_answers_none(
    authority: Authority,
) -> None:
    """An operator's, on Kubernetes."""
    operator = authority.issue("operator", "an-operator", role="operator")
    async with running_service(POD, settings(strict(authority.issue("pod")))) as chassis:
        assert set(await refused(operator, chassis.address)) == {"Attach", "Link", "ListReads"}
    async with (
        running_service(POD, settings(operator)) as chassis,
        dialer(authority.issue("access-0", role="access"))(chassis.address) as channel,
    ):
        with pytest.raises(grpc.aio.AioRpcError) as failure:
            await calls(channel)
        assert failure.value.code() is grpc.StatusCode.UNAVAILABLE
