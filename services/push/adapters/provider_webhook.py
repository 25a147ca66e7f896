"""A server of the application's own, which wakes its devices in ways that nobody here knows.

The token of such a device is a URL. Each request is signed as Standard Webhooks has it
(webhook-id, webhook-timestamp, webhook-signature); its id is the same when it is tried again.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from services.push.domain.http_answers import webhook_outcome
from services.push.domain.notification import Notification
from services.push.domain.outcomes import Outcome, Result
from services.push.domain.retry_after import retry_after_seconds
from whimbrel.runtime.http_answer import CrowdedError, ForbiddenUrlError, NoAnswerError
from whimbrel.runtime.outbound_http import OutboundHttp
from whimbrel.runtime.webhook_signing import WebhookSigner


class WebhookProvider:
    """The port Provider."""

    def __init__(self, secret: str, http: OutboundHttp, *, wall_clock: Callable[[], float]) -> None:
        """`secret`: base64, with or without "whsec_". ValueError when it is not."""
        try:
            self._signer = WebhookSigner([secret])
        except ValueError as error:
            raise ValueError(f"the secret of webhooks {error}") from None
        self._http = http
        self._wall_clock = wall_clock

    async def send(self, notification: Notification) -> Outcome:
        now = self._wall_clock()
        body = webhook_event(notification, now)
        at = datetime.fromtimestamp(int(now), UTC)
        try:
            answer = await self._http.post(
                notification.token,
                self._signer.headers(notification.notification_id, at, body),
                body.encode(),
            )
        except ForbiddenUrlError as error:
            return Outcome(Result.DEAD_TOKEN, f"url: {error}")
        except CrowdedError:
            return Outcome(Result.RETRY, "too many to this host")
        except NoAnswerError as error:
            return Outcome(Result.RETRY, f"no answer: {error}")
        return webhook_outcome(
            answer.status, retry_after_seconds(answer.headers.get("retry-after"), now)
        )


def webhook_event(notification: Notification, now: float) -> str:
    """The event as JSON. 64-bit ids are strings."""
    wake = notification.wake
    data: dict[str, Any] = {
        "user_id": wake.user,
        "device_id": wake.device,
        "platform": notification.platform,
        "title": notification.title,
        "text": notification.text,
        "silent": notification.is_silent,
        "expires_at": notification.expires_at,
        **notification.data(),
        "badge": notification.badge,
        "unread": notification.unread,
    }
    at = datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds")
    said = {"type": "message.waiting", "timestamp": at.replace("+00:00", "Z"), "data": data}
    return json.dumps(said, ensure_ascii=False, separators=(",", ":"))
