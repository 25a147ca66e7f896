"""Two people who encrypt end to end over a real stack: the servers carry it and read nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest
from cryptography.exceptions import InvalidTag
from pymongo import AsyncMongoClient
from redis.asyncio import Redis

from tests.e2e.ratchet import Ratchet, answer, begin
from tests.key_ring import KeyRing
from tests.waiting import until
from whimbrel.client import Client, MessageEvent, connect
from whimbrel.core.outgoing import BodyKind
from whimbrel.local.stack import Stack, StackSpec

pytestmark = pytest.mark.timeout(180)

PASSWORD = "correct horse"
SECRET = "meet me under the clock"
"""Part of all that is said in secret."""
OPEN = "the weather is fine"
"""Said in a text, to show that the search below finds what is there."""


class Person:
    """A user on one device: keys, a client, a session with each device of the other."""

    def __init__(self, http: httpx.AsyncClient, user_id: str, device_id: str, token: str) -> None:
        self.user_id = user_id
        self.device_id = device_id
        self.ring = KeyRing(user_id, device_id)
        self.heard: list[str] = []
        self.client: Client
        self._http = http
        self._headers = {"authorization": f"Bearer {token}"}
        self._sessions: dict[str, Ratchet] = {}
        self._to_say: dict[str, dict[str, Any]] = {}

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        got = await self._http.request(method, path, json=body, headers=self._headers)
        assert got.is_success, got.text
        return got.json()

    async def publish(self) -> None:
        """Register the device and its keys."""
        path = f"/v1/devices/{self.device_id}"
        await self.ask("PUT", path, {"platform": "ios"})
        await self.ask("PUT", f"{path}/keys", self.ring.body(1, range(1, 6)))

    async def meet(self, user_id: str) -> list[int | None]:
        """Begin a session with each device of a user; the ids of the one-time prekeys got."""
        bundles = await self.ask("GET", f"/v1/users/{user_id}/keys")
        for bundle in bundles:
            device = bundle["device_id"]
            self._sessions[device], self._to_say[device] = begin(self.ring, user_id, bundle)
        return [one["one_time_prekey"] and one["one_time_prekey"]["key_id"] for one in bundles]

    async def say(self, user_id: str, text: str) -> None:
        """One message for each device of the other; nobody else can read it."""
        for device, session in self._sessions.items():
            head = {"to": f"{user_id}/{device}", "begins": self._to_say.pop(device, None)}
            sealed = session.encrypt(text.encode())
            body = json.dumps(head).encode() + b"\n" + sealed
            await self.client.send(user_id, body, encrypted=True)

    async def listen(self) -> None:
        async for event in self.client.events():
            if isinstance(event, MessageEvent):
                self._hear(event)

    def _hear(self, event: MessageEvent) -> None:
        if event.kind is not BodyKind.ENCRYPTED:
            self.heard.append(event.text)
            return
        head_bytes, sealed = event.body.split(b"\n", 1)
        head = json.loads(head_bytes)
        if head["to"] != f"{self.user_id}/{self.device_id}":
            return
        if head["begins"] is not None:
            self._sessions[event.sender_device_id] = answer(self.ring, head["begins"])
        session = self._sessions[event.sender_device_id]
        self.heard.append(session.decrypt(sealed).decode())


async def person(stack: Stack, http: httpx.AsyncClient, user_id: str, device_id: str) -> Person:
    """A user on a device with published keys; the account is made by the first device."""
    body = {"user_id": user_id, "password": PASSWORD}
    await http.post("/v1/users", json=body)
    made = Person(http, user_id, device_id, stack.token(user_id))
    await made.publish()
    return made


async def kept(stack: Stack) -> AsyncIterator[tuple[str, bytes]]:
    """All that the servers have: every document, every key of Redis, every line of the logs."""
    mongo: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(stack.mongo_url)
    redis = Redis.from_url(stack.redis_url)
    try:
        for name in await mongo.whimbrel.list_collection_names():
            async for row in mongo.whimbrel[name].find():
                yield f"mongo {name}", repr(row).encode()
        async for key in redis.scan_iter():
            yield "redis", key + b" " + await everything_at(redis, key)
    finally:
        await redis.aclose()
        await mongo.close()
    for name, content in logs_of(stack.folder.logs):
        yield f"log {name}", content


def logs_of(folder: Path) -> list[tuple[str, bytes]]:
    return [(log.name, log.read_bytes()) for log in sorted(folder.iterdir())]


async def everything_at(redis: Redis, key: bytes) -> bytes:
    """The value of a key, of whatever type, as bytes that can be searched."""
    kind: Any = await redis.type(key)
    readers: dict[str, Any] = {
        "string": lambda: redis.get(key),
        "hash": lambda: redis.hgetall(key),
        "list": lambda: redis.lrange(key, 0, -1),
        "set": lambda: redis.smembers(key),
        "zset": lambda: redis.zrange(key, 0, -1, withscores=True),
        "stream": lambda: redis.xrange(key),
        "none": lambda: asyncio.sleep(0),
    }
    return repr(await readers[kind.decode()]()).encode()


async def test_two_people_encrypt_end_to_end_and_no_server_reads_a_word() -> None:
    async with (
        Stack.start(StackSpec(access=2, logic=1, gateway=2)) as stack,
        httpx.AsyncClient(base_url=stack.gateway_url) as http,
        asyncio.TaskGroup() as tasks,
    ):
        alice = await person(stack, http, "alice", "phone")
        bobs = [await person(stack, http, "bob", device) for device in ("desk", "tablet")]
        everybody = [alice, *bobs]
        listening = []
        for one in everybody:
            token = stack.token(one.user_id)
            one.client = connect(stack.endpoints, token, device=one.device_id)
            await one.client.__aenter__()
            listening.append(tasks.create_task(one.listen()))
        assert await alice.meet("bob") == [1, 1]
        said = [f"{SECRET} at {number}" for number in range(6)]
        for number, text in enumerate(said):
            await alice.say("bob", text)
            if number == 2:
                await stack.kill("access-0")  # a ratchet has no use for what came twice
        await until(lambda: all(bob.heard == said for bob in bobs), seconds=30)
        for bob in bobs:
            for text in said[:2]:
                await bob.say("alice", f"{bob.device_id}: {text}")
        await alice.say("bob", f"{SECRET}, the last time")
        await alice.client.send("bob", OPEN)
        await until(
            lambda: all(bob.heard[6:] == [f"{SECRET}, the last time", OPEN] for bob in bobs)
        )
        expected = sorted(f"{bob.device_id}: {text}" for bob in bobs for text in said[:2])
        await until(lambda: sorted(alice.heard) == expected)
        for task in listening:
            task.cancel()
        for one in everybody:
            await one.client.__aexit__(None, None, None)
        places = {"secret": set[str](), "open": set[str](), "all": set[str]()}
        async for place, content in kept(stack):
            places["all"].add(place.split()[0])
            for name, text in (("secret", SECRET), ("open", OPEN)):
                if text.encode() in content:
                    places[name].add(place)
        assert places["all"] == {"mongo", "redis", "log"}
        assert "mongo messages" in places["open"]  # what is there is found
        assert places["secret"] == set()
        assert not any(place.startswith("log") for place in places["open"])  # of no body a word


def sides(seed: int) -> tuple[Ratchet, Ratchet]:
    """Both sides of a session that has begun."""
    alice, bob = KeyRing("alice", "phone", str(seed)), KeyRing("bob", "phone", str(seed))
    body = bob.body(1, [1])
    one_time = body.pop("one_time_prekeys")[0]
    bundle = {"device_id": "phone", **body, "one_time_prekey": one_time}
    session, said = begin(alice, "bob", bundle)
    return session, answer(bob, said)


@pytest.mark.parametrize("seed", range(20))
def test_the_ratchet_of_this_test_reads_what_was_said_in_any_order_once(seed: int) -> None:
    chance = Random(seed)
    ends = sides(seed)
    on_way: tuple[list[tuple[bytes, bytes]], ...] = ([], [])
    for number in range(60):
        side = chance.randrange(2) if ends[1].sending else 0
        if chance.random() < 0.5:
            text = f"{side} {number}".encode()
            on_way[1 - side].append((text, ends[side].encrypt(text)))
        waiting = on_way[chance.randrange(2)]
        if waiting and chance.random() < 0.7:
            text, sealed = waiting.pop(chance.randrange(len(waiting)))
            end = ends[1] if waiting is on_way[1] else ends[0]
            assert end.decrypt(sealed) == text
            with pytest.raises((KeyError, InvalidTag)):
                end.decrypt(sealed)
