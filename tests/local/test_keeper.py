"""A part is started again when it ends, reported when it cannot start, and ended for certain."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.waiting import until
from whimbrel.local.children import Identity
from whimbrel.local.errors import StackError
from whimbrel.local.keeper import Keeper
from whimbrel.local.part import Part, PartState
from whimbrel.local.supervisor import Supervisor

SLEEPS = "import signal; print('ready', flush=True); signal.alarm(600); signal.pause()"
IGNORES_SIGTERM = (
    "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    "print('ready', flush=True); signal.alarm(600); signal.pause()"
)


def part(folder: Path, program: str, name: str = "sleeper-0", **times: float) -> Part:
    """Ready once its log has as many lines 'ready' as it was started times."""
    log = folder / f"{name}.log"
    seen = 0

    async def is_ready() -> bool:
        nonlocal seen
        lines = log.read_text().splitlines().count("ready") if log.exists() else 0
        if lines > seen:
            seen = lines
            return True
        return False

    return Part(
        name=name,
        role="sleeper",
        address="127.0.0.1:1",
        command=(sys.executable, "-S", "-c", program),
        log=log,
        is_ready=is_ready,
        **times,  # type: ignore[arg-type]
    )


class Heard:
    """What a supervisor said."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.states: list[tuple[str, PartState]] = []

    def changed(self, keeper: Keeper) -> None:
        self.states.append((keeper.part.name, keeper.state))


@asynccontextmanager
async def supervising(*, restart: bool = True) -> AsyncIterator[tuple[Supervisor, Heard]]:
    heard = Heard()
    supervisor = Supervisor(restart=restart, changed=heard.changed, report=heard.lines.append)
    try:
        yield supervisor, heard
    finally:
        await supervisor.stop()


async def test_a_killed_part_is_started_again_as_another_process(tmp_path: Path) -> None:
    async with supervising() as (supervisor, heard):
        await supervisor.start([part(tmp_path, SLEEPS)])
        keeper = supervisor.keeper("sleeper-0")
        first = keeper.identity
        await keeper.kill(signal.SIGKILL)
        assert not first.is_alive
        await supervisor.wait_healthy(20)
        assert keeper.identity != first
        assert keeper.identity.is_alive
        assert keeper.starts == 2
        assert heard.lines == ["sleeper-0 ended (SIGKILL), starting it again"]
        last = keeper.identity
    assert not last.is_alive
    assert keeper.state is PartState.STOPPED


async def test_healthy_after_a_kill_never_means_the_process_that_was_killed(
    tmp_path: Path,
) -> None:
    async with supervising() as (supervisor, _):
        await supervisor.start([part(tmp_path, SLEEPS)])
        keeper = supervisor.keeper("sleeper-0")
        for starts in range(2, 5):
            first = keeper.identity
            await keeper.kill(signal.SIGTERM)  # returns at once, while the process may live on
            await supervisor.wait_healthy(20)
            assert keeper.identity != first
            assert keeper.starts == starts


async def test_without_restart_a_killed_part_stays_dead_until_it_is_revived(
    tmp_path: Path,
) -> None:
    async with supervising(restart=False) as (supervisor, _):
        await supervisor.start([part(tmp_path, SLEEPS)])
        keeper = supervisor.keeper("sleeper-0")
        await keeper.kill(signal.SIGKILL)
        assert keeper.state is PartState.STOPPED
        with pytest.raises(StackError, match=r"not healthy after 0 s: sleeper-0 \(stopped\)"):
            await supervisor.wait_healthy(0.05)
        with pytest.raises(StackError, match="sleeper-0 is not running"):
            await keeper.kill(signal.SIGKILL)
        await keeper.start()
        await supervisor.wait_healthy(20)


async def test_a_part_that_ends_at_its_start_shows_the_end_of_its_log(tmp_path: Path) -> None:
    async with supervising() as (supervisor, _):
        with pytest.raises(StackError, match=r"(?s)ended at its start \(exit status 3\).*no luck"):
            await supervisor.start([part(tmp_path, "print('no luck'); raise SystemExit(3)")])


async def test_a_part_that_never_gets_healthy_is_ended_and_named(tmp_path: Path) -> None:
    async with supervising() as (supervisor, _):
        silent = part(
            tmp_path,
            "import signal; signal.alarm(600); signal.pause()",
            ready_seconds=0.3,
            grace_seconds=5.0,
        )
        with pytest.raises(StackError, match="sleeper-0 did not become healthy within 0 s"):
            await supervisor.start([silent])
        assert not supervisor.keeper("sleeper-0").identity.is_alive


async def test_one_that_fails_ends_those_that_start_with_it(tmp_path: Path) -> None:
    async with supervising() as (supervisor, _):
        with pytest.raises(StackError, match="bad-0 ended at its start"):
            await supervisor.start(
                [part(tmp_path, SLEEPS, "good-0")],
                [part(tmp_path, "raise SystemExit(1)", "bad-0")],
            )
        good = supervisor.keeper("good-0")
    assert not good.identity.is_alive


async def test_what_ignores_sigterm_or_is_stopped_ends_all_the_same(tmp_path: Path) -> None:
    stubborn = part(tmp_path, IGNORES_SIGTERM, "stubborn-0", grace_seconds=0.2)
    frozen = part(tmp_path, SLEEPS, "frozen-0")
    async with supervising() as (supervisor, _):
        await supervisor.start([stubborn, frozen])
        await supervisor.keeper("frozen-0").kill(signal.SIGSTOP)
        identities = [keeper.identity for keeper in supervisor.keepers.values()]
    assert not any(identity.is_alive for identity in identities)


async def test_layers_stop_in_reverse(tmp_path: Path) -> None:
    async with supervising() as (supervisor, heard):
        await supervisor.start([part(tmp_path, SLEEPS, "store")])
        await supervisor.start(
            [part(tmp_path, SLEEPS, "logic")], [part(tmp_path, SLEEPS, "access")]
        )
    stopped = [name for name, state in heard.states if state is PartState.STOPPED]
    assert stopped == ["access", "logic", "store"]


async def test_a_supervisor_that_is_cancelled_while_it_stops_kills_at_once(
    tmp_path: Path,
) -> None:
    heard = Heard()
    supervisor = Supervisor(restart=True, changed=heard.changed, report=heard.lines.append)
    await supervisor.start([part(tmp_path, IGNORES_SIGTERM, grace_seconds=600.0)])
    process = supervisor.keeper("sleeper-0").identity
    stopping = asyncio.create_task(supervisor.stop())
    await asyncio.sleep(0)
    stopping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopping
    assert await gone(process)


async def gone(process: Identity) -> bool:
    await until(lambda: not process.is_alive)
    return True
