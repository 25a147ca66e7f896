"""POSTs JSON to the host product's backend, signed as the Standard Webhooks say.

    webhook-id          names what is said; the same when it is said again
    webhook-timestamp   Unix seconds of this attempt
    webhook-signature   "v1,<base64>" once for each secret, so that secrets can be rotated

Source: https://www.standardwebhooks.com. No redirects: where bodies go is for an operator to say.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import aiohttp
from standardwebhooks import Webhook

from whimbrel.core.errors import invalid, unavailable

MAX_ANSWER_BYTES = 4 * 1024 * 1024
"""An answer that is longer is garbage; it must not fill the memory of a pod."""


class WebhookAnswer(NamedTuple):
    """What came back, whatever its status."""

    status: int
    body: bytes
    retry_after: str


class WebhookClient:
    """One pool of connections that are kept alive; made by `open_webhook_client`."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        secrets: Sequence[str],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._session = session
        self._signers = [Webhook(secret) for secret in secrets]
        self._now = now

    async def post(
        self, url: str, webhook_id: str, content: str, *, timeout_seconds: float
    ) -> WebhookAnswer:
        """Say it, and wait for the whole answer. Raises UNAVAILABLE when there is none within
        the timeout (connecting included), or one of more than MAX_ANSWER_BYTES."""
        at = self._now()
        signatures = (signer.sign(webhook_id, at, content) for signer in self._signers)
        headers = {
            "content-type": "application/json",
            "webhook-id": webhook_id,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": " ".join(signatures),
        }
        try:
            async with self._session.post(
                url,
                data=content.encode(),
                headers=headers,
                timeout=aiohttp.ClientTimeout(total=timeout_seconds),
                allow_redirects=False,
            ) as response:
                body = bytearray()
                async for part in response.content.iter_any():
                    body += part
                    if len(body) > MAX_ANSWER_BYTES:
                        raise unavailable("the webhook's answer is too long")
                return WebhookAnswer(
                    response.status, bytes(body), response.headers.get("retry-after", "")
                )
        except TimeoutError:
            raise unavailable("the webhook did not answer in time") from None
        except aiohttp.ClientError as error:
            # The kind of error alone: its text may have the URL, and a URL may have a key.
            raise unavailable(f"the webhook was not reached: {type(error).__name__}") from None


@asynccontextmanager
async def open_webhook_client(
    secrets_file: Path, *, max_connections: int
) -> AsyncIterator[WebhookClient]:
    """A client with the secrets of the file, one a line ("whsec_<base64>"), the newest first.
    Raises INVALID_ARGUMENT when there is none, or one that is not base64."""
    connector = aiohttp.TCPConnector(limit=max_connections)
    async with aiohttp.ClientSession(
        connector=connector, cookie_jar=aiohttp.DummyCookieJar()
    ) as session:
        yield WebhookClient(session, read_secrets(secrets_file))


def read_secrets(path: Path) -> list[str]:
    """The secrets of the file. Raises INVALID_ARGUMENT; never says what is in it."""
    lines = path.read_text().splitlines()
    secrets = [line.strip() for line in lines if line.strip()]
    if not secrets:
        raise invalid(f"{path} has no webhook secret")
    for number, secret in enumerate(secrets, 1):
        try:
            Webhook(secret)
        except (ValueError, RuntimeError):
            raise invalid(f"secret {number} of {path} is not whsec_<base64>") from None
    return secrets
