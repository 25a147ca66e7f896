"""The spans of a push pod: a job of Logic's, and each call of a provider."""

from __future__ import annotations

import time

from services.push.domain.outcomes import Outcome, Result
from services.push.domain.wakes import Wake
from whimbrel.core.traceparent import parse_traceparent
from whimbrel.runtime.message_spans import message_attributes
from whimbrel.runtime.tracing import CLIENT, CONSUMER, Tracing


class OtelWakeTraces:
    """The port WakeTraces."""

    def __init__(self, tracing: Tracing) -> None:
        self._tracing = tracing

    def scheduled(self, traceparent: str, devices: int, since_ms: int) -> None:
        parent = parse_traceparent(traceparent)
        if parent is None:
            return
        now = time.monotonic()
        waited = max(0.0, time.time() - since_ms / 1000)
        self._tracing.record(
            "push job",
            self._tracing.begin(parent),
            parent,
            now - waited,
            now,
            {**message_attributes("push job", "receive"), "whimbrel.push.devices": devices},
            kind=CONSUMER,
        )

    def sent(self, provider: str, wake: Wake, outcome: Outcome, began: float) -> None:
        parent = parse_traceparent(wake.traceparent)
        if parent is None:
            return
        is_taken = outcome.result is Result.DELIVERED
        self._tracing.record(
            "notify",
            self._tracing.begin(parent),
            parent,
            began,
            time.monotonic(),
            {
                **message_attributes("notify", "send", wake.message_id),
                "whimbrel.push.provider": provider,
                "whimbrel.push.result": outcome.result.value,
                "whimbrel.push.tries": wake.tries,
            },
            kind=CLIENT,
            error="" if is_taken else outcome.reason,
        )
