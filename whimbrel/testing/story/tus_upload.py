"""An upload by a tus client that is not ours, over a network that dies in the middle."""

from __future__ import annotations

import asyncio
import io
from typing import Final

from tusclient.client import TusClient
from tusclient.exceptions import TusCommunicationError, TusUploadFailed
from tusclient.uploader.uploader import Uploader

from whimbrel.testing.cutting_proxy import cutting_proxy
from whimbrel.testing.story.person import Person
from whimbrel.testing.story.scenes import StoryError, soon

_UPLOAD_SECONDS: Final = 30.0
_RETRIES: Final = 5
_RETRY_SECONDS: Final = 1


async def upload_over_a_cut(person: Person, gateway: str, content: bytes) -> tuple[str, int]:
    """The media id of `content`, and at which byte the client went on after the cut. `gateway`
    is host:port. Raises StoryError when nothing was cut or nothing kept, or it takes too long."""
    try:
        async with asyncio.timeout(_UPLOAD_SECONDS):
            return await _upload(person, gateway, content)
    except TimeoutError:
        raise StoryError(f"the upload did not end within {_UPLOAD_SECONDS:g} s") from None


async def _upload(person: Person, gateway: str, content: bytes) -> tuple[str, int]:
    async with cutting_proxy(gateway, after_bytes=len(content) // 2) as network:
        client = TusClient(f"http://{network}/v1/media", headers=person.headers)
        first = client.uploader(file_stream=io.BytesIO(content), metadata={"filename": "cat.png"})
        try:
            await asyncio.to_thread(first.upload)
        except (OSError, TusCommunicationError, TusUploadFailed):
            pass
        else:
            raise StoryError("the upload was not cut")
        second = await _resumed(client, str(first.url), content)
        kept = second.offset
        await asyncio.to_thread(second.upload)
    return str(first.url).rpartition("/")[2], kept


async def _resumed(client: TusClient, url: str, content: bytes) -> Uploader:
    """A client that has asked where the upload stands, once the gateway has kept what had come."""
    found: list[Uploader] = []

    async def is_kept() -> bool:
        uploader = await asyncio.to_thread(
            client.uploader,
            file_stream=io.BytesIO(content),
            url=url,
            retries=_RETRIES,
            retry_delay=_RETRY_SECONDS,
        )
        found.append(uploader)
        return 0 < uploader.offset < len(content)

    await soon("whether a part of the upload was kept", is_kept, True)
    return found[-1]
