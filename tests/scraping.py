"""How tests scrape a service: with a real HTTP client, and read as Prometheus reads."""

from __future__ import annotations

import asyncio
import urllib.request
from collections.abc import Iterable

from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

Scrape = dict[tuple[str, frozenset[tuple[str, str]]], float]
"""Values by the name of the series and its labels."""

_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


async def scrape(address: str) -> Scrape:
    """Every series that the service shows now. urllib's HTTPError for any answer but 200."""
    return samples(text_string_to_metric_families(await asyncio.to_thread(_get, address)))


def samples(families: Iterable[Metric]) -> Scrape:
    """The series of these families."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def value(scraped: Scrape, name: str, **labels: str) -> float | None:
    """One series; None when there is none with exactly these labels."""
    return scraped.get((name, frozenset(labels.items())))


def _get(address: str) -> str:
    with _DIRECT.open(f"http://{address}/metrics", timeout=10) as answer:
        text: str = answer.read().decode()
    return text
