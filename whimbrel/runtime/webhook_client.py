"""POSTs signed JSON to the host product's backend, of which an operator has said where it is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from whimbrel.core.errors import unavailable
from whimbrel.runtime.http_answer import CrowdedError, ForbiddenUrlError, HttpAnswer, NoAnswerError

if TYPE_CHECKING:
    from whimbrel.runtime.outbound_http import OutboundHttp
    from whimbrel.runtime.webhook_signing import WebhookSigner


class WebhookClient:
    """One pool of connections that are kept alive; made by `open_webhook_client`."""

    def __init__(
        self,
        http: OutboundHttp,
        signer: WebhookSigner,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._http = http
        self._now = now
        self.signer = signer

    async def post(
        self,
        url: str,
        webhook_id: str,
        content: str,
        *,
        timeout_seconds: float,
        max_answer_bytes: int = 0,
    ) -> HttpAnswer:
        """Say it, and wait for the whole answer, of which so many bytes are of interest. Raises
        UNAVAILABLE when there is none within the timeout, connecting included."""
        try:
            return await self._http.post(
                url,
                self.signer.headers(webhook_id, self._now(), content),
                content.encode(),
                timeout_seconds=timeout_seconds,
                max_answer_bytes=max_answer_bytes,
            )
        # The kind of error alone: its text may have the URL, and a URL may have a key.
        except NoAnswerError as error:
            if str(error) == TimeoutError.__name__:
                raise unavailable("the webhook did not answer in time") from None
            raise unavailable(f"the webhook was not reached: {error}") from None
        except ForbiddenUrlError as error:
            raise unavailable(f"the webhook's URL cannot be used: {error}") from None
        except CrowdedError:
            raise unavailable("too many requests are on their way to the webhook") from None


@asynccontextmanager
async def open_webhook_client(
    secrets_file: Path, *, max_connections: int
) -> AsyncIterator[WebhookClient]:
    """A client with the secrets of the file. Raises INVALID_ARGUMENT when there is none, or one
    that cannot be used."""
    # Imported by those that have somebody to call: an HTTP client weighs on everybody's start.
    from whimbrel.runtime.outbound_http import OutboundHttp  # noqa: PLC0415
    from whimbrel.runtime.webhook_signing import WebhookSigner, read_secrets  # noqa: PLC0415

    signer = WebhookSigner(read_secrets(secrets_file))
    http = OutboundHttp(
        allows_private_networks=True,  # no user has a say in where it is
        max_connections=max_connections,
        max_per_host=max_connections,
    )
    try:
        yield WebhookClient(http, signer)
    finally:
        await http.close()
