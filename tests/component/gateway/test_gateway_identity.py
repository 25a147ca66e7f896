"""Logging in through an identity provider, played by a server that publishes keys."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm

from services.gateway.settings import IdentityProviderSettings
from tests.component.gateway.gateway_world import GatewayWorld, code_of, gateway
from whimbrel.runtime.tokens import TokenVerifier

ISSUER = "https://login.example.org"
KEY = Ed25519PrivateKey.generate()
STRANGER = Ed25519PrivateKey.generate()


def jwks() -> bytes:
    public: dict[str, Any] = json.loads(OKPAlgorithm.to_jwk(KEY.public_key()))
    return json.dumps({"keys": [{**public, "kid": "k1", "use": "sig", "alg": "EdDSA"}]}).encode()


class _Keys(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        content = jwks()
        self.send_response(200)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def keys_url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Keys)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/keys"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
async def world(tmp_path: Path, mongo_url: str, keys_url: str) -> AsyncIterator[GatewayWorld]:
    provider = IdentityProviderSettings(issuer=ISSUER, audience="whimbrel", jwks_url=keys_url)
    async with gateway(tmp_path, mongo_url, identity_provider=provider) as made:
        yield made


def token(key: Any = KEY, algorithm: str = "EdDSA", kid: str = "k1", **claims: Any) -> str:
    good = {
        "iss": ISSUER,
        "aud": "whimbrel",
        "sub": "1234",
        "name": "Alice Liddell",
        "exp": time.time() + 3600,  # made when tests are collected, used when their turn has come
    }
    said = {k: v for k, v in (good | claims).items() if v is not None}
    return jwt.encode(said, key, algorithm=algorithm, headers={"kid": kid})


async def logged_in(world: GatewayWorld, given: str) -> Any:
    return await world.call("POST", "/v1/logins/identity", {"token": given})


async def test_the_first_login_makes_the_account_and_the_next_ones_find_it(
    world: GatewayWorld,
) -> None:
    answers = await asyncio.gather(*(logged_in(world, token()) for _ in range(4)))
    assert {answer.status_code for answer in answers} == {201}
    (user_id,) = {answer.json()["user_id"] for answer in answers}
    access = answers[0].json()["access_token"]
    assert TokenVerifier(b"0123456789abcdef0123456789abcdef").verify(access).user_id == user_id
    own = (await world.call("GET", "/v1/users/me", token=access)).json()
    assert own["name"] == "Alice Liddell"
    other = (await logged_in(world, token(sub="another"))).json()
    assert other["user_id"] != user_id


async def test_an_account_of_the_provider_has_no_password_and_its_id_cannot_be_taken(
    world: GatewayWorld,
) -> None:
    user_id = (await logged_in(world, token())).json()["user_id"]
    guess = {"user_id": user_id, "password": "whatever it is"}
    assert code_of(await world.call("POST", "/v1/logins", guess)) == (401, "UNAUTHENTICATED")
    taken = {"user_id": f"{user_id[:-1]}0", "password": "correct horse"}
    assert code_of(await world.call("POST", "/v1/users", taken)) == (400, "INVALID_ARGUMENT")


@pytest.mark.parametrize(
    ("given", "code"),
    [
        (token(STRANGER), "UNAUTHENTICATED"),
        (token(kid="unknown"), "UNAUTHENTICATED"),
        (token("a shared secret of thirty-two bytes", "HS256"), "UNAUTHENTICATED"),
        (token(iss="https://evil.example.org"), "UNAUTHENTICATED"),
        (token(aud="another"), "UNAUTHENTICATED"),
        (token(sub=None), "UNAUTHENTICATED"),
        (token(exp=None), "UNAUTHENTICATED"),
        (token(exp=1.0), "TOKEN_EXPIRED"),
        ("not a token", "UNAUTHENTICATED"),
    ],
)
async def test_a_token_that_the_provider_has_not_made_for_us_logs_nobody_in(
    world: GatewayWorld, given: str, code: str
) -> None:
    assert code_of(await logged_in(world, given)) == (401, code)
    assert await world.database["users"].count_documents({}) == 0


async def test_a_provider_that_is_away_is_unavailable_and_without_one_there_is_nothing(
    tmp_path: Path, mongo_url: str
) -> None:
    away = IdentityProviderSettings(
        issuer=ISSUER, audience="whimbrel", jwks_url="http://127.0.0.1:1/keys", timeout_seconds=0.5
    )
    async with gateway(tmp_path, mongo_url, identity_provider=away) as world:
        assert code_of(await logged_in(world, token())) == (503, "UNAVAILABLE")
    async with gateway(tmp_path, mongo_url) as world:
        assert code_of(await logged_in(world, token())) == (404, "NOT_FOUND")
