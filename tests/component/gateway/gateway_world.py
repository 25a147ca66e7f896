"""A real gateway in the test's loop: uvicorn on a port of its own, a database of its own."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from services.gateway.bootstrap import SERVICE
from services.gateway.settings import GatewaySettings, LimitSettings, PasswordSettings
from tests.waiting import until
from whimbrel.runtime.auth_settings import AuthSettings
from whimbrel.runtime.settings import MongoSettings, PodSettings, RouterTarget
from whimbrel.runtime.stores import Database, open_mongo
from whimbrel.runtime.tokens import sign_token
from whimbrel.testing.servers import running_service

SECRET = b"0123456789abcdef0123456789abcdef"
SECONDS = 20.0
CHEAP = PasswordSettings(passes=1, memory_kib=64)
NO_LIMITS = LimitSettings(
    logins_per_minute=10**6, attempts_per_minute=10**6, registrations_per_hour=10**6
)
PASSWORD = "correct horse"


@dataclass
class GatewayWorld:
    """The client, and what a test needs beside it."""

    http: httpx.AsyncClient
    address: str
    database: Database
    metrics_address: str

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str | None = None,
        key: str | None = None,
    ) -> httpx.Response:
        """One request; `token` is an access token, `key` the Idempotency-Key."""
        headers = {} if token is None else {"authorization": f"Bearer {token}"}
        if key is not None:
            headers["idempotency-key"] = key
        return await self.http.request(method, path, json=body, headers=headers)

    async def register(self, user_id: str, **fields: Any) -> dict[str, Any]:
        """A new account; its tokens."""
        body = {"user_id": user_id, "password": PASSWORD, **fields}
        answer = await self.call("POST", "/v1/users", body)
        assert answer.status_code == 201, answer.text
        tokens: dict[str, Any] = answer.json()
        return tokens

    async def log_in(self, user_id: str, **fields: Any) -> dict[str, Any]:
        """A new login of somebody who has registered; its tokens."""
        body = {"user_id": user_id, "password": PASSWORD, **fields}
        answer = await self.call("POST", "/v1/logins", body)
        assert answer.status_code == 201, answer.text
        tokens: dict[str, Any] = answer.json()
        return tokens

    async def refresh(self, refresh_token: str) -> httpx.Response:
        """Ask for the next pair."""
        return await self.call("POST", "/v1/logins/refresh", {"refresh_token": refresh_token})

    def admin(self, name: str = "root") -> str:
        """A token with the admin scope."""
        return sign_token(SECRET, name, 600, now=time.time(), scope="admin")


@asynccontextmanager
async def gateway(
    folder: Path,
    mongo_url: str,
    *,
    router: str = "127.0.0.1:1",
    database_name: str = "",
    **settings: Any,
) -> AsyncIterator[GatewayWorld]:
    """A gateway that serves. `router` is host:port of a Router, whose Logic pods it then asks;
    else there is none. `database_name`: of a database that it shares with others. `settings`:
    groups of its own."""
    key = folder / "token.key"
    key.write_bytes(SECRET)
    with_defaults: dict[str, Any] = {"passwords": CHEAP, "limits": NO_LIMITS, **settings}
    name = database_name or f"gateway-{secrets.token_hex(4)}"
    read = GatewaySettings(
        pod=PodSettings(id="gateway-7"),
        mongo=MongoSettings(url=mongo_url, database=name),
        router=RouterTarget(addresses=router),
        auth=AuthSettings(secret_file=key),
        **with_defaults,
    )
    async with (
        running_service(SERVICE, read) as chassis,
        httpx.AsyncClient(base_url=f"http://{chassis.client_address}", timeout=SECONDS) as http,
        open_mongo(read.mongo) as database,
    ):
        yield GatewayWorld(http, chassis.client_address, database, chassis.metrics_address)


async def until_logic_answers(world: GatewayWorld) -> None:
    """Wait until the registry's Logic pods have come to the gateway."""

    async def answers() -> bool:
        return (await world.call("GET", "/v1/friends", token=world.admin())).status_code == 200

    await until(answers)


def code_of(response: httpx.Response) -> tuple[int, str]:
    """The status and the public code of a refusal."""
    return response.status_code, response.json()["error"]["code"]
