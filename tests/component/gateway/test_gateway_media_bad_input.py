"""Whatever is wrong with an upload has its documented outcome, and nothing that came is lost."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.gateway.media_settings import MediaSettings
from tests.component.gateway.gateway_world import code_of
from tests.component.gateway.media_world import MediaWorld, folder_settings, media_world, meta
from whimbrel.testing.pictures import picture


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    """A body whose length nobody has declared."""
    for part in parts:
        yield part


async def test_what_is_beyond_a_bound_is_refused_and_reserves_nothing(
    tmp_path: Path, mongo_url: str
) -> None:
    bounds = folder_settings(tmp_path, max_file_bytes=1000, quota_bytes=2500, max_open_uploads=3)
    async with media_world(tmp_path, mongo_url, bounds) as media:
        too_large = await media.call("alice", "POST", upload_length="1001")
        assert code_of(too_large) == (413, "BODY_TOO_LARGE")
        first = await media.begin("alice", 1000)
        await media.begin("alice", 1000)
        beyond = await media.call("alice", "POST", upload_length="501")
        assert code_of(beyond) == (413, "BODY_TOO_LARGE")
        await media.begin("alice", 1)
        one_more = await media.call("alice", "POST", upload_length="1")
        assert code_of(one_more) == (429, "OVERLOADED")
        assert "retry-after" in one_more.headers
        assert await media.used("alice") == 2001
        await media.begin("bob", 1000)
        assert (await media.call("alice", "DELETE", f"/{first}")).status_code == 204
        await media.begin("alice", 1000)


@pytest.mark.parametrize(
    ("declared", "content"),
    [
        ("image/png", b"<html><script>alert(1)</script>"),
        ("image/png", b"just words"),
        ("audio/ogg", picture(8, 8)),
        ("video/mp4", b"MZ" + b"\x00" * 100),
    ],
)
async def test_a_lie_about_the_type_ends_the_upload(
    media: MediaWorld, declared: str, content: bytes
) -> None:
    media_id = await media.begin("alice", len(content), meta(filename="x", filetype=declared))
    told = await media.patch("alice", media_id, 0, content)
    assert code_of(told) == (400, "INVALID_ARGUMENT")
    assert code_of(await media.call("alice", "GET", f"/{media_id}")) == (404, "NOT_FOUND")
    assert await media.used("alice") == 0


@pytest.mark.parametrize(
    ("declared", "content", "found"),
    [
        ("", picture(8, 8), "image/png"),
        ("image/gif", picture(8, 8, "JPEG"), "image/jpeg"),
        ("text/plain", b"<html><script>alert(1)</script>", "text/html; charset=utf-8"),
        ("application/zip", b"words", "text/plain; charset=utf-8"),
        ("", b"\x00\x01\x02\x03", "application/octet-stream"),
    ],
)
async def test_the_type_that_is_served_is_that_of_the_content(
    media: MediaWorld, declared: str, content: bytes, found: str
) -> None:
    media_id = await media.upload("alice", content, meta(filetype=declared) if declared else "")
    got = await media.call("alice", "GET", f"/{media_id}")
    assert got.headers["content-type"] == found
    # Whatever it is, no browser runs it as a page of ours.
    assert got.headers["content-disposition"].startswith("attachment;")
    assert got.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in got.headers["content-security-policy"]


async def test_more_bytes_than_announced_are_refused_and_the_upload_goes_on(
    media: MediaWorld,
) -> None:
    media_id = await media.begin("alice", 10)
    assert code_of(await media.patch("alice", media_id, 0, b"x" * 11)) == (413, "BODY_TOO_LARGE")
    assert await media.offset("alice", media_id) == 0
    undeclared = await media.patch("alice", media_id, 0, pieces(b"01234", b"56789", b"x" * 70_000))
    assert code_of(undeclared) == (413, "BODY_TOO_LARGE")
    at = await media.offset("alice", media_id)
    done = await media.patch("alice", media_id, at, b"0123456789"[at:])
    assert done.status_code == 204
    assert (await media.call("alice", "GET", f"/{media_id}")).content == b"0123456789"


async def test_fewer_bytes_than_announced_leave_it_unfinished(media: MediaWorld) -> None:
    media_id = await media.begin("alice", 10)
    assert (await media.patch("alice", media_id, 0, b"01234")).headers["upload-offset"] == "5"
    assert code_of(await media.call("alice", "GET", f"/{media_id}")) == (409, "CONFLICT")


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("../../../etc/passwd", "passwd"),
        ("C:\\Windows\\evil.exe", "evil.exe"),
        ("..", "file"),
        ("a\r\nset-cookie: x=1.txt", "aset-cookie: x=1.txt"),
        ("\u202egnp.exe", "gnp.exe"),
        ("\x00", "file"),
        ("ü" * 200 + ".png", "ü" * 125 + ".png"),
        ('quo"te;%41.txt', 'quo"te;%41.txt'),
    ],
)
async def test_a_name_is_only_a_name(
    media: MediaWorld, tmp_path: Path, given: str, kept: str
) -> None:
    media_id = await media.upload("alice", b"hello", meta(filename=given))
    about = (await media.call("alice", "GET", f"/{media_id}/about")).json()
    assert about["name"] == kept
    assert len(about["name"].encode()) <= 255
    got = await media.call("alice", "GET", f"/{media_id}")
    assert got.status_code == 200
    assert "set-cookie" not in got.headers
    stored = [path for path in tmp_path.rglob("*") if path.is_file()]  # noqa: ASYNC240
    media_files = {path for path in stored if path.name != "token.key"}
    assert all(re.fullmatch("[0-9a-f]{32}", path.name) for path in media_files)
    assert {path.parent.parent for path in media_files} == {tmp_path / "media"}


async def test_nobody_else_sees_or_touches_a_medium(media: MediaWorld) -> None:
    unfinished = await media.begin("alice", 10)
    complete = await media.upload("alice", b"hello")
    for media_id in (unfinished, complete, "0" * 32):
        for method in ("HEAD", "GET", "DELETE"):
            refused = await media.call("bob", method, f"/{media_id}")
            assert refused.status_code == 404, method
        assert code_of(await media.patch("bob", media_id, 0, b"x")) == (404, "NOT_FOUND")
        about = await media.call("bob", "GET", f"/{media_id}/about")
        assert code_of(about) == (404, "NOT_FOUND")
    assert await media.offset("alice", unfinished) == 0
    without = await media.gateway.call("GET", f"/v1/media/{complete}")
    assert code_of(without) == (401, "UNAUTHENTICATED")


async def test_a_wrong_offset_is_told_the_right_one(media: MediaWorld) -> None:
    media_id = await media.begin("alice", 10)
    await media.patch("alice", media_id, 0, b"01234")
    for at in (0, 4, 6, 10, 11):
        wrong = await media.patch("alice", media_id, at, b"x")
        assert code_of(wrong) == (409, "CONFLICT")
        assert wrong.headers["upload-offset"] == "5"
    await media.patch("alice", media_id, 5, b"56789")
    assert (await media.call("alice", "GET", f"/{media_id}")).content == b"0123456789"
    # Complete is complete: it is not written any more, whatever is said.
    assert code_of(await media.patch("alice", media_id, 0, b"x")) == (409, "CONFLICT")
    assert code_of(await media.patch("alice", media_id, 10, b"x")) == (413, "BODY_TOO_LARGE")
    assert (await media.call("alice", "GET", f"/{media_id}")).content == b"0123456789"


async def test_a_malformed_request_is_refused(media: MediaWorld) -> None:
    for length in ("", "-1", "1e3", "+5", "5.0", "9" * 16, "0"):
        refused = await media.call("alice", "POST", upload_length=length)
        assert code_of(refused) == (400, "INVALID_ARGUMENT"), length
    assert code_of(await media.call("alice", "POST")) == (400, "INVALID_ARGUMENT")
    for metadata in ("filename !!", "filename 4pi", ",", "a YQ==,a YQ==", "k " + "A" * 5000):
        refused = await media.call("alice", "POST", upload_length="5", upload_metadata=metadata)
        assert code_of(refused) == (400, "INVALID_ARGUMENT"), metadata[:20]
    bad_type = meta(filetype="image/png\r\nx: y")
    refused = await media.call("alice", "POST", upload_length="5", upload_metadata=bad_type)
    assert code_of(refused) == (400, "INVALID_ARGUMENT")
    media_id = await media.begin("alice", 10)
    other = await media.patch("alice", media_id, 0, b"x", content_type="text/plain")
    assert code_of(other) == (415, "INVALID_ARGUMENT")
    refused = await media.patch("alice", media_id, 0, b"x", upload_offset="x")
    assert code_of(refused) == (400, "INVALID_ARGUMENT")
    for path in ("/..%2f..%2fetc", "/UPPER", "/" + "f" * 33):
        refused = await media.call("alice", "GET", path)
        assert refused.status_code in (400, 404), path
    assert await media.used("alice") == 10


async def test_a_gateway_without_a_storage_says_so(tmp_path: Path, mongo_url: str) -> None:
    async with media_world(tmp_path, mongo_url, MediaSettings()) as media:
        refused = await media.call("alice", "POST", upload_length="5")
        assert code_of(refused) == (503, "UNAVAILABLE")
