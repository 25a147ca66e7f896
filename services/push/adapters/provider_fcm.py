"""Firebase Cloud Messaging, HTTP v1, with the token of a service account.

Source: Google, "Send messages with the FCM HTTP v1 API", reference of projects.messages.
"""

from __future__ import annotations

import json
import time
from typing import Any

from services.push.adapters.google_token import GoogleToken, NoTokenError
from services.push.domain.fcm_answers import UNAUTHENTICATED, fcm_outcome, read_fcm_error
from services.push.domain.notification import Notification
from services.push.domain.outcomes import Outcome, Result
from services.push.domain.retry_after import retry_after_seconds
from whimbrel.runtime.http_answer import NoAnswerError
from whimbrel.runtime.outbound_http import OutboundHttp


class FcmProvider:
    """The port Provider."""

    def __init__(self, url: str, token: GoogleToken, http: OutboundHttp) -> None:
        """`url`: scheme and host of FCM."""
        self._url = f"{url.rstrip('/')}/v1/projects/{token.project_id}/messages:send"
        self._token = token
        self._http = http

    async def send(self, notification: Notification) -> Outcome:
        try:
            token = await self._token.current()
        except NoTokenError as error:
            return Outcome(Result.UNAVAILABLE, f"no access token: {error}")
        try:
            answer = await self._http.post(
                self._url,
                {"authorization": f"Bearer {token}", "content-type": "application/json"},
                fcm_message(notification),
            )
        except NoAnswerError as error:
            return Outcome(Result.RETRY, f"no answer: {error}", suffers=True)
        said = read_fcm_error(answer.body)
        if said.code == UNAUTHENTICATED:
            self._token.refused(token)
        return fcm_outcome(
            answer.status,
            said,
            retry_after_seconds(answer.headers.get("retry-after"), time.time()),
        )


def fcm_message(notification: Notification) -> bytes:
    """The body of the request."""
    wake = notification.wake
    shown: dict[str, Any] = {
        "tag": wake.conversation,
        "default_sound": not notification.is_silent,
        "notification_priority": "PRIORITY_LOW" if notification.is_silent else "PRIORITY_HIGH",
    }
    if notification.badge is not None:
        shown["notification_count"] = notification.badge
    left = max(0, notification.expires_at - wake.since_ms // 1000)
    message = {
        "token": notification.token,
        "notification": {"title": notification.title, "body": notification.text},
        "data": notification.data(),
        "android": {
            "collapse_key": wake.conversation,
            "priority": "NORMAL" if notification.is_silent else "HIGH",
            "ttl": f"{left}s",
            "notification": shown,
        },
    }
    return json.dumps({"message": message}, ensure_ascii=False, separators=(",", ":")).encode()
