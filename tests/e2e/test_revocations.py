"""A whole stack: what is revoked ends on every pod within 2 s, whatever was lost meanwhile."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import httpx
import pytest
from redis.asyncio import Redis

from tests.waiting import PATIENCE_SECONDS
from whimbrel.client import Client, CloseCode, ConnectionClosed, connect
from whimbrel.local.stack import Stack, StackSpec

pytestmark = pytest.mark.alone

PODS = 3
WITHIN_SECONDS = 2.0
PASSWORD = "correct horse"


@asynccontextmanager
async def logged_in(http: httpx.AsyncClient, user: str) -> AsyncIterator[str]:
    """An account's access token."""
    answer = await http.post("/v1/users", json={"user_id": user, "password": PASSWORD})
    assert answer.status_code == 201, answer.text
    yield answer.json()["access_token"]


async def end_of(client: Client) -> CloseCode | None:
    """Why the client has ended for good."""
    events = client.events()
    with pytest.raises(ConnectionClosed) as closed:
        await asyncio.wait_for(anext(events), PATIENCE_SECONDS)
    return closed.value.code


async def is_let_in(endpoint: str, token: str, device: str) -> bool:
    client = connect(endpoint, token, device=device, timeout_seconds=PATIENCE_SECONDS)
    try:
        async with client:
            return True
    except ConnectionClosed as closed:
        if closed.code is not CloseCode.REVOKED:
            raise
        return False


async def revoked_everywhere(
    stack: Stack, http: httpx.AsyncClient, user: str, *, revoke: str
) -> float:
    """Attach to every pod, revoke, and the seconds until the last of them had ended it and let
    nobody in again."""
    async with logged_in(http, user) as token, AsyncExitStack() as opened:
        clients = []
        for number, endpoint in enumerate(stack.endpoints):
            client = connect(endpoint, token, device=f"d{number}")
            opened.push_async_callback(client.abandon)
            await client.__aenter__()
            clients.append(client)
        began = time.monotonic()
        answer = await http.delete(revoke, headers={"authorization": f"Bearer {token}"})
        assert answer.status_code == 204, answer.text
        codes = await asyncio.gather(*map(end_of, clients))
        assert set(codes) == {CloseCode.REVOKED}
        for number, endpoint in enumerate(stack.endpoints):
            assert not await is_let_in(endpoint, token, f"again{number}")
        return time.monotonic() - began


async def test_a_logout_holds_on_every_pod_within_two_seconds() -> None:
    async with (
        Stack.start(StackSpec(access=PODS, logic=2, push=0, drain=0)) as stack,
        httpx.AsyncClient(base_url=stack.gateway_url, timeout=PATIENCE_SECONDS) as http,
    ):
        for user, path in (("alice", "/v1/logins/current"), ("bob", "/v1/logins")):
            assert await revoked_everywhere(stack, http, user, revoke=path) < WITHIN_SECONDS

        # It is not kept in Redis.
        async with Redis.from_url(stack.redis_url) as redis:
            await redis.flushall()
        seconds = await revoked_everywhere(stack, http, "carol", revoke="/v1/logins")
        assert seconds < WITHIN_SECONDS

        # Nor in the memory of pods: one that starts later knows it with its first answer.
        async with logged_in(http, "dave") as token:
            assert (
                await http.delete("/v1/logins", headers={"authorization": f"Bearer {token}"})
            ).status_code == 204
            await stack.kill("access-0")
            await stack.kill("logic-0")
            await stack.wait_healthy()
            await stack.restart_role("access", surge=PODS)
            healthy = time.monotonic()
            for number, endpoint in enumerate(stack.endpoints):
                while await is_let_in(endpoint, token, f"d{number}"):
                    assert time.monotonic() - healthy < WITHIN_SECONDS
