"""The metrics of several processes in one exposition: nothing is lost, nothing is summed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from prometheus_client.parser import text_string_to_metric_families

from services.access.processes.pod_metrics import PodMetrics, merge
from services.access.processes.shared_port import free_port
from tests.scraping import samples, value
from whimbrel.core.errors import ErrorCode
from whimbrel.runtime.metrics import Metrics
from whimbrel.runtime.metrics_endpoint import metrics_endpoint
from whimbrel.runtime.service_metrics import service_metrics


@asynccontextmanager
async def a_process(lag_ms: float) -> AsyncIterator[str]:
    """The endpoint of a process, as every service has one."""
    metrics = Metrics("access", "r1")
    metrics.add(lambda: service_metrics(lag_ms, {ErrorCode.INTERNAL: 3}))
    async with metrics_endpoint("127.0.0.1:0", metrics) as address:
        yield address


async def test_each_series_is_there_for_each_process_under_one_family() -> None:
    async with a_process(100.0) as first, a_process(300.0) as second:
        pod = PodMetrics({1: first, 2: second}, lambda: {1: 1, 2: 4})
        text, content_type = await pod.expose()
    assert content_type.startswith("text/plain")
    lines = text.decode().splitlines()
    assert lines.count("# TYPE whimbrel_service_loop_lag_seconds gauge") == 1
    shown = samples(text_string_to_metric_families(text.decode()))
    lags = [
        value(shown, "whimbrel_service_loop_lag_seconds", process=number) for number in ("1", "2")
    ]
    assert lags == [0.1, 0.3]
    refused = "whimbrel_service_refused_calls_total"
    assert value(shown, refused, process="2", code="internal") == 3
    assert value(shown, "whimbrel_access_process_starts_total", process="2") == 4


async def test_a_process_that_does_not_answer_is_left_out() -> None:
    async with a_process(100.0) as first:
        text, _ = await PodMetrics({1: first, 2: free_port()}, lambda: {1: 1, 2: 1}).expose()
    shown = samples(text_string_to_metric_families(text.decode()))
    assert value(shown, "whimbrel_service_info", process="1", service="access", revision="r1") == 1
    assert {dict(labels).get("process") for name, labels in shown if "starts" not in name} == {"1"}


def test_a_histogram_keeps_its_buckets() -> None:
    text = "# HELP h Waits.\n# TYPE h histogram\n" + "".join(
        f"{line}\n" for line in ('h_bucket{le="1.0"} 2.0', 'h_bucket{le="+Inf"} 3.0', "h_sum 4.0")
    )
    (family,) = merge({1: text, 2: text})
    assert (family.type, len(family.samples)) == ("histogram", 6)
