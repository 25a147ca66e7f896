"""A whole stack that speaks TLS: people talk, sessions move, certificates are renewed."""

from __future__ import annotations

import asyncio
import json
import ssl
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import pytest_asyncio

from tests.tls_client import shown
from tests.waiting import PATIENCE_SECONDS, until
from whimbrel.api.logic.v1 import logic_pb2_grpc
from whimbrel.api.router.v1 import router_pb2, router_pb2_grpc
from whimbrel.client import Tls, WhimbrelError, connect
from whimbrel.core.errors import ErrorCode
from whimbrel.local.cluster import list_pods
from whimbrel.local.errors import StackError
from whimbrel.local.stack import Stack, StackSpec
from whimbrel.runtime.tls import dialer
from whimbrel.runtime.tls_settings import TlsSettings

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack() -> AsyncIterator[Stack]:
    async with Stack.start(StackSpec(access=2, tls=True)) as started:
        yield started


def health_over_https(url: str, ca_file: str) -> dict[str, str]:
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}),
        urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=ca_file)),
    )
    with opener.open(f"{url}/openapi.json", timeout=PATIENCE_SECONDS) as answer:
        found: dict[str, str] = json.loads(answer.read())
    return found


async def test_people_talk_over_tls_through_moves_and_renewals(stack: Stack) -> None:
    ca_file = stack.record.ca_file
    assert stack.tls == Tls(ca_file=ca_file)
    assert await asyncio.to_thread(health_over_https, stack.gateway_url, ca_file)
    # Nobody without a certificate hears which pods there are.
    with pytest.raises(StackError, match="does not answer"):
        await list_pods(stack.router_addresses)
    assert len(await list_pods(stack.router_addresses, dial=stack.dial)) >= 6

    async with (
        connect(stack.endpoints[0], stack.token("alice"), tls=stack.tls) as alice,
        connect(stack.endpoints[0], stack.token("bob"), tls=stack.tls) as bob,
    ):
        events = bob.events()
        await alice.send("bob", "one")
        assert (await anext(events)).text == "one"

        before = await shown(stack.endpoints[0], Path(ca_file))
        for name in stack.pods:
            stack.renew_certificate(name)

        async def is_renewed() -> bool:
            return await shown(stack.endpoints[0], Path(ca_file)) != before

        await until(is_renewed)
        await alice.send("bob", "two")
        assert (await anext(events)).text == "two"
        assert alice.statistics().streams == bob.statistics().streams == 1, "nobody was cut"

        # A pod with the newest certificates finds the others, and the sessions move there.
        await stack.restart_role("access")
        await alice.send("bob", "three")
        assert (await anext(events)).text == "three"


async def test_a_pod_of_the_stack_may_call_what_its_role_calls_and_no_more(stack: Stack) -> None:
    """Pods find each other with roles required; whoever took push over gets no further."""
    folder = Path(stack.record.ca_file).parent
    push, operator = (
        TlsSettings(
            certificate=folder / f"{name}.pem", key=folder / f"{name}.key", ca=folder / "ca.pem"
        )
        for name in ("push-0", "operator")
    )
    for caller in (push, operator):
        async with dialer(caller)(stack.endpoint_of("logic-0")) as channel:
            link: Any = logic_pb2_grpc.LogicServiceStub(channel).Link()
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await asyncio.wait_for(link.read(), PATIENCE_SECONDS)
            assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
            assert "LogicService/Link: only access may" in (refused.value.details() or "")
    async with dialer(push)(stack.router_addresses) as channel:
        router: Any = router_pb2_grpc.RouterServiceStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await router.Attach(router_pb2.AttachRequest(), timeout=PATIENCE_SECONDS)
        assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
    assert await list_pods(stack.router_addresses, dial=dialer(operator))


async def test_a_client_that_does_not_believe_the_stack_does_not_talk_to_it(stack: Stack) -> None:
    for tls in (False, True):  # plain, and with the system's authorities
        client = connect(stack.endpoints, stack.token("alice"), tls=tls, timeout_seconds=2)
        with pytest.raises(WhimbrelError) as refused:
            async with client:
                pass
        assert refused.value.code is ErrorCode.DEADLINE_EXCEEDED
    with pytest.raises(ValueError, match=r"cannot be used: No such file"):
        connect(stack.endpoints, "token", tls=Tls(ca_file="/nowhere/ca.pem"))
    named = Tls(ca_file=stack.record.ca_file, server_name="elsewhere.example.org")
    client = connect(stack.endpoints, stack.token("alice"), tls=named, timeout_seconds=2)
    with pytest.raises(WhimbrelError):
        async with client:
            pass
    named = Tls(ca_file=stack.record.ca_file, server_name="whimbrel-pod")
    async with connect(stack.endpoints, stack.token("alice"), tls=named) as alice:
        assert alice.statistics().streams == 1
