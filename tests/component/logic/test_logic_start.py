"""Services start in any order, and stop at any moment."""

from __future__ import annotations

import asyncio

from structlog.testing import capture_logs

from services.logic.bootstrap import SERVICE
from services.logic.settings import LogicSettings
from tests.waiting import until
from whimbrel.runtime.serve import serve
from whimbrel.runtime.settings import MongoSettings, PodSettings, RedisSettings, RouterTarget


async def test_logic_waits_for_a_mongodb_that_is_away_and_stops_when_told_to() -> None:
    settings = LogicSettings(
        pod=PodSettings(id="logic-7"),
        mongo=MongoSettings(url="mongodb://127.0.0.1:1/?replicaSet=none", timeout_seconds=0.2),
        redis=RedisSettings(url="redis://127.0.0.1:1/0"),
        router=RouterTarget(addresses="127.0.0.1:1"),
    )
    stop = asyncio.Event()
    with capture_logs() as logs:
        async with asyncio.timeout(20):
            serving = asyncio.create_task(serve(SERVICE, settings, stop=stop))
            await until(lambda: any(line["event"] == "store_not_ready" for line in logs))
            assert not serving.done()
            stop.set()
            await serving
    assert not any(line["event"] == "service_started" for line in logs)
