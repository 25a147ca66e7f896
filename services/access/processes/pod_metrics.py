"""What a pod with several processes shows to Prometheus: one endpoint, and in it the series of all
of them, each with the label `process`.

Nothing is summed here: a mean, a maximum and a phase do not add up, and which process lags is worth
knowing. Whoever wants the pod asks for `sum without (process)`. A process that does not answer in
time is left out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from whimbrel.runtime.logs import get_logger
from whimbrel.runtime.metrics import counter
from whimbrel.runtime.metrics_endpoint import PATH

_log = get_logger(__name__)

LABEL: Final = "process"
_SCRAPE_SECONDS: Final = 2.0


def starts_metric(starts: Mapping[int, int]) -> Metric:
    """The parent's own word."""
    return counter(
        "whimbrel_access_process_starts_total",
        "Times that a process of the pod was started, by process.",
        {(str(number),): count for number, count in starts.items()},
        labels=(LABEL,),
    )


def merge(texts: Mapping[int, str]) -> Iterator[Metric]:
    """Families of several expositions (text format), by process, each family once."""
    families: dict[str, Metric] = {}
    for number, text in texts.items():
        for family in text_string_to_metric_families(text):
            whole = families.setdefault(
                family.name, Metric(family.name, family.documentation, family.type)
            )
            whole.samples += [
                sample._replace(labels={**sample.labels, LABEL: str(number)})
                for sample in family.samples
            ]
    yield from families.values()


class PodMetrics:
    """The endpoint's content. See Exposing."""

    def __init__(
        self, addresses: Mapping[int, str], starts: Callable[[], Mapping[int, int]]
    ) -> None:
        """`addresses` is a live view: host:port of each process' own endpoint, by number."""
        self._addresses = addresses
        self._starts = starts

    async def expose(self, accept: str = "") -> tuple[bytes, str]:
        """Ask all of them at once."""
        numbers = list(self._addresses)
        answers = await asyncio.gather(*(self._ask(number) for number in numbers))
        texts = {number: text for number, text in zip(numbers, answers, strict=True) if text}
        encode, content_type = choose_encoder(accept)
        shown = [*merge(texts), starts_metric(self._starts())]
        return encode(_Collected(shown)), content_type

    async def _ask(self, number: int) -> str:
        try:
            async with asyncio.timeout(_SCRAPE_SECONDS):
                return await _get(self._addresses[number])
        except (OSError, TimeoutError, ValueError) as error:
            _log.debug("process_not_scraped", process=number, reason=str(error) or "timeout")
            return ""


class _Collected(Collector):
    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


async def _get(address: str) -> str:
    """Of a server of ours, which ends the connection after its answer."""
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(f"GET {PATH} HTTP/1.1\r\nHost: {address}\r\n\r\n".encode())
        answer = await reader.read()
    finally:
        writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    if b" 200 " not in head.partition(b"\r\n")[0]:
        raise ValueError("it did not answer with its metrics")
    return body.decode()
