"""What one service tells Prometheus: families that are made when somebody asks, and only then.

Nothing is counted here. A collector reads the figures that the parts keep anyway (their
`statistics()`), on the event loop, so that hot paths pay nothing and no figure is half written.
Each service has its own registry: several run in one process in tests. Labels must be bounded:
never the id of a user, a device or a message.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

Collect = Callable[[], Iterable[Metric]]
"""Called at each scrape, on the event loop: microseconds, no I/O."""


class Metrics:
    """The registry of one service. It knows the process (memory, processor, open files) and who
    this is; the service adds the rest."""

    def __init__(self, service: str, revision: str) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        info = gauge(
            "whimbrel_service_info",
            "1. What runs here.",
            {(service, revision): 1},
            labels=("service", "revision"),
        )
        self.add(lambda: (info,))

    def add(self, collect: Collect) -> None:
        """Show these families too. Names must be new to this service."""
        self._registry.register(_Collected(collect))

    async def expose(self, accept: str = "") -> tuple[bytes, str]:
        """The same for the endpoint: see Exposing."""
        return self.exposition(accept)

    def exposition(self, accept: str = "") -> tuple[bytes, str]:
        """Everything as text, and its content type; `accept` is the scraper's Accept header. What
        a collector raises passes through."""
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type


class _Collected(Collector):
    """A function as the library wants it."""

    def __init__(self, collect: Collect) -> None:
        self._collect = collect

    def collect(self) -> Iterator[Metric]:
        yield from self._collect()


Labelled = dict[tuple[str, ...], float]
"""Values by the values of their labels, in the order of the labels' names."""


def gauge(
    name: str, text: str, values: float | Labelled, *, labels: tuple[str, ...] = ()
) -> GaugeMetricFamily:
    """What is so at this moment. Without labels `values` is one number."""
    family = GaugeMetricFamily(name, text, labels=labels)
    for label_values, value in _labelled(values).items():
        family.add_metric(label_values, value)
    return family


def counter(
    name: str, text: str, values: float | Labelled, *, labels: tuple[str, ...] = ()
) -> CounterMetricFamily:
    """What only grows while the process lives; `name` ends with _total."""
    family = CounterMetricFamily(name, text, labels=labels)
    for label_values, value in _labelled(values).items():
        family.add_metric(label_values, value)
    return family


def one_of(name: str, text: str, label: str, choices: Iterable[str], chosen: str) -> Metric:
    """A state as one series for each choice: 1 for the chosen one, 0 for the others, so that a
    dashboard can average them over time."""
    return gauge(name, text, {(one,): float(one == chosen) for one in choices}, labels=(label,))


def _labelled(values: float | Labelled) -> Labelled:
    return values if isinstance(values, dict) else {(): values}
