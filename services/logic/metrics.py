"""What a Logic pod tells Prometheus."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from prometheus_client.core import Metric

from services.logic.domain.audit import Wrong
from services.logic.usecases.pipeline import PipelineStatistics
from services.logic.usecases.place_entries import PlaceEntries
from services.logic.usecases.read_timeline import ReadTimeline
from services.logic.usecases.run_audit import AuditStatistics
from services.logic.webhook_ports import OutboxState
from whimbrel.runtime.histogram import histogram
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
    yield histogram(
        "whimbrel_logic_batch_seconds",
        "How long the batches took; of commit, until its messages are durable.",
        {name: one.batch_seconds for name, one in figures},
        label="pipeline",
    )


def commit_metrics(placer: PlaceEntries, reader: ReadTimeline) -> Iterator[Metric]:
    """What it took to keep timelines dense."""
    yield counter(
        "whimbrel_logic_entries_refused_total",
        "Entries that a unique index refused: reserved anew, or found to stand already.",
        placer.refused_entries,
    )
    yield counter(
        "whimbrel_logic_heads_raised_total",
        "Times that Redis was behind a user's timeline and was told its head.",
        placer.raised_heads,
    )
    yield counter(
        "whimbrel_logic_voids_total",
        "Seqs that were reserved, never used, and filled by a reader.",
        reader.voided,
    )
    yield counter(
        "whimbrel_logic_passed_over_total",
        "Entries that could not be read, because their row or message is damaged or lost, and "
        "that were shown as voids. Must stay 0.",
        reader.passed_over,
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


def audit_metrics(audit: AuditStatistics) -> Iterator[Metric]:
    """What the auditor has seen. The first two have names and no label, because they are the
    promises themselves and must stay 0."""
    yield counter(
        "whimbrel_timeline_holes_total",
        "Seqs missing in a timeline for longer than is promised. Must stay 0.",
        audit.findings[Wrong.HOLE],
    )
    yield counter(
        "whimbrel_timeline_repeats_total",
        "Seqs or messages that stand twice in one timeline. Must stay 0.",
        audit.findings[Wrong.REPEAT],
    )
    yield counter(
        "whimbrel_timeline_disagreements_total",
        "Where timelines, messages and cursors contradict each other. Must stay 0.",
        {
            (kind,): count
            for kind, count in audit.findings.items()
            if kind not in (Wrong.HOLE, Wrong.REPEAT)
        },
        labels=("kind",),
    )
    yield counter("whimbrel_timeline_audited_users_total", "Timelines looked at.", audit.users)
    yield counter(
        "whimbrel_timeline_audited_messages_total",
        "Messages whose participants were looked up.",
        audit.messages,
    )
    yield counter(
        "whimbrel_timeline_audit_rounds_total",
        "Times that the auditor came to the last user.",
        audit.rounds,
    )
    yield gauge(
        "whimbrel_timeline_audit_suspects",
        "Looks that wait to be repeated before anything counts.",
        audit.suspects,
    )
    yield gauge(
        "whimbrel_timeline_audit_look_seconds",
        "How long the last look took.",
        audit.last_look_seconds,
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
