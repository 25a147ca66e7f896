"""The keys of tokens change under a whole stack, and nobody is logged out."""

from __future__ import annotations

import time

import httpx
import jwt
import pytest

from tests.waiting import PATIENCE_SECONDS, until
from whimbrel.client import CloseCode, ConnectionClosed, connect
from whimbrel.local.stack import Stack, StackSpec
from whimbrel.runtime.key_ring import KeyRing

pytestmark = pytest.mark.alone

PASSWORD = "correct horse"
WITHIN_SECONDS = 2.0
LOOK_SECONDS = 1.0


async def attaches(endpoint: str, token: str) -> bool:
    try:
        async with connect(endpoint, token, device="d", timeout_seconds=PATIENCE_SECONDS):
            return True
    except ConnectionClosed as closed:
        if closed.code is not CloseCode.BAD_TOKEN:
            raise
        return False


async def answers(http: httpx.AsyncClient, token: str) -> bool:
    answer = await http.get("/v1/users/me", headers={"authorization": f"Bearer {token}"})
    return answer.status_code == 200


async def test_keys_are_rotated_without_logging_anybody_out() -> None:
    async with (
        Stack.start(StackSpec(access=2, push=0, drain=0)) as stack,
        httpx.AsyncClient(base_url=stack.gateway_url, timeout=PATIENCE_SECONDS) as http,
    ):
        folder = stack.folder
        ring = KeyRing(folder.signing_file, folder.keys_file)
        (first,) = ring.list()
        body = {"user_id": "alice", "password": PASSWORD}
        tokens = (await http.post("/v1/users", json=body)).json()
        old = tokens["access_token"]
        assert jwt.get_unverified_header(old) == {
            "alg": "EdDSA",
            "kid": first.key_id,
            "typ": "JWT",
        }
        async with connect(stack.endpoints[0], old, device="phone") as alice:
            added = ring.add()
            ring.promote(added, time.time())
            promoted = time.monotonic()

            # The gateway looks once a second, and counts how often somebody refreshes.
            await until(lambda: time.monotonic() - promoted > LOOK_SECONDS)
            refreshed = await http.post(
                "/v1/logins/refresh", json={"refresh_token": tokens["refresh_token"]}
            )
            assert refreshed.status_code == 201, "nobody is logged out"
            new = refreshed.json()["access_token"]
            assert jwt.get_unverified_header(new)["kid"] == added
            for endpoint in stack.endpoints:
                assert await attaches(endpoint, new), "no pod is behind"
                assert await attaches(endpoint, old), "what was signed before counts on"
            assert await answers(http, old)

            ring.retire(first.key_id, time.time(), after_seconds=0)
            retired = time.monotonic()
            for endpoint in stack.endpoints:

                async def is_refused(endpoint: str = endpoint) -> bool:
                    return not await attaches(endpoint, old)

                await until(is_refused)

            async def is_refused_by_the_gateway() -> bool:
                return not await answers(http, old)

            await until(is_refused_by_the_gateway)
            assert time.monotonic() - retired < WITHIN_SECONDS
            assert alice.statistics().streams == 1, "streams that are open stay"
