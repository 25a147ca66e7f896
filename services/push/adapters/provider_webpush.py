"""Browsers: an encrypted message to the push service that the subscription names.

The token of such a device is its subscription as the browser gives it, in JSON: `endpoint`, and
`keys` with `p256dh` and `auth`. Sources: RFC 8030, RFC 8291 (encryption), RFC 8292 (VAPID).
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlsplit

from py_vapid import Vapid02, VapidException
from pywebpush import WebPusher, WebPushException

from services.push.domain.http_answers import webpush_outcome
from services.push.domain.notification import Notification
from services.push.domain.outcomes import Outcome, Result
from services.push.domain.retry_after import retry_after_seconds
from whimbrel.runtime.http_answer import CrowdedError, ForbiddenUrlError, NoAnswerError
from whimbrel.runtime.outbound_http import OutboundHttp

SIGNED_SECONDS: Final = 12 * 3600
"""A push service takes at most 24 hours."""
REUSE_SECONDS: Final = SIGNED_SECONDS / 2
MAX_ORIGINS: Final = 1000


class WebPushProvider:
    """The port Provider."""

    def __init__(
        self, vapid: Any, contact: str, http: OutboundHttp, *, wall_clock: Callable[[], float]
    ) -> None:
        """`vapid`: as `read_vapid` gives it. `contact`: mailto: or https:."""
        self._vapid = vapid
        self._contact = contact
        self._http = http
        self._wall_clock = wall_clock
        self._signed: dict[str, tuple[float, str]] = {}

    async def send(self, notification: Notification) -> Outcome:
        try:
            subscription = json.loads(notification.token)
            endpoint = str(subscription["endpoint"])
            body = WebPusher(subscription).encode(webpush_message(notification))["body"]
        # Whatever is wrong with a subscription (its keys are no point of the curve, ...), it was
        # wrong when it was stored.
        except (ValueError, TypeError, LookupError, AttributeError, WebPushException):
            return Outcome(Result.DEAD_TOKEN, "no subscription")
        wake = notification.wake
        now = self._wall_clock()
        try:
            self._http.check(endpoint)
            answer = await self._http.post(
                endpoint,
                {
                    "authorization": self._authorization(endpoint, now),
                    "content-encoding": "aes128gcm",
                    "content-type": "application/octet-stream",
                    "ttl": str(max(0, round(notification.expires_at - now))),
                    "urgency": "low" if notification.is_silent else "high",
                    "topic": topic(wake.conversation),
                },
                body,
            )
        except ForbiddenUrlError as error:
            return Outcome(Result.DEAD_TOKEN, f"endpoint: {error}")
        except VapidException:  # it signs for names and IPv4 alone
            return Outcome(Result.DEAD_TOKEN, "endpoint: it has no origin to sign for")
        except CrowdedError:
            return Outcome(Result.RETRY, "too many to this host")
        except NoAnswerError as error:
            return Outcome(Result.RETRY, f"no answer: {error}")
        return webpush_outcome(
            answer.status, retry_after_seconds(answer.headers.get("retry-after"), now)
        )

    def _authorization(self, endpoint: str, now: float) -> str:
        parts = urlsplit(endpoint)
        origin = f"{parts.scheme}://{parts.netloc}"
        signed_at, header = self._signed.get(origin, (0.0, ""))
        if not header or not 0 <= now - signed_at < REUSE_SECONDS:
            claims = {"sub": self._contact, "aud": origin, "exp": int(now) + SIGNED_SECONDS}
            header = str(self._vapid.sign(claims)["Authorization"])
            if len(self._signed) >= MAX_ORIGINS:
                self._signed.clear()
            self._signed[origin] = now, header
        return header


def read_vapid(pem: bytes) -> Any:
    """The key that signs. ValueError when it is none."""
    try:
        return Vapid02.from_pem(pem)
    except Exception as error:  # noqa: BLE001 - the library lets through whatever its own raise
        raise ValueError(
            f"the key for Web Push is no EC key in PEM ({type(error).__name__})"
        ) from None


def topic(conversation: str) -> str:
    """What collapses at the push service: at most 32 characters of base64url (RFC 8030, 5.4)."""
    digest = hashlib.sha256(conversation.encode()).digest()
    return base64.urlsafe_b64encode(digest).decode()[:32]


def webpush_message(notification: Notification) -> bytes:
    """What the page's service worker gets."""
    said = {
        "title": notification.title,
        "body": notification.text,
        "tag": notification.wake.conversation,
        "silent": notification.is_silent,
        "data": notification.data(),
    }
    return json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode()
