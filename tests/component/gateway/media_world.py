"""A gateway with media on a storage of its own, and tus clients that call it."""

from __future__ import annotations

import time
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
from tusclient.client import TusClient

from services.gateway.media_settings import MediaSettings
from tests.component.gateway.gateway_world import SECRET, GatewayWorld, gateway
from whimbrel.runtime.tokens import sign_token

TUS = {"tus-resumable": "1.0.0"}
OFFSET_TYPE = "application/offset+octet-stream"
CHUNK = 64 * 1024


class MediaWorld(NamedTuple):
    """The gateway, and requests about media."""

    gateway: GatewayWorld

    async def call(
        self, who: str, method: str, path: str = "", content: Any = None, **headers: str
    ) -> httpx.Response:
        """One request of this user under /v1/media; `upload_length` is a header's name."""
        sent = {**TUS, **{name.replace("_", "-"): value for name, value in headers.items()}}
        sent["authorization"] = f"Bearer {token_of(who)}"
        return await self.gateway.http.request(
            method, f"/v1/media{path}", content=content, headers=sent
        )

    async def patch(
        self, who: str, media_id: str, at: int, content: Any, **headers: str
    ) -> httpx.Response:
        """Go on with an upload."""
        said = {"content_type": OFFSET_TYPE, "upload_offset": str(at), **headers}
        return await self.call(who, "PATCH", f"/{media_id}", content, **said)

    async def begin(self, who: str, size: int, metadata: str = "") -> str:
        """An upload that waits for its bytes; its media id."""
        made = await self.call(who, "POST", upload_length=str(size), upload_metadata=metadata)
        assert made.status_code == 201, made.text
        return made.headers["location"].rpartition("/")[2]

    async def upload(self, who: str, content: bytes, metadata: str = "") -> str:
        """A complete medium; its id."""
        media_id = await self.begin(who, len(content), metadata)
        done = await self.patch(who, media_id, 0, content)
        assert done.status_code == 204, done.text
        return media_id

    async def offset(self, who: str, media_id: str) -> int:
        """Where an upload stands, as HEAD says it."""
        return int((await self.call(who, "HEAD", f"/{media_id}")).headers["upload-offset"])

    async def used(self, who: str) -> int:
        """What the user has taken of the quota."""
        row = await self.gateway.database["media_usage"].find_one({"_id": who})
        return 0 if row is None else int(row["bytes"])


def meta(**said: str) -> str:
    """Upload-Metadata."""
    return ",".join(f"{key} {b64encode(value.encode()).decode()}" for key, value in said.items())


def token_of(who: str) -> str:
    """An access token."""
    return sign_token(SECRET, who, 600, now=time.time())


def tus_client(address: str, who: str) -> TusClient:
    """tuspy, as this user."""
    return TusClient(
        f"http://{address}/v1/media", headers={"authorization": f"Bearer {token_of(who)}"}
    )


@asynccontextmanager
async def media_world(
    folder: Path, mongo_url: str, media: MediaSettings | None = None, **settings: Any
) -> AsyncIterator[MediaWorld]:
    """A gateway whose media are in a folder unless `media` says otherwise."""
    told = media or folder_settings(folder)
    async with gateway(folder, mongo_url, media=told, **settings) as made:
        yield MediaWorld(made)


def folder_settings(folder: Path, **others: Any) -> MediaSettings:
    """Small chunks, in a folder of the test."""
    return MediaSettings.model_validate(
        {"storage": "folder", "folder": folder / "media", "chunk_bytes": CHUNK, **others}
    )
