"""A picture on its way: uploaded by a real tus client that is cut, resumed, sent, downloaded."""

from __future__ import annotations

import asyncio
import io

import httpx
import pytest
from tusclient.client import TusClient
from tusclient.exceptions import TusCommunicationError

from tests.component.gateway.media_world import cutting_proxy, picture
from whimbrel.client import MessageEvent, connect
from whimbrel.local.stack import Stack, StackSpec

pytestmark = pytest.mark.timeout(120)


async def first_message(events: object) -> MessageEvent:
    async for event in events:  # type: ignore[attr-defined]
        assert isinstance(event, MessageEvent)
        return event
    raise AssertionError("the events have ended")


async def test_a_picture_is_uploaded_cut_resumed_sent_and_downloaded() -> None:
    content = picture(1600, 1200)
    async with Stack.start(StackSpec(access=1, logic=1, gateway=2, push=0)) as stack:
        headers = {"authorization": f"Bearer {stack.token('alice')}"}
        address = stack.gateway_url.removeprefix("http://")
        async with cutting_proxy(address, after_bytes=len(content) // 2) as network:
            uploader = TusClient(f"http://{network}/v1/media", headers=headers).uploader(
                file_stream=io.BytesIO(content), metadata={"filename": "cat.png"}
            )
            with pytest.raises((OSError, TusCommunicationError)):
                await asyncio.to_thread(uploader.upload)
            resumed = await asyncio.to_thread(
                TusClient(f"http://{network}/v1/media", headers=headers).uploader,
                file_stream=io.BytesIO(content),
                url=uploader.url,
                retries=5,
                retry_delay=1,
            )
            await asyncio.to_thread(resumed.upload)
        media_id = str(uploader.url).rpartition("/")[2]
        async with (
            connect(stack.endpoints, stack.token("bob"), device="phone") as bob,
            connect(stack.endpoints, stack.token("alice"), device="phone") as alice,
        ):
            waiting = asyncio.create_task(first_message(bob.events()))
            await alice.send("bob", "look", media_id=media_id)
            event = await waiting
        assert event.attributes.media_id == media_id
        async with httpx.AsyncClient(base_url=stack.gateway_url) as http:
            for who, status in (("bob", 200), ("carol", 404)):
                token = {"authorization": f"Bearer {stack.token(who)}"}
                got = await http.get(f"/v1/media/{media_id}", headers=token)
                assert got.status_code == status
                if status == 200:
                    assert got.content == content
