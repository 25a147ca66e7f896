"""`whimbrel webhooks` on real pods: what is configured, a test that shows what came back, what
waits, and dead letters that wait again and arrive."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from aiohttp import web
from standardwebhooks import Webhook
from typer.testing import CliRunner, Result

from services.logic.adapters.event_outbox_mongo import MongoEventOutbox
from services.logic.bootstrap import SERVICE as LOGIC
from services.logic.domain.events import HostEvent
from services.logic.settings import LogicSettings
from services.push.bootstrap import SERVICE as PUSH
from services.push.settings import PushSettings
from services.router.bootstrap import SERVICE as ROUTER
from services.router.settings import RouterSettings
from tests.component.logic.test_history_command import write_record
from tests.stores import own_database
from tests.waiting import until
from whimbrel.cli.app import app
from whimbrel.local.cluster import wait_registered
from whimbrel.runtime.settings import MongoSettings, RedisSettings, RouterTarget
from whimbrel.runtime.stores import Database
from whimbrel.runtime.webhook_settings import WebhookSettings
from whimbrel.testing.servers import running_service

SECRET = "whsec_" + base64.b64encode(b"s" * 32).decode()
KEY = "d:alice:bob"


class Backend:
    """A real one, which checks every signature."""

    def __init__(self) -> None:
        self.status = 200
        self.url = ""
        self.events: list[dict[str, Any]] = []
        self.verdict: dict[str, str] = {"action": "allow"}

    async def hear(self, request: web.Request) -> web.Response:
        rows = Webhook(SECRET).verify(await request.read(), dict(request.headers))["events"]
        if self.status == 200:
            self.events += rows
        return web.Response(status=self.status)

    async def ask(self, request: web.Request) -> web.Response:
        content = Webhook(SECRET).verify(await request.read(), dict(request.headers))
        return web.json_response({"verdicts": [self.verdict] * len(content["messages"])})


class World(NamedTuple):
    backend: Backend
    outbox: MongoEventOutbox
    database: Database
    data: Path

    async def run(self, *line: str) -> Result:
        """In a thread, as the command has its own loop."""
        runner = CliRunner(env={"WHIMBREL_DATA": str(self.data)})
        return await asyncio.to_thread(runner.invoke, app, ["webhooks", *line])

    async def told(self, *line: str) -> Any:
        """What it prints for programs, when all is well."""
        result = await self.run(*line, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout.splitlines()[-1])  # the pods log to the same output


@pytest.fixture
async def world(redis_url: str, mongo_url: str, tmp_path: Path) -> AsyncIterator[World]:
    secrets = tmp_path / "secrets"
    secrets.write_text(SECRET)
    backend = Backend()
    app = web.Application()
    app.router.add_post("/events", backend.hear)
    app.router.add_post("/before-send", backend.ask)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    backend.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    webhooks = WebhookSettings(
        before_send_url=f"{backend.url}/before-send?key=secret",
        before_send_timeout_seconds=5,
        events_url=f"{backend.url}/events",
        events_give_up_seconds=60,
        secrets_file=secrets,
    )
    redis = RedisSettings(url=redis_url)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(runner.cleanup)
        database = await stack.enter_async_context(own_database(mongo_url))
        mongo = MongoSettings(url=mongo_url, database=database.name)
        router = await stack.enter_async_context(
            running_service(ROUTER, RouterSettings(redis=redis))
        )
        target = RouterTarget(addresses=router.address)
        logic = LogicSettings(mongo=mongo, redis=redis, router=target, webhooks=webhooks)
        push = PushSettings(mongo=mongo, redis=redis, router=target, webhooks=webhooks)
        await stack.enter_async_context(running_service(LOGIC, logic))
        await stack.enter_async_context(running_service(PUSH, push))
        await wait_registered(router.address, {"logic-0", "push-0"}, timeout_seconds=10)
        data = tmp_path / "data"
        data.mkdir()
        write_record(data, router.address)
        yield World(backend, MongoEventOutbox(database), database, data)


def event(number: int, at_ms: int) -> HostEvent:
    row = {"id": f"{number}.message.sent", "type": "message.sent", "conversation": KEY}
    return HostEvent(f"{number}.message.sent", KEY, number, at_ms, json.dumps(row))


async def test_what_is_configured_is_shown_without_what_a_url_hides(world: World) -> None:
    shown = await world.told("show")
    (logic,), (push,) = shown["logic"], shown["push"]
    assert logic["before_send"]["origin"] == push["origin"] == world.backend.url
    assert (logic["before_send"]["is_open"], push["secrets"]) == (False, 1)
    assert logic["outbox"]["kinds"] == ["group.changed", "message.sent"]
    said = (await world.run("show")).stdout
    assert "breaker closed" in said
    assert "waiting 0" in said
    assert "secret" not in said


async def test_a_test_is_signed_and_shows_what_came_back(world: World) -> None:
    tested = await world.told("test")
    assert tested["events"]["outcome"] == "delivered"
    assert tested["before_send"]["outcome"] == "allowed"
    assert world.backend.events[0]["type"] == "webhook.test"
    said = (await world.run("test")).stdout
    assert "a check with any of the secrets is expected to pass" in said
    world.backend.status = 500
    world.backend.verdict = {"action": "sing"}
    failed = await world.run("test")
    assert failed.exit_code == 1
    assert "events: failed (status 500)" in failed.stdout
    assert "before_send: failed (the verdict cannot be read)" in failed.stdout


async def test_a_test_of_another_url_shows_that_nobody_is_there(world: World) -> None:
    result = await world.run("test", "--events-url", "http://127.0.0.1:1/", "--json")
    assert result.exit_code == 1
    assert "not reached" in json.loads(result.stdout)["events"]["failure"]


async def test_what_waits_is_listed_and_tried_at_once_when_it_is_told_to(world: World) -> None:
    world.backend.status = 500
    now_ms = time.time_ns() // 1_000_000
    await world.outbox.put([event(1, now_ms), event(2, now_ms)], due_ms=now_ms)

    async def has_failed_often() -> bool:
        rows = (await world.told("waiting"))["events"]
        return bool(rows) and rows[0]["attempts"] >= 2

    await until(has_failed_often)
    rows = (await world.told("waiting", "--limit", "1"))["events"]
    assert [(row["event_id"], row["key"]) for row in rows] == [("1.message.sent", KEY)]
    world.backend.status = 200
    assert (await world.run("waiting", "--now")).exit_code == 0
    await until(lambda: len(world.backend.events) == 2)


async def test_dead_letters_are_listed_and_arrive_when_they_are_sent_again(world: World) -> None:
    world.backend.status = 500
    long_ago = time.time_ns() // 1_000_000 - 3_600_000
    await world.outbox.put([event(1, long_ago), event(2, long_ago)], due_ms=long_ago)

    async def are_dead() -> bool:
        return len((await world.told("dead"))["events"]) == 2

    await until(are_dead)
    shown = await world.told("show")
    assert shown["logic"][0]["outbox"]["dead"] == "2"
    world.backend.status = 200
    assert await world.told("resend", "1.message.sent", "nonsense") == {"resent": 1}
    await until(lambda: [one["id"] for one in world.backend.events] == ["1.message.sent"])
    assert await world.told("resend", "--all") == {"resent": 1}
    await until(lambda: len(world.backend.events) == 2)
    assert (await world.told("dead"))["events"] == []


@pytest.mark.parametrize("line", ["resend", "resend --all 1", "waiting --limit 0"])
def test_a_line_that_makes_no_sense_is_refused(tmp_path: Path, line: str) -> None:
    runner = CliRunner(env={"WHIMBREL_DATA": str(tmp_path)})
    assert runner.invoke(app, ["webhooks", *line.split()]).exit_code == 2
