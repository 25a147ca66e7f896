"""What a Logic pod records of traces: nothing, and nothing is imported, without a collector."""

from __future__ import annotations

from services.logic.trace_ports import MessageTraces
from whimbrel.runtime.chassis import Chassis


def open_traces(chassis: Chassis) -> MessageTraces | None:
    """Of the messages that this pod processes."""
    if chassis.tracing is None:
        return None
    from services.logic.adapters.message_traces_otel import OtelMessageTraces  # noqa: PLC0415

    return OtelMessageTraces(chassis.tracing)
