"""What a Router tells Prometheus."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator

from prometheus_client.core import Metric

from services.router.load import RouterLoad
from whimbrel.api.router.v1 import router_pb2
from whimbrel.runtime.histogram import histogram
from whimbrel.runtime.metrics import counter, gauge

_ROLES = {
    number: name.removeprefix("POD_ROLE_").lower() for name, number in router_pb2.PodRole.items()
}


def router_metrics(
    pods: Collection[router_pb2.Pod], watchers: int, load: RouterLoad
) -> Iterator[Metric]:
    """Every family of this role, from the last table of the registry, those who watch it, and
    what was asked."""
    roles = Counter(_ROLES.get(pod.role, "unknown") for pod in pods)
    yield gauge(
        "whimbrel_router_pods",
        "Pods in the last table of the registry.",
        {(role,): roles[role] for role in {*_ROLES.values(), *roles}},
        labels=("role",),
    )
    yield gauge(
        "whimbrel_router_registered_sessions",
        "Sessions of all Access pods, as they said last.",
        sum(pod.sessions for pod in pods if pod.role == router_pb2.POD_ROLE_ACCESS),
    )
    yield gauge("whimbrel_router_watchers", "Pods that watch the registry here.", watchers)
    for name, text, counts in (
        ("items", "Sessions, or users to locate, that requests were about.", load.items),
        ("failures", "Requests that the directory did not answer.", load.failures),
    ):
        yield counter(
            f"whimbrel_router_{name}_total",
            text,
            {(request,): count for request, count in counts.items()},
            labels=("request",),
        )
    yield histogram(
        "whimbrel_router_request_seconds",
        "How long the directory took for a request.",
        load.seconds,
        label="request",
    )
