"""From what the load processes saw to the figures that a person compares. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import ceil

from bench.histogram import Latencies
from bench.load import LoadResult


@dataclass(frozen=True)
class Figures:
    """One run. Units are in the names; the keys are stable."""

    messages_per_second: float
    core_ms_per_message: float
    """CPU of all server processes, mongod and redis included, per message."""
    p50_ms: float
    p90_ms: float
    p99_ms: float
    p999_ms: float
    """99.9 %."""
    max_ms: float
    lost: int
    duplicated: int
    messages: int
    seconds: float
    late_starts: int
    core_ms_by_process: dict[str, float]
    latency_ms_by_percent: dict[str, float]
    """The curve, for a plot."""

    def as_json(self) -> dict[str, object]:
        """Flat, but for the CPU by process and the curve."""
        return asdict(self)


def percentile(ordered: Sequence[int], share: float) -> float:
    """The smallest value that `share` of the values do not exceed; 0 without values."""
    if not ordered:
        return 0.0
    return float(ordered[max(0, ceil(share * len(ordered)) - 1)])


def figures_of(results: Sequence[LoadResult], core_ms: dict[str, float]) -> Figures:
    """Add up the load processes; `core_ms` is the CPU used by each server process meanwhile."""
    latencies = Latencies.decoded(one.latencies for one in results)
    seconds = max(one.ended for one in results) - min(one.started for one in results)
    accepted = sum(one.accepted for one in results)
    return Figures(
        messages_per_second=round(accepted / seconds, 1),
        core_ms_per_message=round(sum(core_ms.values()) / max(1, accepted), 4),
        p50_ms=latencies.ms(50),
        p90_ms=latencies.ms(90),
        p99_ms=latencies.ms(99),
        p999_ms=latencies.ms(99.9),
        max_ms=latencies.ms(100),
        lost=sum(one.lost for one in results),
        duplicated=sum(one.duplicated for one in results),
        messages=accepted,
        seconds=round(seconds, 2),
        late_starts=sum(one.late_starts for one in results),
        core_ms_by_process={
            name: round(used / max(1, accepted), 4) for name, used in sorted(core_ms.items())
        },
        latency_ms_by_percent=latencies.curve(),
    )
