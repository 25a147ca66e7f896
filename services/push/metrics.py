"""What a push pod tells Prometheus."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict

from prometheus_client.core import Metric

from services.push.domain.outcomes import Result
from services.push.lane import LaneStatistics
from services.push.usecases.judge_wakes import JudgeStatistics
from services.push.usecases.schedule_wakes import ScheduleStatistics
from whimbrel.runtime.metrics import counter, gauge

OUTCOMES = (*(result.value for result in Result), "buried")


def push_metrics(
    scheduled: ScheduleStatistics,
    judged: JudgeStatistics,
    lanes: Mapping[str, LaneStatistics],
    times_lost: int,
) -> Iterator[Metric]:
    """Every family of this role; `lanes` by provider."""
    yield counter(
        "whimbrel_push_jobs_total",
        "Jobs and wakes by what became of them before a provider was asked.",
        {(fate,): count for fate, count in (asdict(scheduled) | asdict(judged)).items()},
        labels=("fate",),
    )
    yield counter(
        "whimbrel_push_notifications_total",
        "Answers of providers, and wakes that went to the dead letters.",
        {
            (name, outcome): lane.outcomes[outcome]
            for name, lane in lanes.items()
            for outcome in OUTCOMES
        },
        labels=("provider", "outcome"),
    )
    yield gauge(
        "whimbrel_push_in_flight",
        "Notifications on their way to a provider.",
        {(name,): lane.in_flight for name, lane in lanes.items()},
        labels=("provider",),
    )
    yield gauge(
        "whimbrel_push_provider_unavailable",
        "1 while a provider takes nothing, or nothing from us, and its wakes wait.",
        {(name,): int(lane.is_open) for name, lane in lanes.items()},
        labels=("provider",),
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
