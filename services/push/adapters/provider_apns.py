"""Apple's push service: HTTP/2 with TLS, one connection, many notifications at once.

Source: Apple, "Sending notification requests to APNs", "Generating a remote notification".
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import ssl
from collections.abc import Callable
from typing import Any, Final

from hpack import HeaderTuple, NeverIndexedHeaderTuple

from services.push.adapters.apns_token import ApnsToken
from services.push.adapters.http2_connection import ConnectionEndedError, Http2Connection
from services.push.domain.apns_answers import EXPIRED_PROVIDER_TOKEN, apns_outcome
from services.push.domain.notification import Notification
from services.push.domain.outcomes import Outcome, Result
from whimbrel.runtime.logs import get_logger

_log = get_logger(__name__)

MAX_COLLAPSE_BYTES: Final = 64
_TOKEN: Final = re.compile(r"[0-9A-Fa-f]{1,200}")


class ApnsProvider:
    """The port Provider. Close it at the end."""

    def __init__(
        self,
        host: str,
        port: int,
        topic: str,
        token: Callable[[], ApnsToken],
        tls: ssl.SSLContext,
        *,
        connect_timeout_seconds: float = 5.0,
    ) -> None:
        """`topic`: the bundle id of the application. `token`: what signs now; a key may be
        replaced by another one while the connection stays."""
        self._host = host
        self._port = port
        self._topic = topic
        self._token = token
        self._tls = tls
        self._connect_timeout_seconds = connect_timeout_seconds
        self._connection: Http2Connection | None = None
        self._opening = asyncio.Lock()

    async def send(self, notification: Notification) -> Outcome:
        if not _TOKEN.fullmatch(notification.token):
            return Outcome(Result.DEAD_TOKEN, "BadDeviceToken")  # and no part of a path
        try:
            connection = await self._open()
        except (OSError, ssl.SSLError, TimeoutError) as error:
            return Outcome(Result.UNAVAILABLE, f"no connection: {type(error).__name__}")
        started = asyncio.get_running_loop().time()
        signer = self._token()
        token = signer.current()
        try:
            answer = await connection.request(
                self._headers(notification, token), apns_payload(notification)
            )
        except ConnectionEndedError as error:
            return Outcome(Result.RETRY, str(error), suffers=True)
        except asyncio.CancelledError:
            # Nothing at all was heard since: the connection may be dead without a word.
            if connection.last_heard < started:
                connection.abort()
            raise
        outcome = apns_outcome(answer.status, _reason(answer.body))
        if outcome.reason == EXPIRED_PROVIDER_TOKEN:
            signer.refused(token)
        return outcome

    async def close(self) -> None:
        """Say goodbye."""
        if self._connection is not None:
            await self._connection.close()

    async def _open(self) -> Http2Connection:
        async with self._opening:
            if self._connection is None or not self._connection.is_usable:
                async with asyncio.timeout(self._connect_timeout_seconds):
                    transport, connection = await asyncio.get_running_loop().create_connection(
                        Http2Connection,
                        self._host,
                        self._port,
                        ssl=self._tls,
                        server_hostname=self._host,
                    )
                session = transport.get_extra_info("ssl_object")
                if session.selected_alpn_protocol() != "h2":
                    transport.abort()
                    raise ConnectionRefusedError("the server does not speak HTTP/2")
                self._connection = connection
                _log.info("apns_connected", host=self._host)
            return self._connection

    def _headers(self, notification: Notification, token: str) -> list[HeaderTuple]:
        # What is the same each time is remembered by the connection and costs a byte; what is
        # not would only push that out.
        return [
            HeaderTuple(b":method", b"POST"),
            HeaderTuple(b":scheme", b"https"),
            NeverIndexedHeaderTuple(b":path", f"/3/device/{notification.token}".encode()),
            HeaderTuple(b":authority", self._host.encode()),
            HeaderTuple(b"authorization", f"bearer {token}".encode()),
            HeaderTuple(b"apns-topic", self._topic.encode()),
            HeaderTuple(b"apns-push-type", b"alert"),
            HeaderTuple(b"apns-priority", b"5" if notification.is_silent else b"10"),
            NeverIndexedHeaderTuple(b"apns-id", notification.notification_id.encode()),
            NeverIndexedHeaderTuple(b"apns-expiration", str(notification.expires_at).encode()),
            NeverIndexedHeaderTuple(
                b"apns-collapse-id", collapse_id(notification.wake.conversation).encode()
            ),
        ]


def collapse_id(conversation: str) -> str:
    """The conversation; a hash of it where that is too long."""
    if len(conversation) <= MAX_COLLAPSE_BYTES:
        return conversation
    return hashlib.sha256(conversation.encode()).hexdigest()


def apns_payload(notification: Notification) -> bytes:
    """The body of the request: the alert, and what the application needs to fetch the message."""
    aps: dict[str, Any] = {
        "alert": {"title": notification.title, "body": notification.text},
        "thread-id": notification.wake.conversation,
        "mutable-content": 1,
        "interruption-level": "passive" if notification.is_silent else "active",
    }
    if notification.badge is not None:
        aps["badge"] = notification.badge
    if not notification.is_silent:
        aps["sound"] = "default"
    said = {"aps": aps, "whimbrel": notification.data()}
    return json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode()


def _reason(body: bytes) -> str:
    """Why it was not taken; empty when the body is nonsense."""
    try:
        said = json.loads(body) if body else {}
    except ValueError:
        return ""
    reason = said.get("reason") if isinstance(said, dict) else None
    return reason[:60] if isinstance(reason, str) else ""
