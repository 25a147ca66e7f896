"""What an Access pod tells Prometheus. Reads figures that are kept anyway, and keeps none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client.core import Metric

from services.access.acks import AckStatistics
from services.access.arrivals import Arrivals
from services.access.pending import PendingStatistics
from services.access.tally import StreamFigures
from whimbrel.core.drain.pod_drain import PodDrain
from whimbrel.core.drain.pod_drain_types import DrainPhase
from whimbrel.runtime.metrics import counter, gauge, one_of

_PHASES = tuple(phase.name.lower() for phase in DrainPhase)


def access_metrics(
    *,
    sessions: int,
    drain: PodDrain,
    arrivals: Arrivals,
    loop_lag_ms: float,
    acks: AckStatistics,
    revocations: tuple[int, float],
    links: Iterable[PendingStatistics],
    streams: StreamFigures,
    now: float,
) -> Iterator[Metric]:
    """Every family of this role. `sessions` is how many the pod holds; `links` are those to Logic
    that are up; `revocations`: how many count, and seconds since all were known; `now` is
    monotonic seconds."""
    # The autoscaler reads this one by its name (k8s/components/autoscaling).
    yield gauge(
        "whimbrel_access_sessions",
        "Streams that are attached or attaching. A device that moves counts twice for a moment.",
        sessions,
    )
    yield from _drain_metrics(drain, sessions)
    yield from _stream_metrics(streams)
    yield counter(
        "whimbrel_access_attaches_total", "Sessions that were attached here.", arrivals.attaches
    )
    yield gauge(
        "whimbrel_access_arrival_budget_per_second",
        "Sessions a second that this pod takes from others at present.",
        arrivals.per_second,
    )
    yield gauge(
        "whimbrel_access_attach_p99_seconds",
        "99th percentile of the attaches of the last 5 s; 0 without any.",
        arrivals.figures(now).attach_p99_ms / 1000,
    )
    yield gauge(
        "whimbrel_access_loop_lag_seconds",
        "How late the event loop was at its worst in the last 5 s.",
        loop_lag_ms / 1000,
    )
    yield gauge(
        "whimbrel_access_acks_unstored",
        "Devices whose last ack is not stored yet.",
        acks.kept,
    )
    count, age_seconds = revocations
    yield gauge("whimbrel_access_revocations", "Revocations that count now.", count)
    yield gauge(
        "whimbrel_access_revocations_age_seconds",
        "How long ago all that was revoked was known here; 0.5 is usual, above 2 is an outage.",
        age_seconds,
    )
    up = list(links)
    yield gauge("whimbrel_access_logic_links", "Links to Logic pods that are up.", len(up))
    yield gauge(
        "whimbrel_access_logic_pending",
        "Requests to Logic without an answer yet.",
        {
            ("send",): sum(link.sends for link in up),
            ("fetch",): sum(link.fetches for link in up),
            ("attach",): sum(link.attaches for link in up),
        },
        labels=("request",),
    )


def _drain_metrics(drain: PodDrain, sessions: int) -> Iterator[Metric]:
    counts = drain.statistics()
    yield one_of(
        "whimbrel_access_drain_phase",
        "1 for the phase in which this pod is.",
        "phase",
        _PHASES,
        counts.phase.name.lower(),
    )
    # Separate families and not one with a label: they overlap, so that their sum means nothing.
    for name, text, value in (
        ("planned", "Sessions when the plan began; of a rebalance, its share.", counts.planned),
        ("remaining", "Sessions that are still to go.", _remaining(drain, sessions)),
        ("moved", "Sessions that are attached elsewhere.", counts.moved),
        ("deferred", "Times that a client asked for later.", counts.deferred),
        ("failed", "Moves that came to nothing.", counts.failed),
        ("forced", "Sessions that were ended at the deadline.", counts.forced),
    ):
        yield gauge(f"whimbrel_access_drain_sessions_{name}", f"{text} 0 without a plan.", value)
    yield gauge(
        "whimbrel_access_drain_rate_per_second",
        "Moves a second that are granted now.",
        counts.rate_per_second,
    )


def _stream_metrics(streams: StreamFigures) -> Iterator[Metric]:
    traffic = streams.traffic
    yield gauge(
        "whimbrel_access_streams",
        "Streams that are open, also those that have not said who they are.",
        streams.open,
    )
    yield gauge(
        "whimbrel_access_lagging_sessions",
        "Sessions a full window behind, which are served from the timeline.",
        streams.lagging,
    )
    yield gauge(
        "whimbrel_access_in_flight", "Entries written and not acknowledged.", streams.in_flight
    )
    yield gauge(
        "whimbrel_access_window_fill_ratio",
        "The mean share of its window that a stream has in flight, 0 to 1.",
        streams.window_fill,
    )
    yield counter(
        "whimbrel_access_streams_closed_total",
        "Streams that ended, by how: a code of Close in small letters, fin, bye, or gone.",
        {(reason,): count for reason, count in streams.ended.items()},
        labels=("reason",),
    )
    for name, text, value in (
        ("sent", "Messages that clients handed over.", streams.sent),
        ("delivered", "Entries written to clients, redeliveries too.", traffic.delivered),
        ("delivered_bytes", "Bytes of those entries.", traffic.delivered_bytes),
        ("redelivered", "Entries written again for want of an ack.", traffic.redelivered),
        ("acknowledged", "Entries that devices acknowledged.", traffic.acknowledged),
    ):
        yield counter(f"whimbrel_access_{name}_total", text, value)


def _remaining(drain: PodDrain, sessions: int) -> int:
    if drain.is_cordoned:
        return sessions
    counts = drain.statistics()
    return max(0, counts.planned - counts.moved) if drain.is_shedding else 0
