"""`whimbrel group` finds a Logic through the Router, changes a group there and shows it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tests.component.logic.history_world import HistoryWorld, history_world
from tests.component.logic.test_history_command import write_record
from whimbrel.cli.app import app


@pytest.fixture
async def world(redis_url: str, mongo_url: str, tmp_path: Path) -> AsyncIterator[HistoryWorld]:
    async with history_world(redis_url, mongo_url) as world:
        write_record(tmp_path, world.router_address)
        yield world


class Command:
    """`whimbrel group` on the stack of a data directory; in a thread, as it has its own loop."""

    def __init__(self, data: Path) -> None:
        self._runner = CliRunner(env={"WHIMBREL_DATA": str(data)})

    async def run(self, *line: str) -> Result:
        return await asyncio.to_thread(self._runner.invoke, app, ["group", *line])

    async def said(self, *line: str) -> str:
        """What it prints, when all is well."""
        result = await self.run(*line)
        assert result.exit_code == 0, result.output
        return result.stdout

    async def told(self, *line: str) -> Any:
        """The same for programs."""
        return json.loads(await self.said(*line, "--json"))


async def test_a_group_is_changed_and_shown(world: HistoryWorld, tmp_path: Path) -> None:
    group = await world.group("bob")
    command = Command(tmp_path)
    invited = await command.said("invite", group, "carol", "dora", "--as", "bob")
    assert invited == "carol, dora: invited, 4 members\n"
    assert await command.said("role", group, "bob", "admin", "--as", "alice") == "bob: admin\n"
    muted = await command.said("mute", group, "carol", "--for", "12h", "--as", "bob")
    assert muted.startswith("carol: muted until 20")
    assert await command.said("mute", group, "--as", "bob") == "everybody: muted for ever\n"
    lines = (await command.said("show", group, "--as", "carol")).splitlines()
    assert lines[1:5] == [
        "joining: approval",
        "everybody but the admins is muted for ever",
        "  alice  owner",
        "  bob  admin",
    ]
    assert lines[5].startswith("  carol  member, muted until 20")
    lifted = await command.told("mute", group, "--lift", "--as", "bob")
    assert lifted["all_muted_until_ms"] == "0"
    removed = await command.told("remove", group, "carol", "--as", "bob")
    assert [one["user_id"] for one in removed["members"]] == ["alice", "bob", "dora"]
    assert await command.said("leave", group, "--as", "dora") == f"left {group}\n"
    shown = await command.told("show", group, "--as", "alice")
    assert {one["user_id"]: one["role"] for one in shown["members"]} == {
        "alice": "owner",
        "bob": "admin",
    }
    assert await command.told("dissolve", group, "--as", "alice") == {"conversation_id": group}


async def test_what_is_refused_reaches_the_person(world: HistoryWorld, tmp_path: Path) -> None:
    group = await world.group("bob")
    command = Command(tmp_path)
    for line, code in (
        (["dissolve", group, "--as", "bob"], "PERMISSION_DENIED"),
        (["show", group, "--as", "carol"], "NOT_A_MEMBER"),
        (["leave", group, "--as", "alice"], "CONFLICT"),
        (["show", "g:none", "--as", "alice"], "UNKNOWN_CONVERSATION"),
    ):
        refused = await command.run(*line)
        assert refused.exit_code == 1
        assert code in refused.stderr
        assert len(refused.stderr.splitlines()) == 1
