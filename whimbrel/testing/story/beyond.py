"""The story of what goes beyond the stream: a picture, phones that are away, the host product.

Each scene checks what it has brought about; `StoryError` says what did not come out. The picture
is uploaded by a tus client that is not ours, the push service speaks Apple's protocol, the host
product answers and hears real webhooks; Redis is flushed in between.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

import httpx
from redis.asyncio import Redis

from whimbrel.core.attributes import PLAIN, Attributes
from whimbrel.core.errors import ErrorCode, WhimbrelError
from whimbrel.core.names import direct_conversation
from whimbrel.testing.host_product import CHANGED, CHANGED_TO, REASON, REJECTED
from whimbrel.testing.pictures import picture
from whimbrel.testing.story.person import Person, refused
from whimbrel.testing.story.phones import Phones
from whimbrel.testing.story.scenes import Say, Scenes, StoryError, expect, soon
from whimbrel.testing.story.surroundings import Surroundings
from whimbrel.testing.story.tus_upload import upload_over_a_cut

_MEGABYTE: Final = 1_000_000
_EVENTS_SECONDS: Final = 60.0
"""Until the host product has heard: events that were not taken in a flush wait and come again."""


class Beyond:
    """One run on a fresh stack that knows its surroundings. `scenes.rows` is what there is to
    show."""

    def __init__(
        self,
        gateway_url: str,
        endpoints: Sequence[str],
        redis_url: str,
        around: Surroundings,
        say: Say,
    ) -> None:
        self.scenes = Scenes(say)
        self._gateway_url = gateway_url
        self._endpoints = endpoints
        self._redis_url = redis_url
        self._around = around
        self._said: dict[str, list[str]] = defaultdict(list)
        """What was accepted, as it was stored, by conversation."""

    async def run(self) -> None:
        """All scenes. Raises StoryError, or the WhimbrelError of what must not be refused."""
        # Proxies of the environment are for the world outside.
        async with (
            httpx.AsyncClient(base_url=self._gateway_url, trust_env=False) as http,
            Redis.from_url(self._redis_url) as redis,
        ):
            self.ada, self.ben, self.cleo = (
                Person(name, http, self._endpoints) for name in ("ada", "ben", "cleo")
            )
            phones = Phones(self._write, self._around.apns, redis)
            for person in (self.ada, self.ben, self.cleo):
                await person.register()
            for person in (self.ben, self.cleo):
                await phones.register(person)
            play = self.scenes.play
            async with self.ada.online():
                async with self.ben.online(), self.cleo.online():
                    await play("a picture over a bad network", self._send_picture())
                await play("a phone that is away", phones.wake(self.ben))
                await play("back in time", phones.come_back_in_time(self.ben))
                await play("a dead token", phones.lose_token(self.ben))
                people = [self.ben, self.cleo]
                await play("Redis is flushed", phones.flush_redis(people))
                await play("the host product", self._ask_host())

    async def _send_picture(self) -> str:
        content = picture(1600, 1200)
        address = self._gateway_url.removeprefix("http://")
        media_id, kept = await upload_over_a_cut(self.ada, address, content)
        message_id = await self._write("ben", "look", Attributes(media_id=media_id))
        event = await self.ben.until_heard(message_id)
        expect(event.attributes.media_id, media_id, "what the message shows")
        got = await self.ben.fetch(f"/v1/media/{media_id}")
        if got != content:
            raise StoryError("what ben has downloaded is not what ada has uploaded")
        await refused(ErrorCode.NOT_FOUND, self.cleo.fetch(f"/v1/media/{media_id}"))
        chat = direct_conversation("ada", "ben")
        body = {"message_id": str(message_id)}
        await self.ben.ask("POST", f"/v1/conversations/{chat}/read", body)
        return (
            f"{len(content) / _MEGABYTE:.1f} MB, cut and resumed at {kept / len(content):.0%}; "
            "ben has every byte, cleo may not look"
        )

    async def _ask_host(self) -> str:
        host = self._around.host
        for text in ("one", REJECTED, CHANGED, "two", "three"):
            try:
                await self._write("ben", text)
            except WhimbrelError as error:
                got = (text, error.code, error.detail)
                expect(got, (REJECTED, ErrorCode.REFUSED_BY_HOST, REASON), "what was rejected")
        for conversation, texts in self._said.items():

            async def heard(conversation: str = conversation) -> list[str]:
                return host.texts(conversation)

            what = f"what the host product hears of {conversation}"
            await soon(what, heard, texts, within_seconds=_EVENTS_SECONDS)
        stored = self._said[direct_conversation("ada", "ben")]
        expect(REJECTED in stored, False, "whether what is to be rejected was stored")
        async with self.ben.online():
            await self.ben.until("three", lambda me: me.heard[-1].text == "three")
        expect(self.ben.texts(direct_conversation("ada", "ben")), stored, "what ben was given")
        events = sum(len(texts) for texts in self._said.values())
        return f"one message rejected, one changed; {events} events heard, in order"

    async def _write(self, to: str, text: str, attributes: Attributes = PLAIN) -> int:
        """Ada says something; its message_id."""
        chat = direct_conversation("ada", to)
        receipt = await self.ada.client.send_to(chat, text, attributes=attributes)
        stored = CHANGED_TO if text == CHANGED else text
        self._said[chat].append(stored)
        return receipt.message_id
