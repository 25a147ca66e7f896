"""HTTP/1.1 to servers outside: providers of push, and the host product's backend.

URLs may come from users, so unless private networks are allowed only https: to addresses of the
public internet is spoken: the address is looked at where it is used, after the name was resolved.
Redirects are not followed, answers are cut off, and one host has a bounded share of the requests.
"""

from __future__ import annotations

import ipaddress
import socket
from collections import Counter
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import DefaultResolver

from whimbrel.runtime.http_answer import (
    CrowdedError,
    ForbiddenUrlError,
    HttpAnswer,
    NoAnswerError,
)

MAX_ANSWER_BYTES: Final = 16_384
CONNECT_SECONDS: Final = 5.0


class OutboundHttp:
    """A session with its bounds. Close it at the end."""

    def __init__(
        self,
        *,
        allows_private_networks: bool,
        timeout_seconds: float = 10.0,
        max_connections: int = 400,
        max_per_host: int = 100,
    ) -> None:
        """`timeout_seconds`: for one request that says none of its own, everything included."""
        self._allows_private_networks = allows_private_networks
        self._max_per_host = max_per_host
        self._timeout_seconds = timeout_seconds
        self._on_their_way: Counter[str] = Counter()
        resolver = DefaultResolver()
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=max_connections,
                limit_per_host=max_per_host,
                resolver=resolver if allows_private_networks else _PublicResolver(resolver),
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        )

    async def post(
        self,
        url: str,
        headers: Mapping[str, str],
        body: bytes,
        *,
        timeout_seconds: float | None = None,
        max_answer_bytes: int = MAX_ANSWER_BYTES,
    ) -> HttpAnswer:
        """Raises ForbiddenUrlError, CrowdedError, NoAnswerError."""
        host = self.check(url)
        if self._on_their_way[host] >= self._max_per_host:
            raise CrowdedError(host)
        self._on_their_way[host] += 1
        timeout = aiohttp.ClientTimeout(
            total=self._timeout_seconds if timeout_seconds is None else timeout_seconds,
            sock_connect=CONNECT_SECONDS,
        )
        try:
            async with self._session.post(
                url, headers=headers, data=body, allow_redirects=False, timeout=timeout
            ) as response:
                read, is_cut = await _read(response, max_answer_bytes)
                return HttpAnswer(response.status, response.headers, read, is_cut)
        except _ForbiddenAddressError as error:
            raise ForbiddenUrlError("its address is not public") from error
        except aiohttp.InvalidURL as error:
            raise ForbiddenUrlError("it is no URL") from error
        # ValueError: what aiohttp says of headers that are none.
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            if isinstance(error.__cause__, _ForbiddenAddressError):
                raise ForbiddenUrlError("its address is not public") from error
            # One name for what aiohttp has several for.
            late = isinstance(error, TimeoutError)
            raise NoAnswerError("TimeoutError" if late else type(error).__name__) from error
        finally:
            self._on_their_way[host] -= 1
            if not self._on_their_way[host]:
                del self._on_their_way[host]

    async def close(self) -> None:
        """End its connections."""
        await self._session.close()

    def check(self, url: str) -> str:
        """The host of a URL that may be spoken to, as far as its text says. Raises
        ForbiddenUrlError."""
        try:
            parts = urlsplit(url)
            host = parts.hostname or ""
            _ = parts.port
        except ValueError:
            raise ForbiddenUrlError("it is no URL") from None
        if parts.scheme not in ("https", "http") or not host or parts.username is not None:
            raise ForbiddenUrlError("it is no URL of a server")
        if not self._allows_private_networks:
            if parts.scheme != "https":
                raise ForbiddenUrlError("it must be https:")
            # A literal address is never resolved, so it is looked at here.
            if _is_address(host) and not _is_public(host):
                raise ForbiddenUrlError("its address is not public")
        return host


class _ForbiddenAddressError(OSError):
    """A name that stands for an address which is not public."""


class _PublicResolver(AbstractResolver):
    """Answers public addresses only: what is connected to is what was looked at."""

    def __init__(self, resolver: AbstractResolver) -> None:
        self._resolver = resolver

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family)
        public = [one for one in found if _is_public(one["host"])]
        if found and not public:
            raise _ForbiddenAddressError(f"{host} is not public")
        return public

    async def close(self) -> None:
        await self._resolver.close()


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        # Other forms of an address ("0x7f.1", "2130706433") are names to the resolver.
        return False
    return True


def _is_public(host: str) -> bool:
    address = ipaddress.ip_address(host.partition("%")[0])
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_global and not address.is_multicast


async def _read(response: aiohttp.ClientResponse, max_bytes: int) -> tuple[bytes, bool]:
    """So much of the body, and whether there was more."""
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > max_bytes:
            response.close()
            return bytes(body[:max_bytes]), True
    return bytes(body), False
