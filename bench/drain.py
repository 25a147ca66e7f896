"""Moves under load: what a drain, a rollout, a killed pod and a new pod cost those who talk.

Clients live in processes of their own and reach the pods through a proxy that adds the round
trip.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from typing import Any, Final, NamedTuple

from bench.move_figures import SeenRun, figures
from bench.move_load import READY, STOP, MovePlan, MoveResult
from bench.processes import LoadFailedError, expect, line_of, start, write
from whimbrel.local.proxy import delayed
from whimbrel.local.stack import Stack, StackSpec

_QUIET_SECONDS: Final = 10.0
_CONNECT_SECONDS: Final = 180.0
_RESULT_SECONDS: Final = 60.0

Say = Callable[[str], None]


@dataclass(frozen=True)
class MoveWorkload:
    """What is measured."""

    sessions: int
    rate: float
    """Messages a second in all."""
    round_trip_ms: float
    processes: int = 2


class Scenario(NamedTuple):
    """What happens, and under which load if nobody says."""

    access: int
    """Pods at the start."""
    sessions: int
    rate: float
    receivers_at: str | None
    """Messages go only to those on the pod that goes: what others get tells nothing of a move.
    None: to everybody."""
    act: Callable[[Stack], Awaitable[None]]
    runs: int = 1
    """On a stack of its own each, if nobody says: few deliveries are around moves."""

    def load(
        self, sessions: int | None, rate: float | None, round_trip_ms: float = 50.0
    ) -> MoveWorkload:
        """The scenario's own, but for what somebody wants otherwise."""
        return MoveWorkload(sessions or self.sessions, rate or self.rate, round_trip_ms)


async def measure(
    scenario: str, workload: MoveWorkload, runs: int = 1, say: Say = lambda _: None
) -> dict[str, Any]:
    """One scenario; flat figures. KeyError for one that does not exist."""
    seen = [await _run(scenario, workload, say) for _ in range(runs)]
    return {
        "sessions": workload.sessions,
        "messages_per_second": workload.rate,
        "round_trip_ms": workload.round_trip_ms,
    } | figures(seen, workload.sessions)


async def _run(scenario: str, workload: MoveWorkload, say: Say) -> SeenRun:
    chosen = SCENARIOS[scenario]
    spec = StackSpec(access=chosen.access, gateway=0, proxied=True, proxied_sources=("clients",))
    say(f"{scenario}: starting a stack of {chosen.access} access pods")
    async with Stack.start(spec) as stack:
        stack.links.set_default(delayed(workload.round_trip_ms / 2000, 0.0))
        say(f"{scenario}: connecting {workload.sessions} clients")
        processes = [await start("bench.move_load") for _ in range(workload.processes)]
        try:
            for number, process in enumerate(processes):
                write(process, json.dumps(asdict(_plan(workload, chosen, stack, number))))
            for process in processes:
                await expect(process, READY, _CONNECT_SECONDS)
            await asyncio.sleep(_QUIET_SECONDS)
            say(f"{scenario}: begins")
            began = time.monotonic()
            await chosen.act(stack)
            ended = time.monotonic()
            say(f"{scenario}: {ended - began:.1f} s")
            await asyncio.sleep(_QUIET_SECONDS)
            for process in processes:
                write(process, STOP)
            answers = [await line_of(process, _RESULT_SECONDS) for process in processes]
        finally:
            for process in processes:
                if process.returncode is None:
                    process.kill()
                await process.wait()
    return SeenRun([MoveResult(**json.loads(answer)) for answer in answers], began, ended)


def _plan(workload: MoveWorkload, scenario: Scenario, stack: Stack, number: int) -> MovePlan:
    at = scenario.receivers_at
    users = [f"mover-{n}" for n in range(number, workload.sessions, workload.processes)]
    return MovePlan(
        users=users,
        receivers_at=None if at is None else stack.links.proxies[f"clients>{at}"].address,
        tokens={user: stack.token(user) for user in users},
        endpoints=stack.endpoints,
        rate=workload.rate / workload.processes,
    )


async def _drain(stack: Stack) -> None:
    """One pod is deleted, drains itself at the controller's pace, and is replaced."""
    await _without(stack, "access-0")


async def _rollout(stack: Stack) -> None:
    await stack.restart_role("access")


async def _rollout_without_controller(stack: Stack) -> None:
    rolling = asyncio.ensure_future(stack.restart_role("access"))
    await asyncio.sleep(2.0)
    await stack.kill("drain-0")
    await rolling


async def _kill(stack: Stack) -> None:
    await stack.kill("access-0")
    await stack.wait_healthy(60.0, "access-0")
    await asyncio.sleep(20.0)  # the storm window is over, and so is the ladder's first step


async def _scale_out(stack: Stack) -> None:
    await stack.scale("access", 3)
    await asyncio.sleep(60.0)  # the rebalance looks, decides and moves


async def _without(stack: Stack, name: str) -> None:
    stack.platform.delete(name)
    while name in stack.pods:
        await asyncio.sleep(0.02)


SCENARIOS: Final = {
    "drain": Scenario(3, 2_000, 50.0, "access-0", _drain, runs=3),
    "rollout": Scenario(3, 300, 200.0, None, _rollout),
    "rollout_kill_controller": Scenario(3, 300, 200.0, None, _rollout_without_controller),
    "kill": Scenario(3, 2_000, 50.0, "access-0", _kill),
    "scale_out": Scenario(2, 2_000, 50.0, None, _scale_out),
}
"""By name. The rates leave a machine of two cores room for the moves: what is measured is a move,
not a machine that is full before it."""


__all__ = ["SCENARIOS", "LoadFailedError", "MoveWorkload", "measure"]
