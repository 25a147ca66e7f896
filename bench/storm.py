"""A storm: a pod is killed, and all of its clients return at once, as fast as they may."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

from bench.bare import WireLimits
from bench.move_load import READY, STOP, MovePlan, MoveResult
from bench.processes import end, expect, line_of, start, write
from bench.runs import ratio
from bench.terms import Terms
from whimbrel.local.stack import Stack

CLIENTS: Final = 2_000
"""Over two pods: a thousand of them return."""
_RATE: Final = 20.0
_PROCESSES: Final = 2
_CONNECT_SECONDS: Final = 180.0
_BACK_SECONDS: Final = 20.0
"""The storm window is over, and so is the ladder's first step."""
_RESULT_SECONDS: Final = 60.0


async def measure_storm(stack: Stack, terms: Terms, wire: WireLimits) -> dict[str, Any]:
    """Flat. Needs two Access pods; the first is killed and comes back."""
    clients = terms.sized(CLIENTS, 20)
    terms.say(f"storm: connecting {clients} clients …")
    running = [await start("bench.move_load") for _ in range(_PROCESSES)]
    try:
        for number, process in enumerate(running):
            users = [f"storm-{one}" for one in range(number, clients, _PROCESSES)]
            plan = MovePlan(
                users=users,
                tokens={user: stack.token(user) for user in users},
                endpoints=stack.endpoints,
                receivers_at=None,
                rate=_RATE / _PROCESSES,
            )
            write(process, json.dumps(asdict(plan)))
        for process in running:
            await expect(process, READY, _CONNECT_SECONDS)
        terms.say("storm: a pod is killed …")
        killed = time.monotonic()
        await stack.kill("access-0")
        await stack.wait_healthy(60.0, "access-0")
        await asyncio.sleep(
            max(0.0, killed + _BACK_SECONDS * min(1.0, terms.size * 10) - time.monotonic())
        )
        for process in running:
            write(process, STOP)
        lines = await asyncio.gather(*(line_of(one, _RESULT_SECONDS) for one in running))
    finally:
        for process in running:
            await end(process)
    found = figures_of([MoveResult(**json.loads(line)) for line in lines], killed)
    rate = found["attaches_per_second"]
    return {
        "clients": clients,
        **found,
        "attaches_per_second_ratio": ratio(rate, wire.attaches_per_second),
        "bare_attaches_per_second": wire.attaches_per_second,
    }


def figures_of(results: Sequence[MoveResult], killed: float) -> dict[str, Any]:
    """What became of those who lost their stream at `killed` (monotonic seconds). Pure."""
    waits: list[float] = []
    back: list[float] = []
    missing = 0
    for result in results:
        came: dict[str, float] = {}
        for user, at in result.attachments:
            if at > killed:
                came.setdefault(user, at)
        for user in {user for user, at in result.losses if killed <= at < result.ended}:
            if user in came:
                waits.append(came[user] - killed)
                back.append(came[user])
            else:
                missing += 1
    waits.sort()
    span = max(back) - min(back) if len(back) > 1 else 0.0
    return {
        "clients_lost_their_stream": len(waits) + missing,
        "clients_not_back": missing,
        "back_p50_seconds": _at(waits, 0.50),
        "back_p99_seconds": _at(waits, 0.99),
        "back_all_seconds": _at(waits, 1.0),
        "attaches_per_second": round(len(back) / span, 1) if span else 0.0,
        "lost": sum(result.lost for result in results),
        "duplicated": sum(result.duplicated for result in results),
        "reordered": sum(result.reordered for result in results),
    }


def _at(ordered: Sequence[float], share: float) -> float:
    if not ordered:
        return 0.0
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 3)
