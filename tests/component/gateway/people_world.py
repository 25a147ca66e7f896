"""A gateway before a Logic on real stores, and people with accounts who call it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from tests.component.gateway.gateway_world import SECRET, GatewayWorld, gateway, until_logic_answers
from tests.component.logic.history_world import HistoryWorld, history_world
from whimbrel.runtime.tokens import sign_token

PEOPLE = ("alice", "bob", "carol", "dora")
ROOT = "root"
"""Whose token has the admin scope; has no account."""
# What Logic has stored; what it keeps for itself (leases, heads) changes by itself.
_KEPT = ("relations", "privacy", "conversations", "messages", "reports", "risks", "words")


class PeopleWorld(NamedTuple):
    """Logic behind, the gateway before it."""

    logic: HistoryWorld
    gateway: GatewayWorld
    url: str
    """Of MongoDB."""

    async def call(
        self, who: str, method: str, path: str, body: Any = None, *, key: str | None = None
    ) -> httpx.Response:
        """One request of this user."""
        scope = "admin" if who == ROOT else ""
        token = sign_token(SECRET, who, 600, now=time.time(), scope=scope)
        return await self.gateway.call(method, path, body, token=token, key=key)

    async def done(
        self, who: str, method: str, path: str, body: Any = None, *, key: str | None = None
    ) -> Any:
        """What a request answers, which is well; None when it has no body."""
        answer = await self.call(who, method, path, body, key=key)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    async def group(self, *members: str) -> str:
        """A group that Alice has founded with these; its id."""
        founded = await self.done("alice", "POST", "/v1/groups", {"member_ids": members})
        return str(founded["conversation_id"])

    async def kept(self) -> dict[str, list[Any]]:
        """All that is stored about people, and what administrators did."""
        database = self.logic.database
        found = {name: await database[name].find().to_list(None) for name in _KEPT}
        found["audit"] = await self.gateway.database["audit"].find().to_list(None)
        return found


@asynccontextmanager
async def people_world(folder: Path, mongo_url: str, redis_url: str) -> AsyncIterator[PeopleWorld]:
    """Everything up, everybody registered."""
    async with (
        history_world(redis_url, mongo_url) as logic,
        gateway(folder, mongo_url, router=logic.router_address) as http,
    ):
        world = PeopleWorld(logic, http, mongo_url)
        for name in PEOPLE:
            await http.register(name)
        await until_logic_answers(http)
        yield world
