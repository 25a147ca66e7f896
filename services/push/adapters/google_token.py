"""Access tokens of a Google service account, by google-auth: signed, exchanged, renewed in time."""

from __future__ import annotations

import asyncio
import json
from typing import Any, Final

from google.auth.exceptions import GoogleAuthError
from google.auth.transport.requests import Request
from google.oauth2 import service_account

SCOPE: Final = "https://www.googleapis.com/auth/firebase.messaging"
EXCHANGE_SECONDS: Final = 5.0


class NoTokenError(Exception):
    """Google gives none; its text names no secret."""


class GoogleToken:
    """Exchanges in a thread, as the library blocks, and once for all who wait."""

    def __init__(self, document: bytes) -> None:
        """`document`: the service account's JSON. ValueError for what is none."""
        try:
            described = json.loads(document)
            self.project_id = str(described["project_id"])
            self._credentials: Any = service_account.Credentials.from_service_account_info(  # type: ignore[no-untyped-call]
                described, scopes=[SCOPE]
            )
        except (ValueError, KeyError, TypeError, GoogleAuthError):
            raise ValueError("the file for FCM is no service account's JSON") from None
        self._exchanging = asyncio.Lock()

    async def current(self) -> str:
        """One that holds. Raises NoTokenError."""
        if not self._credentials.valid:
            async with self._exchanging:
                if not self._credentials.valid:
                    await self._exchange()
        return str(self._credentials.token)

    def refused(self, token: str) -> None:
        """FCM does not take this one: the next one is new."""
        if token == self._credentials.token:
            self._credentials.token = None

    async def _exchange(self) -> None:
        request: Any = Request()

        def bounded(*arguments: Any, **named: Any) -> Any:
            return request(*arguments, **{**named, "timeout": EXCHANGE_SECONDS})

        try:
            await asyncio.to_thread(self._credentials.refresh, bounded)
        except (GoogleAuthError, OSError) as error:
            raise NoTokenError(type(error).__name__) from error
