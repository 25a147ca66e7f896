"""What well-behaved clients notice of an attack on their pod: the same workload twice, first in
peace, then while a flood of connects, silent streams and one flooding user come all at once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

import psutil

from bench.abuse_load import AttackPlan, AttackResult
from bench.load import GO, READY
from bench.processes import expect, line_of, start, write
from bench.run import Target, Workload, run
from whimbrel.local.stack import Stack, StackSpec

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_BAN_SECONDS: Final = 2.0
"""So long an attack may be felt."""
_READY_SECONDS: Final = 30.0
_AS_SHIPPED: Final = {
    "WHIMBREL_SHELL__TRUSTED": "[]",
    "WHIMBREL_SHELL__STREAMS_PER_USER": "50",
    "WHIMBREL_SHELL__UNNAMED_STREAMS": "1000",
    "WHIMBREL_SHELL__USER_MESSAGES_PER_SECOND": "20",
    "WHIMBREL_SHELL__CONVERSATION_MESSAGES_PER_SECOND": "100",
    "WHIMBREL_SHELL__FRAMES_PER_SECOND": "100",
    "WHIMBREL_SHELL__BYTES_PER_SECOND": "1048576",
    "WHIMBREL_SHELL__BAN_SECONDS": "600",
}
"""The limits of a pod in a cluster, which the stack on a laptop does not have; and bans that
outlast the measurement, or the last connect that came through would be one after a ban."""


@dataclass(frozen=True)
class AbuseWorkload:
    """The good and the bad."""

    clients: int = 50
    rate: float = 100.0
    seconds: float = 15.0
    connects_per_second: int = 1_000
    silent_streams: int = 1_000
    floods: bool = True


@dataclass(frozen=True)
class AbuseFigures:
    """Units are in the names; the keys are stable."""

    quiet_p50_ms: float
    quiet_p99_ms: float
    attack_p50_ms: float
    attack_p99_ms: float
    ratio: float
    """attack_p99_ms / quiet_p99_ms."""
    is_within: bool
    """Whether attack_p99_ms is at most twice the quiet one, or 50 ms."""
    seconds_to_ban: float
    """From the beginning of the attack to the last bare connect that came through."""
    seconds_to_ban_silent: float
    """The same for the address of the silent streams."""
    is_banned_in_time: bool
    """Whether both are at most 2 s."""
    connects_per_second: float
    connects_through: int
    silent_opened: int
    flood_sent: int
    flood_accepted: int
    flood_rejected: int
    access_mib_before: float
    access_mib_after: float
    messages: int
    lost: int
    duplicated: int
    seconds: float
    problems: list[str]


async def measure(workload: AbuseWorkload, say: Callable[[str], None]) -> AbuseFigures:
    """Start a stack, run both halves. Raises LoadFailedError and StackError."""
    good = Workload(
        pairs=workload.clients // 2, rate=workload.rate, seconds=workload.seconds, processes=1
    )
    say("starting a stack …")
    spec = StackSpec(access=1, logic=1, gateway=0, push=0, role_environment={"access": _AS_SHIPPED})
    async with Stack.start(spec) as stack:
        target = Target(stack.endpoints, stack.token, stack.server_pids)
        access = psutil.Process(stack.server_pids()["access-0"])
        say("warming up …")
        await run(Workload(pairs=good.pairs, rate=good.rate, seconds=3.0, processes=1), target)
        say(f"in peace for {good.seconds:.0f} s …")
        quiet = await run(good, target, name="quiet")
        before = access.memory_info().rss
        say(f"under attack for {good.seconds:.0f} s …")
        async with _attack(workload, stack) as ended:
            await asyncio.sleep(_BAN_SECONDS)
            attacked = await run(good, target, name="attack")
            result = await ended()
        after = access.memory_info().rss
    to_ban = _after(result, result.last_connected)
    to_ban_silent = _after(result, result.last_silent)
    return AbuseFigures(
        quiet_p50_ms=quiet.p50_ms,
        quiet_p99_ms=quiet.p99_ms,
        attack_p50_ms=attacked.p50_ms,
        attack_p99_ms=attacked.p99_ms,
        ratio=round(attacked.p99_ms / max(quiet.p99_ms, 0.001), 2),
        is_within=attacked.p99_ms <= max(2 * quiet.p99_ms, 50.0),
        seconds_to_ban=to_ban,
        seconds_to_ban_silent=to_ban_silent,
        is_banned_in_time=max(to_ban, to_ban_silent) <= _BAN_SECONDS,
        connects_per_second=round(result.connects / max(result.seconds, 0.001), 1),
        connects_through=result.connected,
        silent_opened=result.silent_opened,
        flood_sent=result.flood_sent,
        flood_accepted=result.flood_accepted,
        flood_rejected=result.flood_rejected,
        access_mib_before=round(before / 2**20, 1),
        access_mib_after=round(after / 2**20, 1),
        messages=quiet.messages + attacked.messages,
        lost=quiet.lost + attacked.lost,
        duplicated=quiet.duplicated + attacked.duplicated,
        seconds=attacked.seconds,
        problems=result.problems,
    )


@asynccontextmanager
async def _attack(
    workload: AbuseWorkload, stack: Stack
) -> AsyncIterator[Callable[[], asyncio.Future[AttackResult]]]:
    """The attackers run while the context is open, or until the yielded function was awaited."""
    process = await start("bench.abuse_load")
    plan = AttackPlan(
        endpoint=stack.endpoints[0],
        connects_per_second=workload.connects_per_second,
        silent_streams=workload.silent_streams,
        flood_token=stack.token("mallory") if workload.floods else "",
    )

    async def ended() -> AttackResult:
        write(process, "stop")
        return AttackResult(**json.loads(await line_of(process, _READY_SECONDS)))

    try:
        write(process, json.dumps(asdict(plan)))
        await expect(process, READY, _READY_SECONDS)
        write(process, GO)
        yield lambda: asyncio.ensure_future(ended())
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def _after(result: AttackResult, moment: float) -> float:
    return round(max(0.0, moment - result.began), 2) if moment else 0.0
