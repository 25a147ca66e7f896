"""What a push pod records of traces: nothing, and nothing is imported, without a collector."""

from __future__ import annotations

from services.push.wake_ports import WakeTraces
from whimbrel.runtime.chassis import Chassis


def open_traces(chassis: Chassis) -> WakeTraces | None:
    """Of the messages that devices are woken for."""
    if chassis.tracing is None:
        return None
    from services.push.adapters.wake_traces_otel import OtelWakeTraces  # noqa: PLC0415

    return OtelWakeTraces(chassis.tracing)
