"""What a gateway tells Prometheus: how much is asked over HTTP, and how it is answered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from prometheus_client.core import Metric

from whimbrel.runtime.histogram import Histogram, histogram
from whimbrel.runtime.metrics import counter, gauge

_METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
_OTHER: Final = "other"
CUT_OFF: Final = 0
"""In the place of a status: the connection ended before there was an answer."""


class HttpLoad:
    """What was asked, counted by the edge. One per process."""

    def __init__(self) -> None:
        self.under_way = 0
        self.answers: Counter[tuple[str, int]] = Counter()
        """By method and status."""
        self.seconds = {method: Histogram() for method in (*_METHODS, _OTHER)}
        """Until the answer was complete; transfers of media not counted."""

    def answered(self, method: str, status: int, seconds: float | None) -> None:
        """One request is over; `seconds` is None for a transfer."""
        method = method if method in _METHODS else _OTHER
        self.answers[method, status] += 1
        if seconds is not None:
            self.seconds[method].observe(seconds)


def gateway_metrics(load: HttpLoad) -> Iterator[Metric]:
    """Every family of this role."""
    yield gauge("whimbrel_gateway_requests", "HTTP requests under way.", load.under_way)
    yield counter(
        "whimbrel_gateway_answers_total",
        "HTTP requests by what became of them; status 0: cut off before an answer.",
        {(method, str(status)): count for (method, status), count in load.answers.items()},
        labels=("method", "status"),
    )
    yield histogram(
        "whimbrel_gateway_request_seconds",
        "How long a request took, transfers of media left out.",
        load.seconds,
        label="method",
    )
