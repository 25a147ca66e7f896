"""What a Logic pod tells Prometheus."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from prometheus_client.core import Metric

from services.logic.usecases.pipeline import PipelineStatistics
from services.logic.webhook_ports import OutboxState
from whimbrel.runtime.metrics import counter, gauge

_LABELS = ("pipeline",)


def logic_metrics(pipelines: Mapping[str, PipelineStatistics]) -> Iterator[Metric]:
    """Every family of this role; `pipelines` by name. Items by batches is the mean batch."""
    figures = pipelines.items()
    yield gauge(
        "whimbrel_logic_waiting",
        "Items that wait for the next batch.",
        {(name,): one.waiting for name, one in figures},
        labels=_LABELS,
    )
    yield counter(
        "whimbrel_logic_batches_total",
        "Batches that were begun.",
        {(name,): one.batches for name, one in figures},
        labels=_LABELS,
    )
    yield counter(
        "whimbrel_logic_items_total",
        "Items in those batches: messages, fan-outs, jobs, acks.",
        {(name,): one.items for name, one in figures},
        labels=_LABELS,
    )
    yield gauge(
        "whimbrel_logic_largest_batch",
        "Items of the largest batch since the start.",
        {(name,): one.largest_batch for name, one in figures},
        labels=_LABELS,
    )


def before_send_metrics(outcomes: Mapping[str, int], is_open: bool) -> Iterator[Metric]:
    """What the host product said of messages before they were stored."""
    yield counter(
        "whimbrel_logic_before_send_total",
        "Messages by what the host product's webhook said of them.",
        {(name,): count for name, count in outcomes.items()},
        labels=("outcome",),
    )
    yield gauge(
        "whimbrel_logic_before_send_open",
        "1 while the webhook is not asked because it failed too often.",
        {(): int(is_open)},
    )


def outbox_metrics(state: OutboxState, oldest_seconds: float) -> Iterator[Metric]:
    """What waits to be told to the host product: every Logic pod shows the same."""
    yield gauge(
        "whimbrel_logic_events_waiting",
        "Events in the outbox, of which 100,000 are counted at most.",
        {(): state.waiting},
    )
    yield gauge(
        "whimbrel_logic_events_oldest_seconds",
        "Age of the oldest event in the outbox.",
        {(): oldest_seconds},
    )
    yield gauge(
        "whimbrel_logic_events_untaken_seconds",
        "For how long no push pod has taken events that are due.",
        {(): state.untaken_ms / 1000},
    )
    yield gauge(
        "whimbrel_logic_events_dead",
        "Dead letters in the outbox, of which 100,000 are counted at most.",
        {(): state.dead},
    )
