"""How often a server's unary calls are made, how they end and how long they take.

Streams are not calls in this sense: they last, and each service counts what they carry. Labels are
methods that the server has and gRPC's own statuses, so they are bounded; nothing of a request is
looked at.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

import grpc
from prometheus_client.core import Metric

from whimbrel.runtime.histogram import Histogram, histogram
from whimbrel.runtime.metrics import counter

if TYPE_CHECKING:  # generic only in the stubs
    _Context = grpc.aio.ServicerContext[Any, Any]
    Unary = Callable[[Any, _Context], Awaitable[Any]]

OK: Final = "ok"
CANCELLED: Final = "cancelled"
"""The caller did not wait for the end, or its deadline passed: a server sees no difference."""
_NAME_OF: Final = {status.value[0]: status.name.lower() for status in grpc.StatusCode}
"""By the number that gRPC has for it."""


def short_name(method: str) -> str:
    """ "Service.Method" of "/package.Service/Method"; no two packages share a service's name."""
    service, _, name = method[1:].partition("/")
    return f"{service.rpartition('.')[2]}.{name}"


class CallLoad:
    """The unary calls of one server. Less than a microsecond each, and nothing per message."""

    def __init__(self, *, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self.ended: Counter[tuple[str, str]] = Counter()
        """Calls by method ("Service.Method") and status ("ok", "not_found")."""
        self.seconds: dict[str, Histogram] = {}
        """From the request to the answer, by method; also of those that failed."""

    def measured(self, handle: Unary, method: str) -> Unary:
        """The same handler, counted. It must end refused calls by `context.abort`."""
        name = short_name(method)

        async def handle_measured(request: Any, context: _Context) -> Any:
            began = self._clock()
            status = CANCELLED
            try:
                answer = await handle(request, context)
            except grpc.aio.AbortError:
                status = _status(context)
                raise
            else:
                status = OK
                return answer
            finally:
                self.count(name, status, self._clock() - began)

        return handle_measured

    def count(self, name: str, status: str, seconds: float) -> None:
        """One call has ended."""
        self.ended[name, status] += 1
        durations = self.seconds.get(name)
        if durations is None:
            durations = self.seconds[name] = Histogram()
        durations.observe(seconds)


def call_metrics(load: CallLoad) -> Iterator[Metric]:
    """Families that have the same name in all roles."""
    yield counter(
        "whimbrel_service_calls_total",
        "Unary gRPC calls that have ended, by method and by gRPC's status in small letters.",
        {(method, status): count for (method, status), count in load.ended.items()},
        labels=("method", "status"),
    )
    yield histogram(
        "whimbrel_service_call_seconds",
        "How long unary gRPC calls took here, by method.",
        load.seconds,
        label="method",
    )


def _status(context: _Context) -> str:
    """Of a call that was aborted."""
    code: Any = context.code()
    number = code.value[0] if isinstance(code, grpc.StatusCode) else code
    return _NAME_OF.get(number, "unknown")
