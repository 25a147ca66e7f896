"""Jaeger's query API over HTTP, as far as `whimbrel trace` asks it. For this machine alone."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import parse_qs

from whimbrel.local.traces.store import TraceStore
from whimbrel.runtime.http_server import Receive, Scope, Send

_TRACES: Final = "/api/traces"
_SERVICES: Final = "/api/services"
_MOST: Final = 1_500


class QueryApp:
    """The application, as ASGI has it."""

    def __init__(self, store: TraceStore) -> None:
        self._store = store

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        query = parse_qs(scope["query_string"].decode("latin-1"))
        status, answer = self._answer(scope["method"], scope["path"], query)
        body = json.dumps(answer).encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
        ]
        await send({"type": "http.response.start", "status": status.value, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _answer(
        self, method: str, path: str, query: dict[str, list[str]]
    ) -> tuple[HTTPStatus, dict[str, Any]]:
        if method != "GET":
            return _error(HTTPStatus.METHOD_NOT_ALLOWED, "only GET is answered here")
        if path == _SERVICES:
            return _data(self._store.services())
        if path == _TRACES:
            return self._search(query)
        if path.startswith(f"{_TRACES}/"):
            found = self._store.find(path.removeprefix(f"{_TRACES}/"))
            if found is None:
                return _error(HTTPStatus.NOT_FOUND, "trace not found")
            return _data([found])
        return _error(HTTPStatus.NOT_FOUND, f"{path} is not there; {_TRACES} and {_SERVICES} are")

    def _search(self, query: dict[str, list[str]]) -> tuple[HTTPStatus, dict[str, Any]]:
        try:
            tags = json.loads(query.get("tags", ["{}"])[0])
            limit = int(query.get("limit", ["20"])[0])
        except ValueError:
            tags, limit = None, 0
        if not isinstance(tags, dict) or not 1 <= limit <= _MOST:
            detail = f"tags must be a JSON object, and limit from 1 to {_MOST}"
            return _error(HTTPStatus.BAD_REQUEST, detail)
        wanted = {str(key): str(value) for key, value in tags.items()}
        return _data(self._store.search(query.get("service", [""])[0], wanted, limit))


def _data(found: list[Any]) -> tuple[HTTPStatus, dict[str, Any]]:
    return HTTPStatus.OK, {"data": found, "total": len(found), "errors": None}


def _error(status: HTTPStatus, detail: str) -> tuple[HTTPStatus, dict[str, Any]]:
    return status, {"data": None, "errors": [{"code": status.value, "msg": detail}]}
