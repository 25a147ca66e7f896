"""The gateway's edge: bounds, error forms, and an end that finishes what is under way."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI, Request
from structlog.testing import capture_logs

from services.gateway.bootstrap import http_server
from services.gateway.edge import Edge
from services.gateway.errors import HTTP_STATUS_OF, install_error_handlers
from services.gateway.settings import HttpSettings
from tests.component.gateway.gateway_world import code_of, gateway
from tests.waiting import until
from whimbrel.core.errors import ErrorCode
from whimbrel.runtime.http_server import HttpServer
from whimbrel.runtime.serve import ServiceFailedError

LIMIT = 2048


def small_app(release: asyncio.Event) -> FastAPI:
    """An application with the gateway's edge and four routes of its own."""
    app = FastAPI()
    install_error_handlers(app)

    @app.post("/echo")
    async def echo(request: Request) -> dict[str, int]:
        return {"bytes": len(await request.body())}

    @app.post("/parsed")
    async def parsed(body: dict[str, str]) -> dict[str, int]:
        return {"fields": len(body)}

    @app.get("/slow")
    async def slow() -> dict[str, bool]:
        await release.wait()
        return {"done": True}

    @app.get("/broken")
    async def broken() -> None:
        raise RuntimeError("the secret of the house")

    app.add_middleware(Edge, max_body_bytes=LIMIT, request_seconds=0.3)
    return app


@asynccontextmanager
async def served(settings: HttpSettings) -> AsyncIterator[HttpServer]:
    server = http_server(small_app(asyncio.Event()), settings, 1.0)
    running = asyncio.create_task(server.run())
    yield server
    await server.stop()
    await running


async def connected(server: HttpServer) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, _, port = server.address.rpartition(":")
    return await asyncio.open_connection(host, int(port))


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(small_app(asyncio.Event()))
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as made:
        yield made


async def test_a_gateway_serves_its_description_and_stops_within_its_grace(
    tmp_path: Path, mongo_url: str
) -> None:
    async with gateway(tmp_path, mongo_url) as world:
        assert (await world.call("GET", "/v1/health")).json() == {"status": "ok"}
        described = (await world.call("GET", "/openapi.json")).json()
        assert "/v1/health" in described["paths"]
        assert "swagger" in (await world.call("GET", "/docs")).text
        assert code_of(await world.call("GET", "/v1/nothing")) == (404, "NOT_FOUND")
        assert code_of(await world.call("DELETE", "/v1/health")) == (405, "NOT_FOUND")
        refused = await world.call("PUT", "/v1/users")
        assert (refused.status_code, refused.headers["allow"]) == (405, "GET, POST")
        stopping_at = time.monotonic()
    assert time.monotonic() - stopping_at < 5


async def test_a_body_beyond_the_bound_is_refused_declared_or_not(
    client: httpx.AsyncClient,
) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"x" * 1000

    assert (await client.post("/echo", content=b"x" * LIMIT)).json() == {"bytes": LIMIT}
    for path in ("/echo", "/parsed"):
        for content in (b"x" * (LIMIT + 1), pieces()):
            refused = await client.post(path, content=content)
            assert code_of(refused) == (413, "BODY_TOO_LARGE")


async def test_a_malformed_body_is_refused_without_its_values(client: httpx.AsyncClient) -> None:
    for content in (b"", b"{", b"[]", b'{"password": 7}', b"\xff\xfe"):
        refused = await client.post("/parsed", content=content)
        assert code_of(refused) == (400, "INVALID_ARGUMENT")
    wrong = await client.post("/parsed", json={"password": ["hunter2"]})
    assert "password" in wrong.json()["error"]["detail"]
    assert "hunter2" not in wrong.text


async def test_a_request_that_takes_too_long_is_ended(client: httpx.AsyncClient) -> None:
    assert code_of(await client.get("/slow")) == (504, "DEADLINE_EXCEEDED")


async def test_an_error_of_ours_is_logged_once_and_hidden(client: httpx.AsyncClient) -> None:
    with capture_logs() as logs:
        answer = await client.get("/broken")
    assert code_of(answer) == (500, "INTERNAL")
    assert "secret" not in answer.text
    assert [line["event"] for line in logs] == ["request_failed"]


async def refuses(address: str) -> bool:
    """Whether nobody listens there any more."""
    host, _, port = address.rpartition(":")
    try:
        _, writer = await asyncio.open_connection(host, int(port))
    except ConnectionError:  # refused, or reset in the moment in which the port is closed
        return True
    writer.close()
    return False


async def test_a_request_under_way_is_finished_when_the_server_stops() -> None:
    release = asyncio.Event()
    app = small_app(release)
    server = http_server(app, HttpSettings(), 3.0)
    running = asyncio.create_task(server.run())
    async with httpx.AsyncClient(base_url=f"http://{server.address}") as http:
        asking = asyncio.create_task(http.get("/slow"))
        await until(lambda: server.connections)
        stopping = asyncio.create_task(server.stop())
        await until(lambda: refuses(server.address))
        assert not asking.done()
        release.set()
        assert (await asking).json() == {"done": True}
        async with asyncio.timeout(3):
            await stopping
            await running
        with pytest.raises(httpx.ConnectError):
            await http.get("/slow")


@pytest.mark.parametrize(
    "said", [b"", b"GET /slow HT", b"GET /slow HTTP/1.1\r\nhost: x\r\n", b"\x00\xff\r\n\r\n"]
)
async def test_a_connection_that_brings_no_request_is_closed_in_time(said: bytes) -> None:
    async with served(HttpSettings(head_seconds=0.1)) as server:
        reader, writer = await connected(server)
        writer.write(said)
        async with asyncio.timeout(5):
            await reader.read()
        writer.close()


async def test_a_head_without_end_is_cut_off() -> None:
    async with served(HttpSettings(head_seconds=60)) as server:
        _reader, writer = await connected(server)
        writer.write(b"GET /slow HTTP/1.1\r\nx: ")
        pieces = 0
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(5):
                while pieces < 1000:
                    writer.write(b"y" * 64 * 1024)
                    await writer.drain()
                    pieces += 1
        assert pieces < 1000
        await until(lambda: not server.connections, seconds=5)
        writer.close()


async def test_a_second_request_of_a_connection_has_its_time_too() -> None:
    async with served(HttpSettings(head_seconds=0.1)) as server:
        reader, writer = await connected(server)
        for _ in range(2):
            writer.write(b"GET /nothing HTTP/1.1\r\nhost: x\r\n\r\n")
            async with asyncio.timeout(5):
                assert b" 404 " in await reader.readline()
                head = await reader.readuntil(b"\r\n\r\n")
                (length,) = re.findall(rb"content-length: (\d+)", head)
                await reader.readexactly(int(length))
        writer.write(b"GET /nothing HT")
        async with asyncio.timeout(5):
            assert await reader.read() == b""
        writer.close()


async def test_a_port_that_is_taken_is_said() -> None:
    first = http_server(small_app(asyncio.Event()), HttpSettings(), 1.0)
    with pytest.raises(ServiceFailedError, match="cannot listen on"):
        http_server(small_app(asyncio.Event()), HttpSettings(listen=first.address), 1.0)
    first.close()


def test_every_code_has_a_status_that_says_whose_fault_it_is() -> None:
    assert set(HTTP_STATUS_OF) == set(ErrorCode)
    ours = {ErrorCode.INTERNAL, ErrorCode.UNAVAILABLE, ErrorCode.DEADLINE_EXCEEDED}
    assert {code for code, status in HTTP_STATUS_OF.items() if status >= 500} == ours
