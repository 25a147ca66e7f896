"""A proxy before an API server: it keeps a log of what was asked, and spoils what it is told to.

It stands before the emulator and before the real server, so that both have the same faults.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web

from tests.component.drain.kube_emulator.objects import ApiError, Json
from tests.component.drain.kube_emulator.requests import ApiRequest, parse
from tests.component.drain.kube_emulator.server import serving, status_of


@dataclass(frozen=True)
class Answer:
    """Refuse without asking the server."""

    status: int
    retry_after: int | None = None


@dataclass(frozen=True)
class Hang:
    """Take the request and never answer."""


@dataclass(frozen=True)
class Lost:
    """Let the server do it, and break the connection instead of answering."""


@dataclass(frozen=True)
class Before:
    """Do this first, then let the request through: somebody else was faster."""

    act: Callable[[], Awaitable[object]]


@dataclass(frozen=True)
class Slow:
    """Let the request through after so many seconds."""

    seconds: float


@dataclass(frozen=True)
class Stall:
    """Of a watch: open it, and pass nothing on after so many lines."""

    after_lines: int = 0


@dataclass(frozen=True)
class Cut:
    """Of a watch: break the connection in the middle of the line after so many."""

    after_lines: int = 0


@dataclass(frozen=True)
class End:
    """Of a watch: an orderly end after so many lines."""

    after_lines: int = 0


@dataclass(frozen=True)
class GoneEvent:
    """Of a watch: an ERROR event with 410, as the server says it within a stream."""


Fault = Answer | Hang | Lost | Before | Slow | Stall | Cut | End | GoneEvent


@dataclass
class Logged:
    """One request, with what a test wants to know of it."""

    asked: ApiRequest
    query: dict[str, str]
    status: int = 0
    at: float = field(default_factory=time.monotonic)


@dataclass
class _Scripted:
    verb: str
    resource: str
    fault: Fault
    times: int


@dataclass
class FaultyProxy:
    """Passes everything on to `upstream`, whose certificate is not checked."""

    upstream: str
    log: list[Logged] = field(default_factory=list)
    url: str = ""
    _script: list[_Scripted] = field(default_factory=list)
    _session: aiohttp.ClientSession | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[FaultyProxy]:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._handle)
        timeout = aiohttp.ClientTimeout(total=None)
        connector = aiohttp.TCPConnector(ssl=False)
        async with (
            aiohttp.ClientSession(timeout=timeout, connector=connector) as self._session,
            serving(app) as self.url,
        ):
            yield self

    def spoil(self, verb: str, resource: str, fault: Fault, *, times: int = 1) -> None:
        """The next so many requests of this kind. `resource` has its subresource with it."""
        self._script.append(_Scripted(verb, resource, fault, times))

    def heal(self) -> None:
        """Nothing is spoiled any more; what hangs goes on hanging."""
        self._script.clear()

    def asked(self, verb: str, resource: str) -> list[Logged]:
        """The requests of a kind so far."""
        return [
            each
            for each in self.log
            if (each.asked.verb, each.asked.rbac_resource) == (verb, resource)
        ]

    def _fault_of(self, asked: ApiRequest) -> Fault | None:
        for each in self._script:
            if (each.verb, each.resource) == (asked.verb, asked.rbac_resource) and each.times:
                each.times -= 1
                return each.fault
        return None

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        asked = parse(request.method, request.path, request.query)
        entry = Logged(asked, dict(request.query))
        self.log.append(entry)
        fault = self._fault_of(asked)
        match fault:
            case Answer(status, retry_after):
                entry.status = status
                headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
                body = status_of(ApiError(status, "Scripted", "scripted"))
                return web.json_response(body, status=status, headers=headers)
            case Hang():
                await asyncio.Event().wait()
            case Before(act):
                await act()
            case Slow(seconds):
                await asyncio.sleep(seconds)
        return await self._forward(request, entry, fault)

    async def _forward(
        self, request: web.Request, entry: Logged, fault: Fault | None
    ) -> web.StreamResponse:
        assert self._session is not None
        headers = {
            name: value
            for name, value in request.headers.items()
            if name in ("Authorization", "Content-Type", "Accept")
        }
        async with self._session.request(
            request.method,
            self.upstream + str(request.rel_url),
            headers=headers,
            data=await request.read(),
        ) as answer:
            entry.status = answer.status
            if entry.asked.verb == "watch" and answer.status == 200:
                return await self._pass_lines(request, answer, fault)
            body = await answer.read()
            if isinstance(fault, Lost):
                _break(request)
            kept = {k: v for k, v in answer.headers.items() if k in ("Content-Type", "Retry-After")}
            return web.Response(body=body, status=answer.status, headers=kept)

    async def _pass_lines(
        self, request: web.Request, answer: aiohttp.ClientResponse, fault: Fault | None
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        if isinstance(fault, GoneEvent):
            gone: Json = status_of(ApiError(410, "Expired", "too old resource version"))
            await response.write(json.dumps({"type": "ERROR", "object": gone}).encode() + b"\n")
            return response
        passed = 0
        while True:
            if isinstance(fault, End) and passed >= fault.after_lines:
                return response
            if isinstance(fault, Stall) and passed >= fault.after_lines:
                await asyncio.Event().wait()
            line = await answer.content.readline()
            if not line:
                return response
            if isinstance(fault, Cut) and passed >= fault.after_lines:
                await response.write(line[: len(line) // 2])
                _break(request)
                return response
            await response.write(line)
            passed += 1


def _break(request: web.Request) -> None:
    assert request.transport is not None
    request.transport.abort()
