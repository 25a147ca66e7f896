"""How long things take, as Prometheus counts it: so many took at most so long."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from typing import Final

from prometheus_client.core import HistogramMetricFamily, Metric

BOUNDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Seconds: from a commit on an idle machine to the deadline of a send."""


class Histogram:
    """Durations since the start. Half a microsecond each: for batches and calls, not messages."""

    __slots__ = ("_counts", "seconds")

    def __init__(self) -> None:
        self._counts = [0] * (len(BOUNDS) + 1)
        self.seconds = 0.0
        """Their sum."""

    def observe(self, seconds: float) -> None:
        """One more took so long."""
        self._counts[bisect_left(BOUNDS, seconds)] += 1
        self.seconds += seconds

    def add(self, other: Histogram) -> Histogram:
        """Another one's on top; this one."""
        self._counts = [
            mine + theirs for mine, theirs in zip(self._counts, other._counts, strict=True)
        ]
        self.seconds += other.seconds
        return self

    def buckets(self) -> list[tuple[str, float]]:
        """How many took at most so long, by the bound as the label "le" has it."""
        found, total = [], 0
        names = (*(str(bound) for bound in BOUNDS), "+Inf")
        for name, count in zip(names, self._counts, strict=True):
            total += count
            found.append((name, float(total)))
        return found


def histogram(name: str, text: str, values: Mapping[str, Histogram], *, label: str) -> Metric:
    """One family; `values` by the value of the label."""
    family = HistogramMetricFamily(name, text, labels=(label,))
    for label_value, one in values.items():
        family.add_metric((label_value,), one.buckets(), one.seconds)
    return family
