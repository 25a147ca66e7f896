"""What a request to a server outside comes to, and how its URL is shown.

Apart from the client, which only those pods load that have somebody to ask.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlsplit


class HttpAnswer(NamedTuple):
    """What came back, whatever its status."""

    status: int
    headers: Mapping[str, str]
    """Names in any case."""
    body: bytes
    is_cut: bool = False
    """There was more of it, which nobody has read."""


class ForbiddenUrlError(Exception):
    """No URL that we speak to, now or later."""


class NoAnswerError(Exception):
    """The server did not answer, or not in HTTP."""


class CrowdedError(Exception):
    """Too many requests to this host are on their way."""


def origin_of(url: str) -> str:
    """scheme://host:port of a URL, to be shown: what comes after it may be a secret."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}" if host else ""
