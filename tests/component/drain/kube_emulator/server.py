"""The emulator: an API server as far as a controller sees it, on a free port.

It answers what the controller's adapters ask and what tests need to arrange a world, and holds
to the real one's rules there: versions, conflicts, watches with bookmarks and 410, grace, scale,
evictions, leases. There is no admission, no validation, no RBAC, and no controller behind it.
The suite runs on a real kube-apiserver too, which is what keeps this honest.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from tests.component.drain.kube_emulator import subresources
from tests.component.drain.kube_emulator.objects import ApiError, Json, Kind, ObjectStore, merge
from tests.component.drain.kube_emulator.requests import ApiRequest, parse
from tests.component.drain.kube_emulator.selecting import matches, parse_selector


class KubeEmulator:
    """`bookmark_seconds` is how often a quiet watch is told the version (the real one: 60)."""

    def __init__(
        self, *, bookmark_seconds: float = 60.0, clock: Callable[[], float] = time.time
    ) -> None:
        self.store = ObjectStore(clock)
        self.url = ""
        self._bookmark_seconds = bookmark_seconds

    @asynccontextmanager
    async def running(self) -> AsyncIterator[KubeEmulator]:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        async with serving(app) as url:
            self.url = url
            yield self

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        try:
            asked = parse(request.method, request.path, request.query)
            if asked.verb == "watch":
                return await self._watch(request, asked)
            body = await request.json() if request.can_read_body else {}
            status = 201 if asked.verb == "create" else 200
            return web.json_response(await self._call(request, asked, body), status=status)
        except ApiError as error:
            return _refused(error)
        except ValueError as error:
            return _refused(ApiError(404, "NotFound", str(error)))

    async def _call(self, request: web.Request, asked: ApiRequest, body: Json) -> Json:
        kind, name, store = _kind(asked), asked.name, self.store
        match asked.verb, asked.subresource:
            case "list", "":
                labels = parse_selector(request.query.get("labelSelector", ""))
                return {
                    "kind": "List",
                    "metadata": {"resourceVersion": str(store.version)},
                    "items": [each for each in store.all_of(kind) if matches(each, labels)],
                }
            case "get", "":
                return store.get(kind, name)
            case "create", "":
                return await store.create(kind, body)
            case "create", "eviction":
                return await subresources.evict(store, kind, name)
            case "update", "":
                return await store.replace(kind, name, body)
            case "patch", "":
                return await store.replace(kind, name, merge(store.get(kind, name), body))
            case "patch", "scale":
                return await subresources.patch_scale(store, kind, name, body)
            case "patch", "status":
                return await subresources.patch_status(store, kind, name, body)
            case "delete", "":
                return await store.delete(kind, name, body.get("gracePeriodSeconds"))
        raise ApiError(405, "MethodNotAllowed", f"{asked.verb} {asked.rbac_resource}")

    async def _watch(self, request: web.Request, asked: ApiRequest) -> web.StreamResponse:
        version = int(request.query.get("resourceVersion") or self.store.version)
        if version < self.store.oldest:
            raise ApiError(410, "Expired", f"too old resource version: {version}")
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        labels = parse_selector(request.query.get("labelSelector", ""))
        try:
            async with asyncio.timeout(float(request.query.get("timeoutSeconds", "1800"))):
                await self._stream(response, _kind(asked), labels, version)
        except TimeoutError:
            pass
        return response

    async def _stream(
        self, response: web.StreamResponse, kind: Kind, labels: dict[str, str], version: int
    ) -> None:
        while True:
            if version < self.store.oldest:
                gone = ApiError(410, "Expired", f"too old resource version: {version}")
                return await _write(response, "ERROR", status_of(gone))
            for event in self.store.events(kind, version):
                version = event.version
                now, before = matches(event.item, labels), matches(event.before, labels)
                if event.type == "DELETED" or not now:
                    if before:
                        await _write(response, "DELETED", event.item)
                elif now:
                    await _write(response, "MODIFIED" if before else "ADDED", event.item)
            version = max(version, self.store.version)
            try:
                async with asyncio.timeout(self._bookmark_seconds):
                    await self.store.wait_beyond(version)
            except TimeoutError:
                await _write(response, "BOOKMARK", {"metadata": {"resourceVersion": str(version)}})


@asynccontextmanager
async def serving(app: web.Application) -> AsyncIterator[str]:
    """Its URL, on a free port. A handler ends when its client has gone."""
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def status_of(error: ApiError) -> Json:
    """The object of kind Status that says so."""
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "reason": error.reason,
        "message": error.message,
        "code": error.status,
    }


async def _write(response: web.StreamResponse, kind: str, item: Json) -> None:
    await response.write(json.dumps({"type": kind, "object": item}).encode() + b"\n")


def _refused(error: ApiError) -> web.Response:
    headers = {"Retry-After": str(error.retry_after)} if error.retry_after else {}
    return web.json_response(status_of(error), status=error.status, headers=headers)


def _kind(asked: ApiRequest) -> Kind:
    return Kind(asked.api_group, asked.resource, asked.namespace)
