"""The command finds the leader through the Router and shows what happens."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.component.drain.controller_world import World, until, world
from whimbrel.cli import drain_commands, rollout_commands
from whimbrel.cli.controllers import Controllers
from whimbrel.cli.edge import CommandError
from whimbrel.core.drain.pod_drain_types import DrainPhase
from whimbrel.core.errors import ErrorCode, WhimbrelError
from whimbrel.local.children import Identity
from whimbrel.local.state import DataFolder, StackRecord, boot_id
from whimbrel.runtime.chassis import Chassis
from whimbrel.runtime.serve import ServiceSpec
from whimbrel.runtime.settings import ServiceSettings
from whimbrel.testing.servers import running_service


def stack_of(made: World, folder: Path) -> Controllers:
    """Those that a data directory leads to, whose stack has this world's Router."""
    me = Identity.of(os.getpid())
    record = StackRecord(me, boot_id(), "healthy", "now", router_addresses=made.router_address)
    DataFolder(folder).write_record(record)
    return Controllers.of(None, folder)


async def drain(pod: str, where: Controllers, **more: bool) -> None:
    options = {"force": False, "wait": True, "as_json": True, **more}
    await drain_commands._drain(pod, 60.0, where, **options)


async def test_a_drain_is_followed_to_its_end(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with world() as made:
        first = await made.led(600, 0)
        await made.start_controller("drain-1")
        where = stack_of(made, tmp_path)
        capsys.readouterr()
        await drain("access-0", where)
        out = capsys.readouterr().out
        row = json.loads(out[out.index("{\n") :])
        assert (row["outcome"], row["moved"], row["forced"]) == ("done", 600, 0)
        assert row["warnings"] == []
        assert made.pods["access-0"].phase is DrainPhase.EMPTY
        await drain_commands._list(where, as_json=False)
        assert "access-0" in capsys.readouterr().out
        await drain_commands._abort("access-0", where, as_json=False)
        assert "access-0 works again; 600 sessions had moved" in capsys.readouterr().out
        await until(lambda: made.pods["access-0"].phase is DrainPhase.ACTIVE)
        await rollout_commands._scale("access", 3, where, as_json=False)
        assert "access: 3 pods, 2 before" in capsys.readouterr().out
        await rollout_commands._restart("access", 1, where, as_json=False)
        assert "are being replaced by new ones" in capsys.readouterr().out
        assert (await first.plans()).leads


async def test_a_refusal_reaches_the_person_as_the_controller_said_it(tmp_path: Path) -> None:
    async with world() as made:
        await made.led(10, 10)
        with pytest.raises(WhimbrelError) as refusal:
            await drain("access-7", stack_of(made, tmp_path))
        assert refusal.value.code is ErrorCode.NOT_FOUND
        assert "the Access pods are: access-0, access-1" in refusal.value.detail


async def test_clients_that_were_thrown_out_are_a_failure(tmp_path: Path) -> None:
    async with world() as made:
        await made.led(30, 0)
        made.pods["access-0"].moves_blocked = True
        with pytest.raises(CommandError, match="30 clients of access-0 were thrown out"):
            await drain_commands._drain(
                "access-0",
                1.0,
                stack_of(made, tmp_path),
                force=True,
                wait=True,
                as_json=False,
            )


async def test_without_a_controller_the_person_is_told_where_to_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("whimbrel.cli.controllers.FIND_SECONDS", 0.2)
    async with world() as made:
        made.start_pods(10, 10)
        with pytest.raises(CommandError, match="no drain controller leads"):
            await drain("access-0", stack_of(made, tmp_path))


@pytest.mark.parametrize("kind", ["the controller", "both, the leader last", "the Router"])
async def test_a_stack_that_runs_elsewhere_is_reached_by_address(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with world() as made:
        leader = await made.led(60, 0)
        other = await made.start_controller("drain-1")
        given = {
            "the controller": [leader.address],
            "both, the leader last": [other.address, leader.address],
            "the Router": [made.router_address],
        }[kind]
        where = Controllers.of(given, tmp_path)  # where no stack runs
        await drain("access-0", where)
        out = capsys.readouterr().out
        assert json.loads(out[out.index("{\n") :])["moved"] == 60
        await rollout_commands._scale("access", 3, where, as_json=False)
        await rollout_commands._restart("access", 1, where, as_json=False)
        assert "access: 3 pods, 2 before" in capsys.readouterr().out


async def test_a_controller_that_does_not_lead_names_the_one_to_ask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("whimbrel.cli.controllers.FIND_SECONDS", 0.2)
    async with world() as made:
        await made.led(10, 10)
        other = await made.start_controller("drain-1")
        where = Controllers.of([other.address], tmp_path)
        with pytest.raises(CommandError, match=r"does not lead; drain-0 does.*of that one"):
            await drain("access-0", where)


async def test_where_nothing_answers_the_person_is_told_at_once(tmp_path: Path) -> None:
    where = Controllers.of(["127.0.0.1:1"], tmp_path)
    with pytest.raises(CommandError, match=r"nothing answers at 127\.0\.0\.1:1: .*port-forward"):
        await drain("access-0", where)


async def test_an_address_of_something_else_is_not_taken_for_a_router(tmp_path: Path) -> None:
    bare = ServiceSpec("bare", ServiceSettings, nothing)
    async with running_service(bare, ServiceSettings()) as chassis:
        where = Controllers.of([chassis.address], tmp_path)
        with pytest.raises(CommandError, match="is no drain controller, and the Router at"):
            await drain("access-0", where)


async def nothing(_: ServiceSettings, chassis: Chassis) -> None:
    """A service that serves nobody."""
