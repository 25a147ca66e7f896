"""Calls of the Kubernetes API: paths and JSON in, JSON or WhimbrelError out.

The official client gives credentials, TLS and connections; its generated models are left aside,
since they check every field of objects that carry some two hundred and of which we read ten. Its
retries stay off, so that each caller sees each failure and decides.

Every call has a deadline of ours: the API's `timeoutSeconds` is the server's, and a server that
hangs does not look at it.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping
from typing import Any, Final

import aiohttp
from kubernetes.aio.client import ApiClient

from whimbrel.core.errors import ErrorCode, WhimbrelError, unavailable

Json = dict[str, Any]

_JSON: Final = "application/json"
_MERGE_PATCH: Final = "application/merge-patch+json"

_RETRY_SECONDS: Final = 1.0
_FORBIDDEN_RETRY_SECONDS: Final = 30.0
"""Somebody has to grant a Role first."""

_READING: Final = "GET"
_REFUSED: Final = {400, 405, 413, 415, 422}
_BROKEN: Final = (aiohttp.ClientError, TimeoutError, OSError, ValueError)
"""What the transport raises; ValueError is a line or a body that is not what it should be."""


class KubernetesError(WhimbrelError):
    """The API server's answer when it is no. `status` is that of HTTP."""

    def __init__(self, status: int, message: str, retry_after_seconds: float | None) -> None:
        code, default_retry = _meaning(status)
        super().__init__(
            code,
            f"Kubernetes answered {status}: {message}",
            retry_after_seconds=default_retry
            if retry_after_seconds is None
            else retry_after_seconds,
        )
        self.status = status
        self.asked_seconds = retry_after_seconds
        """What Retry-After said; None when it was not there."""

    @property
    def is_conflict(self) -> bool:
        """Somebody changed the object since it was read."""
        return self.status == 409

    @property
    def is_gone(self) -> bool:
        """What was asked for is older than what the server remembers: list again."""
        return self.status == 410

    @property
    def is_missing(self) -> bool:
        """There is no such object."""
        return self.status == 404


class KubernetesCalls:
    """One connection pool. `timeout_seconds` is for a whole call, and for connecting a watch."""

    def __init__(self, client: ApiClient, *, timeout_seconds: float) -> None:
        self._client = client
        self._timeout_seconds = timeout_seconds

    async def get(self, path: str, **query: str) -> Json:
        """One object, or a list."""
        return await self._call("GET", path, query)

    async def create(self, path: str, body: Json) -> Json:
        """A new object, as the server has it then."""
        return await self._call("POST", path, {}, body)

    async def update(self, path: str, body: Json) -> Json:
        """Replaces an object; a 409 if it is no longer the one whose resourceVersion is in it."""
        return await self._call("PUT", path, {}, body)

    async def patch(self, path: str, body: Json) -> Json:
        """Merges into an object (RFC 7386). A resourceVersion in it has to be the present one."""
        return await self._call("PATCH", path, {}, body, _MERGE_PATCH)

    async def lines(
        self, path: str, query: Mapping[str, str], *, silence_seconds: float
    ) -> AsyncGenerator[bytes, None]:
        """The lines of a watch, until the server ends it or says nothing for `silence_seconds`.

        Both are ends, not errors: the caller goes on from where it was. A refusal and a connection
        that breaks are errors; the last line may be half a one. Close the iterator (`aclosing`).
        """
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=self._timeout_seconds, sock_read=silence_seconds
        )
        try:
            response = await self._send("GET", path, query, None, _JSON, timeout)
        except _BROKEN as error:
            raise _unreachable("GET", path, error) from error
        try:
            if response.status != 200:
                raise _refusal(response.status, response.headers, await response.read())
            while line := await response.content.readline():
                yield line
        except aiohttp.SocketTimeoutError:
            return
        except _BROKEN as error:
            raise _unreachable("GET", path, error) from error
        finally:
            response.close()

    async def _call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Json | None = None,
        content_type: str = _JSON,
    ) -> Json:
        timeout = aiohttp.ClientTimeout(total=self._timeout_seconds)
        try:
            response = await self._send(method, path, query, body, content_type, timeout)
            try:
                data = await response.read()
            finally:
                response.release()
            if 200 <= response.status < 300:
                answer: Json = json.loads(data)
                return answer
        except _BROKEN as error:
            raise _unreachable(method, path, error) from error
        raise _refusal(response.status, response.headers, data)

    async def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Json | None,
        content_type: str,
        timeout: aiohttp.ClientTimeout,
    ) -> aiohttp.ClientResponse:
        request = await self._client.param_serialize(
            method,
            path,
            query_params=list(query.items()),
            header_params={"Accept": _JSON, "Content-Type": content_type},
            body=body,
            auth_settings=["BearerToken"],
        )
        answer = await self._client.call_api(*request, _request_timeout=timeout)
        response: aiohttp.ClientResponse = answer.response
        return response


def refusal_of(status: Json) -> KubernetesError:
    """The refusal in an object of kind Status, which is how a watch tells errors."""
    code = status.get("code")
    return KubernetesError(
        code if isinstance(code, int) else 500, str(status.get("message", "no message")), None
    )


def _refusal(status: int, headers: Mapping[str, str], data: bytes) -> KubernetesError:
    try:
        message = str(json.loads(data)["message"])
    except (ValueError, KeyError, TypeError):
        message = "no message"
    return KubernetesError(status, message, _retry_after(headers))


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds; the form with a date, which the API server does not use, counts as none."""
    value = headers.get("Retry-After", "")
    return float(value) if value.isdecimal() else None


def _meaning(status: int) -> tuple[ErrorCode, float | None]:
    if status == 404:
        return ErrorCode.NOT_FOUND, None
    if status in _REFUSED:
        return ErrorCode.INVALID_ARGUMENT, None
    if status == 403:
        return ErrorCode.PERMISSION_DENIED, _FORBIDDEN_RETRY_SECONDS
    # A token that has just run out is renewed in its file.
    return ErrorCode.UNAVAILABLE, _FORBIDDEN_RETRY_SECONDS if status == 401 else _RETRY_SECONDS


def _unreachable(method: str, path: str, error: Exception) -> WhimbrelError:
    return unavailable(
        f"Kubernetes did not answer {method} {path}: {error or type(error).__name__}",
        retry_after_seconds=_RETRY_SECONDS,
        outcome_unknown=method != _READING,
    )
