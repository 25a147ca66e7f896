"""Any sequence of uploads over HTTP, good and bad, cut and at once: what is downloaded is exactly
what was acknowledged, and every refusal is one that is documented."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import httpx
import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from tests.component.gateway.gateway_world import code_of
from tests.component.gateway.media_world import (
    CHUNK,
    OFFSET_TYPE,
    TUS,
    MediaWorld,
    folder_settings,
    media_world,
    token_of,
)
from tests.waiting import until

T = TypeVar("T")

SIZE = 3 * CHUNK + 100
BAD: dict[str, tuple[dict[str, str], tuple[int, str]]] = {
    "no type": ({"content_type": "image/png"}, (415, "INVALID_ARGUMENT")),
    "another version": ({"tus_resumable": "0.2.2"}, (412, "INVALID_ARGUMENT")),
    "no offset": ({"upload_offset": ""}, (400, "INVALID_ARGUMENT")),
    "a negative offset": ({"upload_offset": "-1"}, (400, "INVALID_ARGUMENT")),
    "no number": ({"upload_offset": "0x10"}, (400, "INVALID_ARGUMENT")),
    "a huge offset": ({"upload_offset": "9" * 15}, (409, "CONFLICT")),
    "too far": ({"upload_offset": str(SIZE + 1)}, (409, "CONFLICT")),
}


class Step(NamedTuple):
    """One thing that clients do."""

    kind: str
    length: int


STEPS = st.builds(
    Step,
    st.sampled_from(["bring", "bring", "cut", "cut", "at once", "stranger", "empty", *BAD]),
    st.sampled_from([1, 1000, CHUNK - 1, CHUNK, CHUNK + 1, SIZE, SIZE + 1]),
)


@dataclass
class Server:
    """A gateway in a loop of its own, which runs while it is asked something."""

    loop: asyncio.AbstractEventLoop
    media: MediaWorld

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, mongo_url: str) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("sequences")
    loop = asyncio.new_event_loop()
    opened = media_world(folder, mongo_url, folder_settings(folder, quota_bytes=2**40))
    media = loop.run_until_complete(opened.__aenter__())
    yield Server(loop, media)
    loop.run_until_complete(opened.__aexit__(None, None, None))
    loop.close()


class Sequence:
    """One upload, and what was acknowledged of it."""

    def __init__(self, media: MediaWorld, seed: int) -> None:
        self.media = media
        self.dice = random.Random(seed)
        self.acknowledged = b""
        self.media_id = ""

    async def play(self, steps: list[Step]) -> None:
        self.media_id = await self.media.begin("alice", SIZE)
        for step in steps:
            if len(self.acknowledged) == SIZE:
                break
            await self._play(step)
            assert await self.media.offset("alice", self.media_id) == len(self.acknowledged)
        if rest := self.dice.randbytes(SIZE - len(self.acknowledged)):
            assert (await self._patch(rest)).status_code == 204
            self.acknowledged += rest
        got = await self.media.call("alice", "GET", f"/{self.media_id}")
        assert got.content == self.acknowledged
        assert (await self.media.call("alice", "DELETE", f"/{self.media_id}")).status_code == 204

    async def _play(self, step: Step) -> None:
        body = self.dice.randbytes(step.length)
        if step.kind in BAD:
            headers, wanted = BAD[step.kind]
            assert code_of(await self._patch(body, **headers)) == wanted
        elif step.kind == "stranger":
            answer = await self._patch(body, who="mallory")
            assert code_of(answer) == (404, "NOT_FOUND")
        elif step.kind == "empty":
            assert (await self._patch(b"")).status_code == 204
        elif step.kind == "cut":
            await self._cut(body)
        else:
            bodies = [body]
            if step.kind == "at once":
                bodies.append(self.dice.randbytes(step.length))
            self._settle(bodies, await asyncio.gather(*map(self._patch, bodies)))

    async def _patch(self, body: bytes, who: str = "alice", **headers: str) -> httpx.Response:
        at = len(self.acknowledged)
        return await self.media.patch(who, self.media_id, at, body, **headers)

    def _settle(self, bodies: list[bytes], answers: list[httpx.Response]) -> None:
        """Of requests at once one is acknowledged at most; a body that is too long never is."""
        fits = len(self.acknowledged) + len(bodies[0]) <= SIZE
        taken = [n for n, answer in enumerate(answers) if answer.status_code == 204]
        assert len(taken) == fits, [answer.text for answer in answers]
        refused = {code_of(answer) for answer in answers if answer.status_code != 204}
        assert refused <= (
            {(409, "CONFLICT"), (423, "CONFLICT")} if fits else {(413, "BODY_TOO_LARGE")}
        )
        for number in taken:
            self.acknowledged += bodies[number]
            assert answers[number].headers["upload-offset"] == str(len(self.acknowledged))

    async def _is_held(self) -> bool:
        """Whether a request writes the upload now. Over HTTP only another writer would see it."""
        row = await self.media.gateway.database["media"].find_one({"_id": self.media_id})
        assert row is not None
        return bool(row["writer"])

    async def _cut(self, body: bytes) -> None:
        """A request that says it brings more than it does; what of it counts HEAD says."""
        at = len(self.acknowledged)
        announced = min(SIZE - at, len(body) + 1)
        sent = body[: announced - 1]
        host, _, port = self.media.gateway.address.rpartition(":")
        _, writer = await asyncio.open_connection(host, int(port))
        headers = {
            "host": host,
            **TUS,
            "authorization": f"Bearer {token_of('alice')}",
            "content-type": OFFSET_TYPE,
            "content-length": str(announced),
            "upload-offset": str(at),
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        path = f"/v1/media/{self.media_id}"
        writer.write(f"PATCH {path} HTTP/1.1\r\n{head}\r\n".encode() + sent)
        await writer.drain()

        await until(self._is_held)
        writer.close()

        async def is_given_back() -> bool:
            return not await self._is_held()

        await until(is_given_back)
        counted = await self.media.offset("alice", self.media_id) - at
        assert 0 <= counted <= len(sent)
        self.acknowledged += sent[:counted]


@given(steps=st.lists(STEPS, max_size=8), seed=st.integers(0, 2**32))
@settings(max_examples=40, deadline=None)
def test_what_is_downloaded_is_what_was_acknowledged(
    server: Server, steps: list[Step], seed: int
) -> None:
    server.run(Sequence(server.media, seed).play(steps))
