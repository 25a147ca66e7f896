"""A connection that nobody waits for any more: its client went on over another one, and what it
still brings changes nothing."""

from __future__ import annotations

import asyncio
import random
from contextlib import nullcontext
from pathlib import Path

import pytest

from tests.component.gateway.media_world import (
    CHUNK,
    OFFSET_TYPE,
    TUS,
    folder_settings,
    media_world,
    token_of,
)
from tests.s3_server import new_bucket, s3_server
from tests.waiting import until

SIZE = 4 * CHUNK
LEASE_SECONDS = 0.3


@pytest.mark.parametrize("where", ["folder", "s3"])
async def test_an_old_connection_writes_over_nothing_that_was_acknowledged_since(
    where: str, tmp_path: Path, mongo_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stale, content = b"stale" * SIZE, random.Random(3).randbytes(SIZE)
    bounds = {"chunk_bytes": CHUNK, "lease_seconds": LEASE_SECONDS}
    with s3_server(monkeypatch) if where == "s3" else nullcontext("") as endpoint:
        settings = (
            new_bucket(endpoint, **bounds) if endpoint else folder_settings(tmp_path, **bounds)
        )
        async with media_world(tmp_path, mongo_url, settings) as media:
            media_id = await media.begin("alice", SIZE)
            host, _, port = media.gateway.address.rpartition(":")
            reader, writer = await asyncio.open_connection(host, int(port))
            headers = {
                "host": host,
                **TUS,
                "authorization": f"Bearer {token_of('alice')}",
                "content-type": OFFSET_TYPE,
                "content-length": str(SIZE),
                "upload-offset": "0",
            }
            head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
            request = f"PATCH /v1/media/{media_id} HTTP/1.1\r\n{head}\r\n"
            writer.write(request.encode() + stale[:1000])
            await writer.drain()

            async def is_held() -> bool:
                row = await media.gateway.database["media"].find_one({"_id": media_id})
                return row is not None and bool(row["writer"])

            await until(is_held)

            async def goes_on() -> bool:
                answer = await media.patch("alice", media_id, 0, content[: 3 * CHUNK])
                assert answer.status_code in (204, 423), answer.text
                return answer.status_code == 204

            await until(goes_on)
            writer.write(stale[1000:SIZE])
            await writer.drain()
            async with asyncio.timeout(20):
                status = await reader.readline()
            assert status.split()[1] == b"423"
            writer.close()
            done = await media.patch("alice", media_id, 3 * CHUNK, content[3 * CHUNK :])
            assert done.status_code == 204, done.text
            got = await media.call("alice", "GET", f"/{media_id}")
            assert got.content == content
