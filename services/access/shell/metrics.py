"""What the shell tells Prometheus."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from prometheus_client.core import Metric

from services.access.shell.shell import Shell
from whimbrel.runtime.metrics import counter, gauge

_STREAM_REASONS: Final = ("banned", "address", "user", "unnamed", "full", "memory", "flood")


def shell_metrics(shell: Shell) -> Iterator[Metric]:
    """Every family of it."""
    yield counter(
        "whimbrel_access_refused_streams_total",
        "Streams that were refused, or ended before they had a name, by cause.",
        {(reason,): shell.refused[reason] for reason in _STREAM_REASONS},
        labels=("cause",),
    )
    yield counter(
        "whimbrel_access_rate_limited_messages_total",
        "Messages that were answered RATE_LIMITED, by whose rate it was.",
        {
            ("user",): shell.messages.refused_users,
            ("conversation",): shell.messages.refused_conversations,
        },
        labels=("kind",),
    )
    yield counter(
        "whimbrel_access_throttled_reads_total",
        "Times that a stream was not read for a moment because it came too fast.",
        shell.throttled,
    )
    yield counter(
        "whimbrel_access_bans_total",
        "Addresses that this pod has banned.",
        shell.bans.decided,
    )
    yield gauge(
        "whimbrel_access_bans_active",
        "Addresses that are kept out at present, whichever pod banned them.",
        len(shell.bans),
    )
    yield gauge(
        "whimbrel_access_unnamed_streams",
        "Streams whose token was not seen yet.",
        shell.counts.unnamed,
    )
