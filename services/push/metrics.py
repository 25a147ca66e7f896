"""What a push pod tells Prometheus."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict

from prometheus_client.core import Metric

from services.push.usecases.wake_users import WakeStatistics
from whimbrel.runtime.metrics import counter, gauge


def push_metrics(wakes: WakeStatistics, times_lost: int) -> Iterator[Metric]:
    """Every family of this role."""
    yield counter(
        "whimbrel_push_jobs_total",
        "Jobs by what became of them; failed ones are tried again.",
        {(outcome,): count for outcome, count in asdict(wakes).items()},
        labels=("outcome",),
    )
    yield counter(
        "whimbrel_push_group_losses_total",
        "Times that the stream of jobs had lost its group: Redis was flushed.",
        times_lost,
    )


def event_metrics(outcomes: Mapping[str, int], lag_ms: int) -> Iterator[Metric]:
    """What became of the events for the host product."""
    yield counter(
        "whimbrel_push_events_total",
        "Events by what became of them; failed ones are tried again.",
        {(outcome,): count for outcome, count in outcomes.items()},
        labels=("outcome",),
    )
    yield gauge(
        "whimbrel_push_events_lag_seconds",
        "Age of the oldest event of the last request.",
        lag_ms / 1000,
    )
