"""What clients saw of moves, in a few numbers. Pure.

Added latency is the difference between deliveries around a move (from 0.25 s before its switch to
0.75 s after) and those in quiet, percentile by percentile. A run has some fifty deliveries around
moves, so those of several runs are pooled: of fifty, the 99 % would be the slowest one.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from functools import cached_property
from typing import Any, Final

from bench.move_load import MoveResult

_BEFORE: Final = 0.25
_AFTER: Final = 0.75


class SeenRun:
    """One run of a scenario: what its clients saw. Times are monotonic seconds."""

    def __init__(self, results: Sequence[MoveResult], began: float, ended: float) -> None:
        """`began` and `ended`: of what happened to the pods; users belong to one result each."""
        self.results = results
        self.began = began
        self.ended = ended

    @cached_property
    def switches(self) -> dict[str, list[float]]:
        """When each user's streams were welcomed, from the beginning on."""
        found: dict[str, list[float]] = defaultdict(list)
        for result in self.results:
            for user, at in result.attachments:
                if self.began <= at < result.ended:
                    found[user].append(at)
        return found

    def deliveries(self) -> tuple[list[float], list[float]]:
        """Latencies in ms: around moves, and in quiet."""
        around: list[float] = []
        quiet: list[float] = []
        for result in self.results:
            for user, sent, latency in result.deliveries:
                times = self.switches.get(user, ())
                if any(at - _BEFORE <= sent <= at + _AFTER for at in times):
                    around.append(latency)
                elif result.began <= sent < self.began:
                    quiet.append(latency)
        return around, quiet

    @cached_property
    def losses(self) -> list[tuple[str, float, float]]:
        """(user, when it was without a stream, when it had one again or the run was over)."""
        return [
            (user, at, min((b for b in self.switches[user] if b > at), default=result.ended))
            for result in self.results
            for user, at in result.losses
            if self.began <= at < result.ended
        ]

    def since(self, moments: Sequence[float]) -> float:
        """Seconds until the last of them."""
        return max(moments, default=self.began) - self.began

    def most_attaches_per_second(self) -> int:
        """In the fullest second."""
        back = (at for times in self.switches.values() for at in times)
        return max(Counter(int(at - self.began) for at in back).values(), default=0)

    def max_to_mean_sessions(self) -> float:
        """Of the pods, in the end."""
        homes = Counter(home for result in self.results for home in result.homes.values())
        mean = sum(homes.values()) / max(1, len(homes))
        return max(homes.values(), default=0) / mean if mean else 0.0


def figures(runs: Sequence[SeenRun], sessions: int) -> dict[str, Any]:
    """Counts add up, of seconds and heights the worst run counts, latencies are pooled.

    `sessions`: clients of one run.
    """
    results = [result for run in runs for result in run.results]
    moves = [count for result in results for count in result.moves.values()]
    losers = sum(len({user for user, *_ in run.losses}) for run in runs)
    switched = [[at for times in run.switches.values() for at in times] for run in runs]
    pairs = list(zip(runs, switched, strict=True))
    latencies = [run.deliveries() for run in runs]
    around = [latency for moving, _ in latencies for latency in moving]
    quiet = [latency for _, calm in latencies for latency in calm]
    return {
        "runs": len(runs),
        "accepted": sum(result.accepted for result in results),
        "lost": sum(result.lost for result in results),
        "duplicated": sum(result.duplicated for result in results),
        "reordered": sum(result.reordered for result in results),
        "moved": sum(count > 0 for count in moves),
        "moved_once_at_most_ratio": round(sum(n <= 1 for n in moves) / max(1, len(moves)), 5),
        "without_stream_ratio": round(losers / (sessions * len(runs)), 5),
        "seconds_to_empty": round(max(run.ended - run.began for run in runs), 2),
        "seconds_to_all_back": round(
            max(run.since([back for *_, back in run.losses]) for run in runs), 2
        ),
        "seconds_to_last_attach": round(max(run.since(times) for run, times in pairs), 2),
        "most_attaches_per_second": max(run.most_attaches_per_second() for run in runs),
        "max_to_mean_sessions_ratio": round(max(run.max_to_mean_sessions() for run in runs), 3),
        "deliveries_around_moves": len(around),
    } | _added(around, quiet)


def _added(around: list[float], quiet: list[float]) -> dict[str, float | None]:
    found: dict[str, float | None] = {}
    for name, part in (("p50", 0.5), ("p99", 0.99), ("max", 1.0)):
        calm, moved = _at(quiet, part), _at(around, part)
        base = _at(quiet, 0.5) if name == "max" else calm
        found[f"quiet_{name}_ms"] = round(calm, 2)
        found[f"moving_{name}_ms"] = round(moved, 2)
        found[f"added_{name}_ms"] = round(max(0.0, moved - base), 2) if around else None
    return found


def _at(values: list[float], part: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))] if ordered else 0.0
