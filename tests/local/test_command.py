"""`whimbrel` as a person uses it: one process after the other, talking to one real stack."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from whimbrel.local.children import Identity, wait_until_gone
from whimbrel.local.state import DataFolder

WHIMBREL = (sys.executable, "-m", "whimbrel.cli.app")
SECONDS = 60.0


@dataclass(frozen=True)
class Ended:
    """A command that has ended."""

    status: int
    out: str
    err: str


class Terminal:
    """Runs commands with one data directory."""

    def __init__(self, data: Path) -> None:
        self.folder = DataFolder(data)
        kept = {k: v for k, v in os.environ.items() if not k.startswith("WHIMBREL_")}
        self._environment = {**kept, "WHIMBREL_DATA": str(data)}

    async def start(self, *arguments: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *WHIMBREL,
            *arguments,
            env=self._environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    async def run(self, *arguments: str, stdin: str = "") -> Ended:
        process = await self.start(*arguments)
        async with asyncio.timeout(SECONDS):
            out, err = await process.communicate(stdin.encode())
        assert process.returncode is not None
        return Ended(process.returncode, out.decode(), err.decode())

    async def done(self, *arguments: str, stdin: str = "") -> str:
        """Run a command that succeeds; what it printed."""
        ended = await self.run(*arguments, stdin=stdin)
        assert ended.status == 0, ended
        return ended.out

    def processes(self) -> list[Identity]:
        record = self.folder.running()
        return [record.supervisor, *record.processes()]


async def until(process: asyncio.subprocess.Process, words: bytes) -> None:
    """Read what it prints up to the line with these words."""
    assert process.stdout is not None
    while words not in await process.stdout.readline():
        if process.stdout.at_eof():
            _, err = await process.communicate()
            pytest.fail(f"it ended without saying {words!r}: {err.decode()}")


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    made = Terminal(tmp_path)
    yield made
    record = made.folder.record()
    if record is not None and record.is_running:  # the test has failed half way
        os.kill(record.supervisor.pid, signal.SIGKILL)


async def test_a_first_session_and_its_messages_survive_down_and_up(terminal: Terminal) -> None:
    assert "healthy" in await terminal.done("up", "--detach", "--access", "2")
    processes = terminal.processes()
    status = json.loads(await terminal.done("status", "--json"))
    assert status["state"] == "healthy"
    assert len(status["endpoints"]) == 2
    assert {part["state"] for part in status["parts"].values()} == {"healthy"}
    pods = json.loads(await terminal.done("pods", "--json"))
    assert {"access-0", "access-1", "logic-0", "push-0"} <= {pod["pod"] for pod in pods}

    assert "stored as" in await terminal.done("send", "--as", "alice", "bob", "hello")
    again = await terminal.run("up")
    assert again.status == 1
    assert f"pid {status['pid']}" in again.err
    assert "whimbrel down" in again.err

    assert "none is left" in await terminal.done("down")
    assert not any(process.is_alive for process in processes)
    assert (await terminal.run("status")).status == 1

    await terminal.done("up", "--detach")
    restarted = json.loads(await terminal.done("status", "--json"))
    assert restarted["endpoints"] == status["endpoints"][:1], "the port is that of the last run"
    lines = await terminal.done("listen", "--as", "bob", "--all", "--count", "1", "--json")
    event = json.loads(lines)
    assert (event["sender_id"], event["text"], event["seq"]) == ("alice", "hello", "1")
    await terminal.done("down")


async def test_accounts_are_added_listed_and_banned(terminal: Terminal) -> None:
    await terminal.done("up", "--detach", "--push", "0", "--drain", "0")
    status = json.loads(await terminal.done("status", "--json"))
    assert status["gateway"].startswith("http://127.0.0.1:")
    added = ("user", "add", "alice", "--password", "correct horse", "--name", "Alice")
    assert await terminal.done(*added) == "added alice\n"
    again = await terminal.run(*added)
    assert (again.status, again.err.count("\n")) == (1, 1)
    assert "ALREADY_EXISTS" in again.err

    assert "for ever" in await terminal.done("user", "ban", "alice", "--reason", "spam")
    (alice,) = json.loads(await terminal.done("user", "list", "--json"))
    assert (alice["user_id"], alice["name"]) == ("alice", "Alice")
    assert (alice["ban"]["reason"], alice["ban"]["until_ms"]) == ("spam", None)
    assert "not banned" in await terminal.done("user", "ban", "alice", "--lift")
    assert "until" in await terminal.done("user", "ban", "alice", "--for", "7d")
    unknown = await terminal.run("user", "ban", "nobody")
    assert (unknown.status, "NOT_FOUND" in unknown.err) == (1, True)
    assert (await terminal.run("user", "ban", "alice", "--for", "soon")).status == 2
    await terminal.done("down")


async def test_people_talk_in_pairs_and_groups(terminal: Terminal) -> None:
    await terminal.done("up", "--detach")
    listener = await terminal.start("listen", "--as", "bob", "--all", "--count", "3", "--json")
    made = await terminal.done("group", "create", "--as", "alice", "bird watchers", "bob", "carol")
    group = made.strip()
    members = await terminal.done("group", "members", "--as", "carol", group)
    assert members.splitlines() == ["alice", "bob", "carol"]
    sent = json.loads(await terminal.done("send", "--as", "alice", "bob", "one", "--json"))
    assert isinstance(sent["message_id"], str)
    await terminal.done("send", "--as", "carol", "--conversation", group, "two")
    await terminal.done("chat", "--as", "alice", "bob", stdin="three\n\n")
    async with asyncio.timeout(SECONDS):
        out, _ = await listener.communicate()
    rows = [json.loads(line) for line in out.decode().splitlines()]
    assert [(row["sender_id"], row["text"]) for row in rows] == [
        ("alice", "one"),
        ("carol", "two"),
        ("alice", "three"),
    ]
    assert rows[0]["message_id"] == sent["message_id"]
    assert rows[1]["conversation_id"] == group

    # What was printed is handled: the same device gets only what comes after it.
    await terminal.done("send", "--as", "alice", "bob", "four")
    assert await terminal.done("listen", "--as", "bob", "--count", "1") == "alice: four\n"

    refused = await terminal.run("group", "members", "--as", "dave", group)
    assert (refused.status, refused.out) == (1, "")
    assert "NOT_A_MEMBER" in refused.err
    assert len(refused.err.splitlines()) == 1

    token = (await terminal.done("token", "erin")).strip()
    endpoint = json.loads(await terminal.done("status", "--json"))["endpoints"][0]
    await terminal.done("send", "--endpoint", endpoint, "--token", token, "bob", "from afar")
    assert await terminal.done("listen", "--as", "bob", "--count", "1") == "erin: from afar\n"
    await terminal.done("down")


async def test_a_killed_supervisor_takes_everything_with_it_and_is_no_obstacle(
    terminal: Terminal,
) -> None:
    await terminal.done("up", "--detach")
    supervisor, *parts = terminal.processes()
    os.kill(supervisor.pid, signal.SIGKILL)
    assert await wait_until_gone([supervisor, *parts], timeout_seconds=20)
    assert (await terminal.run("status")).status == 1
    await terminal.done("up", "--detach")
    assert "none is left" in await terminal.done("down")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_stops_a_stack_in_the_foreground(
    terminal: Terminal, number: signal.Signals
) -> None:
    process = await terminal.start("up", "--push", "0", "--gateway", "0", "--drain", "0")
    async with asyncio.timeout(SECONDS):
        await until(process, b"Ctrl-C stops it")
        processes = terminal.processes()
        process.send_signal(number)
        out, err = await process.communicate()
    assert process.returncode == 0, err
    assert out.decode().splitlines() == ["stopping", "stopped"]
    assert not any(one.is_alive for one in processes if one.pid != process.pid)


async def test_down_ends_a_stack_that_is_still_starting(terminal: Terminal) -> None:
    process = await terminal.start("up")
    async with asyncio.timeout(SECONDS):
        await until(process, b"router")
        assert "none is left" in await terminal.done("down")
        await process.communicate()
    assert process.returncode == 0


async def test_a_detached_start_that_fails_shows_why(terminal: Terminal) -> None:
    (terminal.folder.path / "mongo").mkdir()
    (terminal.folder.path / "mongo" / "db").touch()
    ended = await terminal.run("up", "--detach")
    assert ended.status == 1
    assert "mongo/db cannot be created" in ended.err
    assert "Traceback" not in ended.err
    assert (await terminal.run("status")).status == 1
