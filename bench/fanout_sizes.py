"""Fan-out into groups of 10, 100 and 1,000, and how many deliveries a second there are at most."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Final

from bench.bare import WireLimits
from bench.fanout import FanOutWorkload, run
from bench.runs import ratio
from bench.terms import Terms
from bench.throughput import target_of
from whimbrel.local.stack import Stack

SIZES: Final = (10, 100, 1000)
_MESSAGES: Final = 30
_INTERVAL_SECONDS: Final = 0.4
"""Longer than a delivery to the last takes, so that each message is alone."""
_SATURATING: Final = FanOutWorkload(
    group_size=1000, online=999, messages=100, interval_seconds=0.0, in_flight=4
)


async def measure_fanout(stack: Stack, terms: Terms, wire: WireLimits) -> dict[str, Any]:
    """Flat; the keys of a size begin with group_SIZE_. Everybody in a group is online."""
    target = target_of(stack)
    found: dict[str, Any] = {}
    lost = duplicated = 0
    for size in SIZES:
        members = max(3, round(size * terms.size)) if terms.size < 1 else size
        messages = terms.sized(_MESSAGES)
        terms.say(f"fanout: a group of {members}, {messages} messages …")
        workload = FanOutWorkload(members, members - 1, messages, _INTERVAL_SECONDS)
        one = await run(workload, target, name=f"group-{size}")
        found |= {f"group_{size}_{key}": value for key, value in asdict(one).items()}
        lost += one.lost
        duplicated += one.duplicated
    members = terms.sized(_SATURATING.group_size, 3)
    terms.say(f"fanout: a group of {members}, as fast as it goes …")
    workload = FanOutWorkload(
        members,
        members - 1,
        terms.sized(_SATURATING.messages),
        _SATURATING.interval_seconds,
        in_flight=_SATURATING.in_flight,
    )
    full = await run(workload, target, name="group-full")
    rate = full.sustained_deliveries_per_second
    return {
        "deliveries_per_second": rate,
        "deliveries_per_second_ratio": ratio(rate, wire.frames_per_second),
        "bare_frames_per_second": wire.frames_per_second,
        "lost": lost + full.lost,
        "duplicated": duplicated + full.duplicated,
        **found,
    }
