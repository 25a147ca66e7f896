"""Media over HTTP: a real tus client that is cut and resumes, ranges, and what a medium is."""

from __future__ import annotations

import asyncio
import hashlib
import io
import random
from contextlib import nullcontext
from pathlib import Path

import pytest
from PIL import Image

from services.gateway.media_settings import MediaSettings
from tests.component.gateway.gateway_world import code_of
from tests.component.gateway.media_world import (
    CHUNK,
    MediaWorld,
    media_world,
    meta,
    tus_client,
)
from tests.s3_server import new_bucket, s3_server
from tests.waiting import until
from whimbrel.testing.cutting_proxy import cutting_proxy
from whimbrel.testing.pictures import picture


@pytest.mark.parametrize("where", ["folder", "s3"])
async def test_a_tus_client_that_is_cut_in_the_middle_resumes(
    where: str, tmp_path: Path, mongo_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with s3_server(monkeypatch) if where == "s3" else nullcontext("") as endpoint:
        settings = new_bucket(endpoint, chunk_bytes=CHUNK) if endpoint else None
        await cut_and_resumed(tmp_path, mongo_url, settings)


async def cut_and_resumed(tmp_path: Path, mongo_url: str, settings: MediaSettings | None) -> None:
    content = picture()
    assert len(content) > 10 * CHUNK
    async with (
        media_world(tmp_path, mongo_url, settings) as world,
        cutting_proxy(world.gateway.address, after_bytes=len(content) // 2) as address,
    ):
        uploader = tus_client(address, "alice").uploader(
            file_stream=io.BytesIO(content),
            metadata={"filename": "cat.png", "filetype": "image/png"},
        )
        with pytest.raises(Exception, match=r"(?i)connection"):
            await asyncio.to_thread(uploader.upload)
        media_id = str(uploader.url).rpartition("/")[2]

        async def is_kept() -> bool:
            return await world.offset("alice", media_id) > len(content) // 3

        await until(is_kept)
        kept = await world.offset("alice", media_id)
        assert kept < len(content)
        assert code_of(await world.call("alice", "GET", f"/{media_id}")) == (409, "CONFLICT")

        # In a thread: it asks at once where the upload stands.
        again = await asyncio.to_thread(
            tus_client(address, "alice").uploader,
            file_stream=io.BytesIO(content),
            url=uploader.url,
            chunk_size=3 * CHUNK,
        )
        assert again.offset == kept
        await asyncio.to_thread(again.upload)
        got = await world.call("alice", "GET", f"/{media_id}")
        assert hashlib.sha256(got.content).digest() == hashlib.sha256(content).digest()
        assert got.headers["content-type"] == "image/png"
        assert 'filename="cat.png"' in got.headers["content-disposition"]
        assert await world.used("alice") == len(content)


async def test_a_range_is_what_was_asked_for(media: MediaWorld) -> None:
    content = random.Random(7).randbytes(3 * 1024 * 1024 + 17)
    media_id = await media.upload("alice", content)
    path, size = f"/{media_id}", len(content)
    whole = await media.call("alice", "GET", path)
    assert (whole.status_code, whole.content) == (200, content)
    assert whole.headers["x-content-type-options"] == "nosniff"
    etag = whole.headers["etag"]
    for asked, start, stop in (
        ("bytes=0-0", 0, 1),
        ("bytes=1048575-1048577", 1048575, 1048578),
        (f"bytes={size - 5}-", size - 5, size),
        ("bytes=-7", size - 7, size),
        (f"bytes=5-{size + 100}", 5, size),
    ):
        part = await media.call("alice", "GET", path, range=asked)
        assert part.status_code == 206, asked
        assert part.content == content[start:stop], asked
        assert part.headers["content-range"] == f"bytes {start}-{stop - 1}/{size}"
        same = await media.call("alice", "GET", path, range=asked, if_range=etag)
        assert same.status_code == 206
    for ignored in ("bytes=3-2", "bytes=1-2,4-5", "lines=1-2", "bytes=-", "bytes=x-"):
        assert (await media.call("alice", "GET", path, range=ignored)).status_code == 200
    changed = await media.call("alice", "GET", path, range="bytes=0-0", if_range='"other"')
    assert changed.status_code == 200
    beyond = await media.call("alice", "GET", path, range=f"bytes={size}-")
    assert code_of(beyond) == (416, "INVALID_ARGUMENT")
    assert beyond.headers["content-range"] == f"bytes */{size}"
    unchanged = await media.call("alice", "GET", path, if_none_match=etag)
    assert (unchanged.status_code, unchanged.content) == (304, b"")


@pytest.mark.parametrize("is_renamed", [True, False])
async def test_an_upload_whose_pod_died_at_the_last_byte_is_finished_by_whoever_looks(
    media: MediaWorld, tmp_path: Path, is_renamed: bool
) -> None:
    content = picture(64, 64)
    media_id = await media.upload("alice", content)
    row = await media.gateway.database["media"].find_one({"_id": media_id})
    assert row is not None
    if not is_renamed:  # died even before the storage was told
        stored = tmp_path / "media" / row["handle"][:2] / row["handle"]
        await asyncio.to_thread(stored.rename, stored.with_name(f"{stored.name}.part"))
    began = {"$set": {"state": "uploading", "type": ""}}
    await media.gateway.database["media"].update_one({"_id": media_id}, began)
    # A client that looks more than once, at once.
    at = await asyncio.gather(*(media.offset("alice", media_id) for _ in range(5)))
    assert at == [len(content)] * 5
    got = await media.call("alice", "GET", f"/{media_id}")
    assert (got.content, got.headers["content-type"]) == (content, "image/png")


async def test_a_refusal_reaches_a_client_that_still_sends(media: MediaWorld) -> None:
    media_id = await media.begin("alice", 100)
    told = await media.patch("alice", media_id, 7, b"x" * 2_000_000)
    assert code_of(told) == (409, "CONFLICT")
    assert told.headers["upload-offset"] == "0"
    assert "connection" not in told.headers


async def test_an_upload_may_begin_with_its_announcement(media: MediaWorld) -> None:
    made = await media.call(
        "alice",
        "POST",
        content=b"hello",
        upload_length="11",
        content_type="application/offset+octet-stream",
        upload_metadata=meta(filename="ü.txt"),
    )
    assert (made.status_code, made.headers["upload-offset"]) == (201, "5")
    media_id = made.headers["location"].rpartition("/")[2]
    assert "upload-expires" in made.headers
    assert (await media.patch("alice", media_id, 5, b" world")).headers["upload-offset"] == "11"
    got = await media.call("alice", "GET", f"/{media_id}")
    assert (got.text, got.headers["content-type"]) == ("hello world", "text/plain; charset=utf-8")
    about = (await media.call("alice", "GET", f"/{media_id}/about")).json()
    assert (about["name"], about["is_complete"]) == ("ü.txt", True)


async def test_a_picture_has_a_thumbnail(media: MediaWorld) -> None:
    for kind, (width, height) in (("PNG", (800, 600)), ("JPEG", (200, 1000)), ("GIF", (8, 8))):
        media_id = await media.upload("alice", picture(width, height, kind))
        for _ in range(2):  # made, and kept
            got = await media.call("alice", "GET", f"/{media_id}/thumbnail")
            assert got.headers["content-type"] == "image/webp"
            small = Image.open(io.BytesIO(got.content))
            assert max(small.size) <= 320
            assert abs(small.width / small.height - width / height) < 0.05
        refused = await media.call("bob", "GET", f"/{media_id}/thumbnail")
        assert code_of(refused) == (404, "NOT_FOUND")
    assert (await media.call("alice", "DELETE", f"/{media_id}")).status_code == 204


def bomb() -> bytes:
    """30,000 x 30,000 pixels in some kB."""
    written = io.BytesIO()
    Image.new("1", (30_000, 30_000)).save(written, "PNG")
    return written.getvalue()


async def test_what_is_no_picture_has_no_thumbnail(media: MediaWorld) -> None:
    broken = picture(64, 64)[:200] + b"\x00" * 200
    for content in (b"words", broken, bomb(), b"\x89PNG\r\n\x1a\n"):
        media_id = await media.upload("alice", content)
        refused = await media.call("alice", "GET", f"/{media_id}/thumbnail")
        assert code_of(refused) == (404, "NOT_FOUND")


async def test_what_of_tus_is_spoken_is_said(media: MediaWorld) -> None:
    said = (await media.call("alice", "OPTIONS")).headers
    assert said["tus-version"] == "1.0.0"
    assert said["tus-extension"] == "creation,creation-with-upload,termination,expiration"
    other = await media.call("alice", "POST", upload_length="5", tus_resumable="0.2.2")
    assert code_of(other) == (412, "INVALID_ARGUMENT")
    assert other.headers["tus-version"] == "1.0.0"


async def test_a_removed_medium_is_gone_and_gives_its_room_back(
    media: MediaWorld, tmp_path: Path
) -> None:
    complete = await media.upload("alice", b"x" * 1000)
    unfinished = await media.begin("alice", 500)
    assert await media.used("alice") == 1500
    for media_id in (complete, unfinished):
        assert (await media.call("alice", "DELETE", f"/{media_id}")).status_code == 204
        for method in ("GET", "DELETE"):
            gone = await media.call("alice", method, f"/{media_id}")
            assert code_of(gone) == (404, "NOT_FOUND")
    assert await media.used("alice") == 0
    assert [path for path in (tmp_path / "media").rglob("*") if path.is_file()] == []
