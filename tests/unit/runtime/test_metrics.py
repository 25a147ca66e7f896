"""Metrics: what is so when somebody asks, while the pod lives, and at no cost to it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from urllib.error import HTTPError

import pytest
from prometheus_client.core import Metric

from tests.scraping import scrape, value
from tests.waiting import until
from whimbrel.runtime.chassis import Chassis
from whimbrel.runtime.metrics import Collect, Metrics, counter, gauge, one_of
from whimbrel.runtime.metrics_endpoint import LIMITS, metrics_endpoint
from whimbrel.runtime.serve import ServiceFailedError, ServiceSpec, serve
from whimbrel.runtime.settings import MetricsSettings, PodSettings, ServiceSettings
from whimbrel.testing.servers import running_service

GET = b"GET /metrics HTTP/1.1\r\nHost: pod\r\n\r\n"


def toy(*collects: Collect) -> ServiceSpec[ServiceSettings]:
    async def start(_: ServiceSettings, chassis: Chassis) -> None:
        for collect in collects:
            chassis.metrics.add(collect)

    return ServiceSpec("toy", ServiceSettings, start)


def settings(listen: str | None = "127.0.0.1:0") -> ServiceSettings:
    return ServiceSettings(
        pod=PodSettings(grace_seconds=1.0, revision="r7"), metrics=MetricsSettings(listen=listen)
    )


def water(level: Callable[[], float]) -> Collect:
    def collect() -> Iterator[Metric]:
        yield gauge("toy_water", "How high it stands.", level())

    return collect


async def said(address: str, request: bytes) -> bytes:
    """The whole answer to these bytes."""
    reader, writer = await asyncio.open_connection(*address.split(":"))
    try:
        writer.write(request)
        return await reader.read()
    finally:
        writer.close()


async def cut_off(address: str, request: bytes) -> bool:
    """Whether these bytes get no answer but the end of the connection."""
    try:
        return await said(address, request) == b""
    except ConnectionError:
        return True


async def test_a_scrape_shows_what_is_so_at_that_moment() -> None:
    levels = [3.0]
    async with running_service(toy(water(lambda: levels[-1])), settings()) as chassis:
        assert value(await scrape(chassis.metrics_address), "toy_water") == 3.0
        levels.append(8.0)
        assert value(await scrape(chassis.metrics_address), "toy_water") == 8.0


async def test_every_service_says_what_it_is_and_how_its_process_does() -> None:
    async with running_service(toy(), settings()) as chassis:
        seen = await scrape(chassis.metrics_address)
    assert value(seen, "whimbrel_service_info", service="toy", revision="r7") == 1
    assert (value(seen, "process_resident_memory_bytes") or 0) > 1_000_000


async def test_services_in_one_process_do_not_see_each_other_s_figures() -> None:
    one, other = toy(water(lambda: 1.0)), toy(water(lambda: 2.0))
    async with running_service(one, settings()) as first, running_service(other, settings()) as two:
        assert value(await scrape(first.metrics_address), "toy_water") == 1.0
        assert value(await scrape(two.metrics_address), "toy_water") == 2.0


async def test_nothing_listens_unless_it_is_asked_for() -> None:
    async with running_service(toy(), settings(listen=None)) as chassis:
        assert chassis.metrics_address == ""
    assert ServiceSettings().metrics.listen is None


async def test_a_pod_that_empties_is_still_watched() -> None:
    seen: list[float | None] = []

    async def start(_: ServiceSettings, chassis: Chassis) -> None:
        async def drain() -> None:
            seen.append(value(await scrape(chassis.metrics_address), "toy_water"))

        chassis.metrics.add(water(lambda: 5.0))
        chassis.on_drain(drain)

    spec = ServiceSpec("toy", ServiceSettings, start)
    async with running_service(spec, settings()) as chassis:
        address = chassis.metrics_address
    assert seen == [5.0]
    with pytest.raises(OSError):
        await asyncio.open_connection(*address.split(":"))


async def test_a_collector_with_a_bug_costs_its_scrape_and_nothing_else(
    capsys: pytest.CaptureFixture[str],
) -> None:
    broken = [True]

    def level() -> float:
        if broken:
            raise KeyError("a bug")
        return 4.0

    async with running_service(toy(water(level)), settings()) as chassis:
        with pytest.raises(HTTPError, match="500"):
            await scrape(chassis.metrics_address)
        assert capsys.readouterr().out.count("] metrics_failed") == 1
        broken.clear()
        assert value(await scrape(chassis.metrics_address), "toy_water") == 4.0


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", b"404"),
        (b"POST /metrics HTTP/1.1\r\n\r\n", b"405"),
        (b"GET /metrics?collect[]=x HTTP/1.1\r\n\r\n", b"200"),
        (b"\x16\x03\x01 not http\r\n\r\n", b"400"),
        (b"GET /metrics GRPC/2\r\n\r\n", b"400"),
    ],
)
async def test_whatever_else_comes_is_told_so(request_bytes: bytes, status: bytes) -> None:
    async with running_service(toy(), settings()) as chassis:
        answer = await said(chassis.metrics_address, request_bytes)
        assert answer.split(b" ")[1] == status
        assert await said(chassis.metrics_address, GET)


async def test_who_asks_for_openmetrics_gets_it() -> None:
    def collect() -> Iterator[Metric]:
        yield counter("toy_drops_total", "Drops.", {("rain",): 2}, labels=("kind",))

    request = (
        b"GET /metrics HTTP/1.1\r\nAccept: application/openmetrics-text; version=1.0.0\r\n\r\n"
    )
    async with running_service(toy(collect), settings()) as chassis:
        head, _, body = (await said(chassis.metrics_address, request)).partition(b"\r\n\r\n")
    assert b"content-type: application/openmetrics-text" in head.lower()
    assert b'toy_drops_total{kind="rain"} 2.0' in body
    assert body.endswith(b"# EOF\n")


async def test_connections_are_bounded_in_number() -> None:
    async with running_service(toy(), settings()) as chassis:
        where = chassis.metrics_address.split(":")
        silent = [await asyncio.open_connection(*where) for _ in range(8)]

        async def is_turned_away() -> bool:
            return b" 503 " in await said(chassis.metrics_address, GET)

        await until(is_turned_away)
        for _, writer in silent:
            writer.close()

        async def is_served() -> bool:
            return b" 200 " in await said(chassis.metrics_address, GET)

        await until(is_served)


async def test_who_says_nothing_or_never_ends_is_cut_off() -> None:
    limits = replace(LIMITS, head_seconds=0.1)
    async with metrics_endpoint("127.0.0.1:0", Metrics("toy", "r7"), limits) as address:
        assert await cut_off(address, b"GET /metr")
        assert await cut_off(address, b"GET /metrics HTTP/1.1\r\n" + b"a: b\r\n" * 20_000)


async def test_a_scraper_that_is_connected_does_not_hold_up_the_end() -> None:
    async with running_service(toy(), settings()) as chassis:
        reader, writer = await asyncio.open_connection(*chassis.metrics_address.split(":"))
    async with asyncio.timeout(1.0):
        assert await reader.read() == b""
    writer.close()


async def test_a_port_for_metrics_that_is_taken_is_a_sentence() -> None:
    async with running_service(toy(), settings()) as chassis:
        taken = settings(listen=chassis.metrics_address)
        with pytest.raises(ServiceFailedError, match="cannot show metrics on"):
            await serve(toy(), taken)


def test_a_state_is_one_series_for_each_choice() -> None:
    family = one_of("toy_mood", "How it feels.", "mood", ("glad", "sad"), "sad")
    assert {s.labels["mood"]: s.value for s in family.samples} == {"glad": 0.0, "sad": 1.0}
