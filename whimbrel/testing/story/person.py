"""Somebody in the story: an account over HTTP, and a device on the stream."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import httpx

from whimbrel.client import Client, ConnectionClosed, MessageEvent, SignalEvent, connect
from whimbrel.core.errors import ErrorCode, WhimbrelError
from whimbrel.testing.story.scenes import StoryError

_CALL_SECONDS: Final = 20.0
_HEARD_SECONDS: Final = 15.0
PASSWORD: Final = "correct horse battery"
DEVICE: Final = "phone"


async def call(
    http: httpx.AsyncClient, method: str, path: str, token: str, body: Any = None
) -> Any:
    """The answer, decoded; None without a body. Raises the WhimbrelError of a refusal."""
    content = await _called(http, method, path, token, body)
    return json.loads(content) if content else None


async def _called(http: httpx.AsyncClient, method: str, path: str, token: str, body: Any) -> bytes:
    headers = {"authorization": f"Bearer {token}"} if token else {}
    answer = await http.request(method, path, json=body, headers=headers, timeout=_CALL_SECONDS)
    if answer.is_success:
        return answer.content
    said = answer.json()["error"]
    raise WhimbrelError(ErrorCode[said["code"]], said["detail"])


class Person:
    """One user with one device."""

    def __init__(self, user_id: str, http: httpx.AsyncClient, endpoints: Sequence[str]) -> None:
        """`http` has the gateway as its base URL."""
        self.user_id = user_id
        self.heard: list[MessageEvent] = []
        """Everything that the device was given, over all its runs."""
        self.signals: list[SignalEvent] = []
        self._http = http
        self._endpoints = list(endpoints)
        self._token = ""
        self._client: Client | None = None
        self._cursor_of_run = 0
        self._news = asyncio.Event()

    @property
    def client(self) -> Client:
        """The device, while it is `online`."""
        if self._client is None:
            raise StoryError(f"{self.user_id} is offline")
        return self._client

    async def register(self) -> None:
        """Make the account; this is also its first login."""
        body = {"user_id": self.user_id, "password": PASSWORD, "device_id": DEVICE}
        self._token = (await self.ask("POST", "/v1/users", body))["access_token"]

    async def log_in(self) -> None:
        """Log in again. Raises BANNED and its kind."""
        body = {"user_id": self.user_id, "password": PASSWORD, "device_id": DEVICE}
        self._token = (await self.ask("POST", "/v1/logins", body))["access_token"]

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        """A request of this person's. Raises the WhimbrelError of a refusal."""
        return await call(self._http, method, path, self._token, body)

    async def fetch(self, path: str) -> bytes:
        """What is there, as it is. Raises the WhimbrelError of a refusal."""
        return await _called(self._http, "GET", path, self._token, None)

    @property
    def headers(self) -> dict[str, str]:
        """By which another HTTP client acts for this person."""
        return {"authorization": f"Bearer {self._token}"}

    @asynccontextmanager
    async def online(self) -> AsyncIterator[Client]:
        """Connected with the access token of the login; everything that comes is kept."""
        async with connect(
            self._endpoints, self._token, device=DEVICE, signals=True, platform="phone"
        ) as client:
            self._client = client
            listening = [
                asyncio.create_task(self._listen(client.events(), self.heard)),
                asyncio.create_task(self._listen(client.signals.events(), self.signals)),
            ]
            try:
                yield client
            finally:
                self._client = None
                for task in listening:
                    task.cancel()
                await asyncio.gather(*listening, return_exceptions=True)

    async def until(self, what: str, holds: Callable[[Person], Any]) -> None:
        """Wait until it holds. Raises StoryError, which says `what` did not come."""
        try:
            async with asyncio.timeout(_HEARD_SECONDS):
                while not holds(self):
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise StoryError(f"{self.user_id} waited {_HEARD_SECONDS:g} s for {what}") from None

    async def until_heard(self, message_id: int) -> MessageEvent:
        """Wait until the device was given this message."""
        await self.until(
            f"message {message_id}",
            lambda me: any(event.message_id == message_id for event in me.heard),
        )
        return next(event for event in self.heard if event.message_id == message_id)

    def texts(self, conversation_id: str) -> list[str]:
        """What the device was given in a conversation, in its order."""
        return [
            event.body.decode() for event in self.heard if event.conversation_id == conversation_id
        ]

    async def _listen(self, source: AsyncIterator[Any], into: list[Any]) -> None:
        try:
            async for event in source:
                into.append(event)
                self._news.set()
        except ConnectionClosed as reason:
            # Whoever waits for the device says what it did not get.
            self._news.set()
            if reason.code is None:
                raise


async def refused(code: ErrorCode, work: Any) -> None:
    """What must be refused with this code. Raises StoryError when it is not."""
    try:
        await work
    except WhimbrelError as error:
        if error.code is not code:
            raise StoryError(f"refused with {error.code.name}, not {code.name}") from error
    else:
        raise StoryError(f"it was not refused with {code.name}")
