"""Where a client's token comes from, and what can be read from it without trusting it."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Awaitable, Callable
from inspect import isawaitable

Token = str | Callable[[], str | Awaitable[str]]
"""A token, or something that gives a fresh one for each attempt."""


class TokenSource:
    """Gives a token for each attempt."""

    def __init__(self, token: Token) -> None:
        self._token = token
        self._last: str | None = None

    async def current(self) -> str:
        """The token of now. What the caller's function raises goes through."""
        if isinstance(self._token, str):
            return self._token
        given = self._token()
        return await given if isawaitable(given) else given

    async def next(self) -> str:
        """The token for the next stream."""
        self._last = await self.current()
        return self._last

    async def has_another(self) -> bool:
        """Whether there is a token now that differs from that of the last stream, which was
        refused."""
        return not isinstance(self._token, str) and await self.current() != self._last


def claimed_user(token: str) -> str | None:
    """The `sub` of a JWT, not verified; None when it cannot be read.

    Good for one thing: not to present a stored cursor under the wrong name.
    """
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (binascii.Error, ValueError):
        return None
    subject = claims.get("sub") if isinstance(claims, dict) else None
    return subject if isinstance(subject, str) else None
