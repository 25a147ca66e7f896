"""Quiet hours over HTTP, as push reads them."""

from __future__ import annotations

import time
from typing import Any

import pytest

from services.push.adapters.wishes_mongo import MongoWishes
from services.push.domain.quiet_hours import QuietHours
from tests.component.gateway.gateway_world import GatewayWorld, code_of

NIGHT = {"starts": "22:30", "ends": "07:00", "time_zone": "Europe/Berlin"}


async def test_quiet_hours_are_set_shown_and_taken_back(world: GatewayWorld) -> None:
    alice = (await world.register("alice"))["access_token"]
    bob = (await world.register("bob"))["access_token"]
    none = await world.call("GET", "/v1/quiet-hours", token=alice)
    assert code_of(none) == (404, "NOT_FOUND")
    assert (await world.call("PUT", "/v1/quiet-hours", NIGHT, token=alice)).json() == NIGHT
    assert (await world.call("GET", "/v1/quiet-hours", token=alice)).json() == NIGHT
    assert code_of(await world.call("GET", "/v1/quiet-hours", token=bob)) == (404, "NOT_FOUND")
    for _ in range(2):
        removed = await world.call("DELETE", "/v1/quiet-hours", token=alice)
        assert removed.status_code == 204
    assert code_of(await world.call("GET", "/v1/quiet-hours", token=alice)) == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    "change",
    [
        {"starts": "24:00"},
        {"starts": "7:00"},
        {"ends": "07:60"},
        {"ends": "22:30"},
        {"time_zone": "Nowhere/At_All"},
        {"time_zone": "../etc/passwd"},
        {"time_zone": ""},
        {"days": [1]},
        {"starts": 22},
    ],
)
async def test_hours_that_are_none_are_refused(world: GatewayWorld, change: dict[str, Any]) -> None:
    token = (await world.register("alice"))["access_token"]
    refused = await world.call("PUT", "/v1/quiet-hours", NIGHT | change, token=token)
    assert code_of(refused) == (400, "INVALID_ARGUMENT")


async def test_push_reads_them_and_the_names_of_people(world: GatewayWorld) -> None:
    token = (await world.register("alice"))["access_token"]
    await world.call("PUT", "/v1/quiet-hours", NIGHT, token=token)
    await world.call("PATCH", "/v1/users/me", {"name": "Alice Liddell"}, token=token)
    wishes = MongoWishes(world.database, clock=time.monotonic)
    for _ in range(2):  # the second time from what is remembered
        hours = await wishes.quiet_hours({"alice", "nobody"})
        assert hours == {"alice": QuietHours(22 * 60 + 30, 7 * 60, "Europe/Berlin")}
        assert await wishes.names({"alice", "nobody"}) == {"alice": "Alice Liddell"}
