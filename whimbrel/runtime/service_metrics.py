"""What every service shows of itself, beside the process."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from prometheus_client.core import Metric

from whimbrel.core.errors import ErrorCode
from whimbrel.runtime.metrics import counter, gauge


def service_metrics(loop_lag_ms: float, refused: Mapping[ErrorCode, int]) -> Iterator[Metric]:
    """Families that have the same name in all roles."""
    yield gauge(
        "whimbrel_service_loop_lag_seconds",
        "How late the event loop was at its worst in the last 5 s.",
        loop_lag_ms / 1000,
    )
    yield counter(
        "whimbrel_service_refused_calls_total",
        "gRPC calls that ended with an error of ours, by its public code.",
        {(code.name.lower(),): refused.get(code, 0) for code in ErrorCode},
        labels=("code",),
    )
