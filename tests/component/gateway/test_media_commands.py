"""`whimbrel upload` and `whimbrel download` against a real gateway, over a network that dies."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tests.component.gateway.media_world import (
    CHUNK,
    MediaWorld,
    meta,
    token_of,
)
from whimbrel.cli.app import app
from whimbrel.testing.cutting_proxy import cutting_proxy
from whimbrel.testing.pictures import picture


async def run(address: str, who: str, *arguments: str) -> Result:
    """The command, in a thread: it blocks, and the gateway is in this loop."""
    options = ["--gateway", f"http://{address}", "--token", token_of(who)]
    return await asyncio.to_thread(CliRunner().invoke, app, [*arguments, *options])


async def test_an_upload_and_a_download_go_on_where_the_network_died(
    media: MediaWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = os.urandom(40 * CHUNK)
    (tmp_path / "there").mkdir()
    monkeypatch.chdir(tmp_path / "there")
    file = tmp_path / "cat.bin"
    await asyncio.to_thread(file.write_bytes, content)
    address = media.gateway.address
    async with cutting_proxy(address, after_bytes=len(content) // 2) as network:
        done = await run(network, "alice", "upload", str(file), "--json")
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    media_id = said["media_id"]
    assert (said["name"], said["size"]) == ("cat.bin", len(content))

    # What a download that was cut has left.
    part = tmp_path / "there" / f".{media_id}.part"
    await asyncio.to_thread(part.write_bytes, content[: 5 * CHUNK])
    got = await run(address, "alice", "download", media_id, "--json")
    assert got.exit_code == 0, got.output
    assert json.loads(got.stdout)["file"] == "cat.bin"
    taken = tmp_path / "there" / "cat.bin"
    assert await asyncio.to_thread(taken.read_bytes) == content
    assert not await asyncio.to_thread(part.exists)
    again = await run(address, "alice", "download", media_id)
    assert again.exit_code == 1
    assert "there already" in again.output


async def test_an_upload_that_was_given_up_is_resumed_by_its_id(
    media: MediaWorld, tmp_path: Path
) -> None:
    file = tmp_path / "cat.png"
    content = picture()
    await asyncio.to_thread(file.write_bytes, content)
    media_id = await media.begin("alice", len(content), meta(filename="cat.png"))
    await media.patch("alice", media_id, 0, content[: 3 * CHUNK])
    done = await run(media.gateway.address, "alice", "upload", str(file), "--resume", media_id)
    assert (done.exit_code, done.stdout.strip()) == (0, media_id), done.output
    target = tmp_path / "copy.png"
    got = await run(media.gateway.address, "alice", "download", media_id, "--output", str(target))
    assert got.exit_code == 0, got.output
    assert await asyncio.to_thread(target.read_bytes) == content


async def test_a_refusal_is_a_sentence(media: MediaWorld, tmp_path: Path) -> None:
    file = tmp_path / "empty"
    await asyncio.to_thread(file.touch)
    address = media.gateway.address
    empty = await run(address, "alice", "upload", str(file))
    assert (empty.exit_code, "nothing to upload" in empty.output) == (1, True)
    absent = await run(address, "alice", "download", "0" * 32)
    assert (absent.exit_code, "no such medium" in absent.output) == (1, True)
    odd = await run(address, "alice", "download", "../../etc")
    assert odd.exit_code == 2
    nobody = await asyncio.to_thread(
        CliRunner().invoke, app, ["download", "0" * 32, "--gateway", f"http://{address}"]
    )
    assert (nobody.exit_code, "--token" in nobody.output) == (2, True)
