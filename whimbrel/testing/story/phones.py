"""The scenes about phones that are away: who is woken, who is not any more, and who is again."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from typing import Any, Final

from redis.asyncio import Redis

from services.push.adapters.keys import due_key
from whimbrel.core.attributes import PLAIN, Attributes
from whimbrel.runtime.push_stream import STREAM_KEY
from whimbrel.testing.push_providers.apns_server import OK, ApnsPush, ApnsServer, Reply
from whimbrel.testing.story.person import DEVICE, Person
from whimbrel.testing.story.scenes import expect, soon

_PUSH_SECONDS: Final = 20.0
_RESCAN_SECONDS: Final = 45.0
_DUE: Final = due_key("apns")

Write = Callable[..., Awaitable[Any]]


class Phones:
    """Somebody writes to people whose phones are away; an APNs is asked to wake them."""

    def __init__(self, write: Write, apns: ApnsServer, redis: Redis) -> None:
        """`write`: sends (user_id, text, attributes); the last may be left out."""
        self._write = write
        self._apns = apns
        self._redis = redis
        self._tokens: dict[str, str] = {}

    async def register(self, person: Person) -> str:
        """Give the phone a push token, a new one each time."""
        token = secrets.token_hex(32)
        body = {"platform": "phone", "push": {"provider": "apns", "token": token}}
        await person.ask("PUT", f"/v1/devices/{DEVICE}", body)
        self._tokens[person.user_id] = token
        return token

    async def wake(self, person: Person) -> str:
        """Three messages for a phone that is away come to one notification."""
        texts = ["are you there?", "it is urgent", "call me"]
        mention = Attributes(mentions=(person.user_id,))
        for text in texts:
            await self._write(person.user_id, text, mention if text == texts[1] else PLAIN)
        await self._pushed(person, 1)
        (push,) = self._pushes(person)
        unread = await _unread(person)
        expect(unread, len(texts), "what is unread over HTTP")
        expect(push.badge, unread, "the badge")
        shown = push.payload["aps"]["alert"]
        expect(shown, {"title": "ada", "body": f"New message ({unread})"}, "what is shown")
        expect(push.payload["whimbrel"].get("mentions_you"), "true", "the mention")
        expect([text for text in texts if text in str(push.payload)], [], "bodies in the push")
        return (
            f"one push over HTTP/2 for {len(texts)} messages, badge {push.badge}, with the mention "
            "and without a text"
        )

    async def come_back_in_time(self, person: Person) -> str:
        """A phone that comes back before its push is due takes it back by acknowledging."""
        before = len(self._pushes(person))
        await self._write(person.user_id, "never mind")
        await soon("wakes that wait", self._waiting, 1)
        async with person.online():
            await person.until("what was written", lambda me: me.heard[-1].text == "never mind")
            await soon("wakes that wait", self._in_hand, 0, within_seconds=_PUSH_SECONDS)
        expect(len(self._pushes(person)), before, "pushes after the acknowledgement")
        return "acknowledged while the push waited: it was not sent"

    async def lose_token(self, person: Person) -> str:
        """A token that Apple calls dead goes, and the next one is used."""
        dead = self._tokens[person.user_id]
        self._apns.answer = lambda token, _: Reply(410, "Unregistered") if token == dead else OK
        asked = self._apns.asked[dead]
        await self._write(person.user_id, "the application was removed")

        async def provider() -> str:
            devices = await person.ask("GET", "/v1/devices")
            (phone,) = (one for one in devices if one["device_id"] == DEVICE)
            return str(phone["push_provider"])

        await soon("the provider of the phone", provider, "", within_seconds=_PUSH_SECONDS)
        expect(self._apns.asked[dead], asked + 1, "times that the dead token was tried")
        await self.register(person)
        await self._write(person.user_id, "and is back")
        await self._pushed(person, 1)
        return "the dead token was tried once and removed, a new one is woken"

    async def flush_redis(self, people: list[Person]) -> str:
        """Who waits for a push when Redis is lost is enqueued again from heads and cursors."""
        for person in people:
            await self._write(person.user_id, "before the flush")
        await soon("wakes that wait", self._waiting, len(people))
        await self._redis.flushall()
        before = {one.user_id: len(self._pushes(one)) for one in people}
        for person in people:
            await self._pushed(person, before[person.user_id] + 1, _RESCAN_SECONDS)
            badge = self._pushes(person)[-1].badge
            if badge is not None:  # nobody may have counted again yet; a wrong one never
                expect(badge, await _unread(person), f"the badge of {person.user_id}")
        return f"{len(people)} people whose pushes waited were enqueued again and woken"

    async def _pushed(
        self, person: Person, count: int, within_seconds: float = _PUSH_SECONDS
    ) -> None:
        async def pushes() -> int:
            return len(self._pushes(person))

        what = f"pushes to {person.user_id}"
        await soon(what, pushes, count, within_seconds=within_seconds)

    def _pushes(self, person: Person) -> list[ApnsPush]:
        token = self._tokens[person.user_id]
        return [push for push in self._apns.pushes if push.device_token == token]

    async def _waiting(self) -> int:
        """Wakes that are not sent yet."""
        return int(await self._redis.zcard(_DUE))

    async def _in_hand(self) -> int:
        """The same, with the jobs that are no wakes yet."""
        return await self._waiting() + int(await self._redis.xlen(STREAM_KEY))


async def _unread(person: Person) -> int:
    listed = await person.ask("GET", "/v1/conversations")
    return sum(int(one["unread"]) for one in listed["conversations"])
