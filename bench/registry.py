"""The benches that `whimbrel bench all` runs, in this order. One line adds one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any, Final, NamedTuple

from bench import drain, media, push, recents
from bench.bare import WireLimits
from bench.connections import measure_connections
from bench.fanout_sizes import measure_fanout
from bench.scale import measure_scale
from bench.storm import measure_storm
from bench.sync import measure_sync
from bench.terms import Terms
from bench.throughput import measure_latency, measure_throughput
from whimbrel.local.stack import Stack, StackSpec

Figures = dict[str, Any]


class OnStack(NamedTuple):
    """A bench on a stack that it is given."""

    name: str
    seconds: float
    """What it takes at full size: a run that has less left skips it and says so."""
    spec: StackSpec
    measure: Callable[[Stack, Terms, WireLimits], Awaitable[Figures]]


class OnItsOwn(NamedTuple):
    """A bench that starts what it needs."""

    name: str
    seconds: float
    measure: Callable[[Terms, WireLimits], Awaitable[Figures]]
    has_smoke_form: bool = False
    """Whether it heeds the size of the terms."""


Bench = OnStack | OnItsOwn

_ONE: Final = StackSpec(gateway=0)
_TWO: Final = StackSpec(access=2, gateway=0)
_QUIET: Final = StackSpec(gateway=0, push=0)
"""Without push: nobody is woken by the messages that wait."""


async def _drain(terms: Terms, _: WireLimits) -> Figures:
    return await drain.measure("drain", drain.SCENARIOS["drain"].load(1_000, None), say=terms.say)


async def _recents(_: Terms, __: WireLimits) -> Figures:
    return (await recents.measure(recents.RecentsWorkload())).as_json()


async def _push(_: Terms, __: WireLimits) -> Figures:
    return (await push.run(push.PushWorkload())).as_json()


async def _media(_: Terms, __: WireLimits) -> Figures:
    return asdict(await media.measure(media.MediaWorkload(megabytes=50, rounds=2)))


BENCHES: Final[tuple[Bench, ...]] = (
    OnStack("throughput", 125, _ONE, measure_throughput),
    OnStack("latency", 65, _ONE, measure_latency),
    OnItsOwn("connections", 40, measure_connections, has_smoke_form=True),
    OnStack("fanout", 75, _TWO, measure_fanout),
    OnStack("sync", 50, _QUIET, measure_sync),
    OnStack("storm", 45, _TWO, measure_storm),
    OnItsOwn("scale", 290, measure_scale, has_smoke_form=True),
    OnItsOwn("recents", 15, _recents),
    OnItsOwn("drain", 60, _drain),
    OnItsOwn("push", 20, _push),
    OnItsOwn("media", 20, _media),
)
"""The first one's keys stand at the top of the JSON."""
