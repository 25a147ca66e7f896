"""What a gateway shows to a scraper: requests by method and status, and no path, which has ids."""

from __future__ import annotations

from pathlib import Path

from services.gateway.edge import Edge
from services.gateway.metrics import HttpLoad
from tests.component.gateway.gateway_world import gateway
from tests.scraping import scrape, value
from whimbrel.runtime.http_server import Message, Receive, Scope, Send
from whimbrel.runtime.settings import MetricsSettings

ANSWERS = "whimbrel_gateway_answers_total"


async def test_requests_are_counted_by_method_and_status(tmp_path: Path, mongo_url: str) -> None:
    metrics = MetricsSettings(listen="127.0.0.1:0")
    async with gateway(tmp_path, mongo_url, metrics=metrics) as world:
        for _ in range(2):
            assert (await world.http.get("/v1/users/a-special-user")).status_code == 401
        assert (await world.http.get("/openapi.json")).status_code == 200
        assert (await world.http.request("TRACE", "/openapi.json")).status_code == 405
        seen = await scrape(world.metrics_address)
        assert value(seen, ANSWERS, method="GET", status="401") == 2
        assert value(seen, ANSWERS, method="GET", status="200") == 1
        assert value(seen, ANSWERS, method="other", status="405") == 1
        assert value(seen, "whimbrel_gateway_requests") == 0
        assert value(seen, "whimbrel_gateway_request_seconds_count", method="GET") == 3
        assert "special" not in str(seen)


async def test_what_fails_is_counted_too() -> None:
    load = HttpLoad()

    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        assert load.under_way == 1
        raise RuntimeError

    async def receive() -> Message:
        return {"type": "http.request"}

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    edge = Edge(broken, max_body_bytes=10, request_seconds=1.0, load=load)
    scope: Scope = {"type": "http", "method": "GET", "path": "/v1/x", "headers": []}
    await edge(scope, receive, send)
    assert sent[0]["status"] == 500
    assert load.answers == {("GET", 500): 1}
    assert load.under_way == 0
