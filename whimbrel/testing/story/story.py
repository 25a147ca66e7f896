"""The story: people register, befriend, chat, form a group, go offline, pull, read, recall, and
one is banned.

Each scene checks what it has brought about; `StoryError` says what did not come out. It acts
through the public doors alone: HTTP at the gateway, the SDK on the stream.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import httpx

from whimbrel.client import Attributes, BodyKind, ConnectionClosed, ReadEvent
from whimbrel.core.errors import CloseCode, ErrorCode, WhimbrelError
from whimbrel.testing.story.person import PASSWORD, Person, call, refused
from whimbrel.testing.story.scenes import Say, Scenes, StoryError, expect, soon

GROUP_SIZE: Final = 50
_AT_ONCE: Final = 4
_BAN_SECONDS: Final = 5.0
CHAT: Final = "d:ada:ben"


class Story:
    """One run on a fresh stack. `scenes.rows` is what there is to show."""

    def __init__(
        self, gateway_url: str, endpoints: Sequence[str], admin_token: Callable[[], str], say: Say
    ) -> None:
        """`admin_token` gives a token whose scope has "admin"."""
        self.scenes = Scenes(say)
        self._gateway_url = gateway_url
        self._endpoints = endpoints
        self._admin_token = admin_token
        self._group = ""

    async def run(self) -> None:
        """All scenes. Raises StoryError, or the WhimbrelError of what must not be refused."""
        # Proxies of the environment are for the world outside.
        async with httpx.AsyncClient(base_url=self._gateway_url, trust_env=False) as http:
            self._http = http
            self.ada, self.ben, self.cleo = (
                Person(name, http, self._endpoints) for name in ("ada", "ben", "cleo")
            )
            await self.scenes.play("register", self._register())
            await self.scenes.play("befriend", self._befriend())
            async with self.ada.online(), self.cleo.online():
                async with self.ben.online():
                    await self.scenes.play("chat", self._chat())
                    await self.scenes.play(f"group of {GROUP_SIZE}", self._form_group())
                await self.scenes.play("offline, pulled over HTTP", self._pull())
                async with self.ben.online():
                    await self.scenes.play("back on the stream", self._come_back())
                    await self.scenes.play("recall", self._recall())
                await self.scenes.play("ban", self._ban())

    async def _register(self) -> str:
        for person in (self.ada, self.ben, self.cleo):
            await person.register()
        await refused(ErrorCode.ALREADY_EXISTS, self.ada.register())
        await self.ada.log_in()
        gate = asyncio.Semaphore(_AT_ONCE)

        async def add(user_id: str) -> None:
            async with gate:
                body = {"user_id": user_id, "password": PASSWORD}
                await self._administer("POST", "/v1/admin/users", body)

        async with asyncio.TaskGroup() as tasks:
            for user_id in self._members():
                tasks.create_task(add(user_id))
        found = await self.ada.ask("GET", "/v1/users?prefix=be")
        expect([one["user_id"] for one in found], ["ben"], "the search for be")
        return f"3 people with passwords, {len(self._members())} added by an administrator"

    async def _befriend(self) -> str:
        ada, ben = self.ada, self.ben
        await ada.ask("PUT", "/v1/friend-requests/ben")
        (asked,) = (await ben.ask("GET", "/v1/friend-requests"))["users"]
        expect(asked["asked_by"], "ada", "who has asked ben")
        await ben.ask("POST", "/v1/friend-requests/ada/accept")
        (friend,) = (await ada.ask("GET", "/v1/friends"))["users"]
        expect(friend["user_id"], "ben", "ada's friend")
        privacy = {"strangers_may_write": False, "presence": "friends"}
        await ben.ask("PUT", "/v1/users/me/privacy", privacy)
        return "ada and ben are friends, and ben takes messages from friends only"

    async def _chat(self) -> str:
        ada, ben = self.ada, self.ben
        await self._refused_soon(ErrorCode.NOT_FRIENDS, lambda: self.cleo.client.send("ben", "?"))
        hello = await ada.client.send("ben", "hello")
        await ben.until_heard(hello.message_id)
        answer = await ben.client.send(
            "ada", "hello yourself", attributes=Attributes(reply_to=hello.message_id)
        )
        event = await ada.until_heard(answer.message_id)
        expect(event.attributes.reply_to, hello.message_id, "what ben answers")
        ben.client.signals.read(CHAT, hello.message_id)
        await self._read_by_ben(hello.message_id)
        return "ada sees that ben has read; cleo, no friend, is refused"

    async def _form_group(self) -> str:
        body = {"name": "everybody", "member_ids": ["ben", "cleo", *self._members()]}
        group = await self.ada.ask("POST", "/v1/groups", body)
        self._group = group["conversation_id"]
        expect(len(group["members"]), GROUP_SIZE, "members of the group")
        for person in (self.ben, self.cleo):
            await person.until("the notice of the group", self._has_notice("created"))
        said = await self.ada.client.send_to(
            self._group, "welcome", attributes=Attributes(mentions=("ben",))
        )
        for person in (self.ben, self.cleo):
            await person.until_heard(said.message_id)
        await self.ada.ask("PUT", f"/v1/groups/{self._group}/members/cleo/mute", _ever())
        await self._refused_soon(
            ErrorCode.MUTED, lambda: self.cleo.client.send_to(self._group, "but")
        )
        return "founded, said in the timelines; cleo is muted in it"

    async def _pull(self) -> str:
        ada, ben = self.ada, self.ben
        texts = ["are you there?", "it is urgent", "never mind"]
        sent = [await ada.client.send("ben", text) for text in texts]

        async def pulled() -> list[str]:
            recent = await ben.ask("GET", "/v1/sessions/recent")
            return [
                message["text"]
                for one in recent["conversations"]
                if one["conversation_id"] == CHAT
                for message in one["messages"]
            ]

        await soon("what ben pulls", pulled, texts)
        last = str(sent[-1].message_id)
        await ben.ask("POST", "/v1/messages/lastAccessedId", {CHAT: last})
        await soon("what is left to pull", pulled, [])
        expect(await self._unread_of_ben(), len(texts), "unread of ben, who has pulled, not read")
        await ben.ask("POST", f"/v1/conversations/{CHAT}/read", {"message_id": last})
        expect(await self._unread_of_ben(), 0, "unread of ben")
        await self._read_by_ben(sent[-1].message_id)

        async def found() -> list[str]:
            page = await ben.ask("GET", "/v1/search?q=urgent")
            return [message["text"] for message in page["messages"]]

        await soon("what ben's search finds", found, texts[1:2])
        return f"{len(texts)} messages pulled, acknowledged, read, found; ada sees the receipt"

    async def _come_back(self) -> str:
        last = await self.ada.client.send("ben", "welcome back")
        await self.ben.until_heard(last.message_id)
        texts = self.ben.texts(CHAT)
        expected = ["hello", "are you there?", "it is urgent", "never mind", "welcome back"]
        expect(texts, expected, "what ben's device was given")
        return "the stream brings what was pulled, once and in order"

    async def _recall(self) -> str:
        secret = await self.ada.client.send("ben", "a secret")
        await self.ben.until_heard(secret.message_id)
        recall = await self.ada.client.recall(CHAT, secret.message_id)
        event = await self.ben.until_heard(recall.message_id)
        expect(event.attributes.recalls, secret.message_id, "what is recalled")
        page = await self.ben.ask("GET", f"/v1/conversations/{CHAT}/messages?limit=10")
        (shown,) = (one for one in page["messages"] if one["message_id"] == str(secret.message_id))
        expect((shown["text"], shown["recalled_by"]), ("", str(recall.message_id)), "the history")
        return "ben's device is told, and the history has no body any more"

    async def _ban(self) -> str:
        body = {"reason": "the end of the story"}
        began = time.monotonic()
        await self._administer("PUT", "/v1/admin/bans/cleo", body)

        async def fate() -> str:
            try:
                await self.cleo.client.send("ada", "but")
            except WhimbrelError as error:  # for a moment the stream may outlive the right to send
                return error.code.name
            except ConnectionClosed as closed:
                return "" if closed.code is None else closed.code.name
            return "accepted"

        await soon("what becomes of cleo's messages", fate, CloseCode.REVOKED.name)
        seconds = time.monotonic() - began
        await refused(ErrorCode.BANNED, self.cleo.log_in())
        (newest, *_) = await self._administer("GET", "/v1/admin/audit")
        expect((newest["act"], newest["target"]), ("user.ban", "cleo"), "the audit log")
        return f"cleo's stream is closed after {seconds:.1f} s, and her login is refused"

    # --- inside ----------------------------------------------------------------------

    async def _administer(self, method: str, path: str, body: Any = None) -> Any:
        return await call(self._http, method, path, self._admin_token(), body)

    async def _read_by_ben(self, message_id: int) -> None:
        """Alice hears that ben has read so far, and finds it when she asks."""
        read = ReadEvent(CHAT, "ben", message_id)
        await self.ada.until("ben's read receipt", lambda ada: read in ada.signals)
        expect((await self.ada.client.reads(CHAT)).get("ben"), message_id, "ben's read cursor")

    async def _unread_of_ben(self) -> int:
        listed = await self.ben.ask("GET", "/v1/conversations")
        (unread,) = (
            one["unread"] for one in listed["conversations"] if one["conversation_id"] == CHAT
        )
        return int(unread)

    async def _refused_soon(self, code: ErrorCode, send: Callable[[], Awaitable[Any]]) -> None:
        """Facts about people reach every pod within 2 s: until then a message may pass."""
        give_up_at = time.monotonic() + _BAN_SECONDS
        while True:
            try:
                await send()
            except WhimbrelError as error:
                if error.code is not code:
                    raise
                return
            if time.monotonic() > give_up_at:
                raise StoryError(f"nothing was refused with {code.name} for {_BAN_SECONDS:g} s")
            await asyncio.sleep(0.2)

    def _has_notice(self, kind: str) -> Callable[[Person], bool]:
        return lambda person: any(
            event.kind is BodyKind.SYSTEM
            and event.conversation_id == self._group
            and json.loads(event.body)["type"] == kind
            for event in person.heard
        )

    @staticmethod
    def _members() -> list[str]:
        return [f"member-{number}" for number in range(GROUP_SIZE - 3)]


def _ever() -> dict[str, int]:
    return {"until_ms": 2**53 - 1}
