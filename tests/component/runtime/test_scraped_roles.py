"""Router, Logic and push as they run, on real stores, side by side in this process: each shows
its own figures and nobody else's. Access and the controller are scraped where they are tested."""

from __future__ import annotations

from services.logic.bootstrap import SERVICE as LOGIC
from services.logic.settings import LogicSettings
from services.push.bootstrap import SERVICE as PUSH
from services.push.settings import PushSettings
from services.router.bootstrap import SERVICE as ROUTER
from services.router.settings import RouterSettings
from tests.expositions import SERIES
from tests.scraping import scrape, value
from tests.stores import own_database
from tests.waiting import until
from whimbrel.runtime.chassis import Chassis
from whimbrel.runtime.settings import (
    MetricsSettings,
    MongoSettings,
    PodSettings,
    RedisSettings,
    RouterTarget,
)
from whimbrel.testing.servers import running_service

METRICS = MetricsSettings(listen="127.0.0.1:0")
POD = PodSettings(grace_seconds=2.0)


async def roles_shown(chassis: Chassis) -> set[str]:
    """Whose series this service shows, of those that are ours."""
    return {SERIES[name] for name, _ in await scrape(chassis.metrics_address) if name in SERIES}


async def test_each_role_shows_its_own_figures(redis_url: str, mongo_url: str) -> None:
    redis = RedisSettings(url=redis_url)
    async with (
        own_database(mongo_url) as database,
        running_service(ROUTER, RouterSettings(pod=POD, metrics=METRICS, redis=redis)) as router,
    ):
        mongo = MongoSettings(url=mongo_url, database=database.name)
        target = RouterTarget(addresses=router.address)
        logic_settings = LogicSettings(
            pod=POD, metrics=METRICS, redis=redis, mongo=mongo, router=target
        )
        push_settings = PushSettings(
            pod=POD, metrics=METRICS, redis=redis, mongo=mongo, router=target
        )
        async with (
            running_service(LOGIC, logic_settings) as logic,
            running_service(PUSH, push_settings) as push,
        ):

            async def all_are_registered() -> bool:
                seen = await scrape(router.metrics_address)
                return all(
                    value(seen, "whimbrel_router_pods", role=role) == 1
                    for role in ("logic", "push", "router")
                )

            await until(all_are_registered)
            assert await roles_shown(router) == {"router", "every"}
            assert await roles_shown(logic) == {"logic", "every"}
            assert await roles_shown(push) == {"push", "every"}
