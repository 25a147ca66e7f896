"""The providers of a push pod: made from its settings, with the keys in their files.

A key that cannot be read ends the start, with a line that says which.
"""

from __future__ import annotations

import ssl
import time
from contextlib import AsyncExitStack

from services.push.adapters.apns_token import ApnsToken
from services.push.adapters.google_token import GoogleToken
from services.push.adapters.provider_apns import ApnsProvider
from services.push.adapters.provider_console import ConsoleProvider
from services.push.adapters.provider_fcm import FcmProvider
from services.push.adapters.provider_webhook import WebhookProvider
from services.push.adapters.provider_webpush import WebPushProvider, read_vapid
from services.push.provider_settings import ApnsSettings
from services.push.settings import PushSettings
from services.push.wake_ports import Provider
from whimbrel.runtime.outbound_http import OutboundHttp

_WITHIN = 0.8
"""Of the time that a notification has, what a single HTTP request may take: so that a server that
hangs is the trouble of its device and not of its lane."""


async def open_providers(settings: PushSettings, stack: AsyncExitStack) -> dict[str, Provider]:
    """Those that are configured, by name; the stack closes them. Raises OSError and ValueError
    for keys that are none."""
    providers: dict[str, Provider] = {}
    if settings.console:
        providers["console"] = ConsoleProvider()
    if settings.apns is not None:
        apns = _apns(settings.apns)
        stack.push_async_callback(apns.close)
        providers["apns"] = apns
    if settings.fcm is not None:
        token = GoogleToken(settings.fcm.service_account_file)
        # One host is all there is: it may have every connection.
        limit = settings.delivery.max_in_flight
        http = _http(settings, stack, allows_private_networks=True, max_per_host=limit)
        providers["fcm"] = FcmProvider(settings.fcm.url, token, http)
    if settings.webpush is not None:
        providers["webpush"] = WebPushProvider(
            read_vapid(settings.webpush.vapid_key_file.read_bytes()),
            settings.webpush.contact,
            _http(
                settings,
                stack,
                allows_private_networks=settings.webpush.allows_private_networks,
            ),
            wall_clock=time.time,
        )
    if settings.webhook is not None:
        providers["webhook"] = WebhookProvider(
            settings.webhook.secret_file.read_text().strip(),
            _http(
                settings,
                stack,
                allows_private_networks=settings.webhook.allows_private_networks,
            ),
            wall_clock=time.time,
        )
    return providers


def _apns(settings: ApnsSettings) -> ApnsProvider:
    tls = ssl.create_default_context(
        cafile=None if settings.ca_file is None else str(settings.ca_file)
    )
    tls.set_alpn_protocols(["h2"])
    token = ApnsToken(
        settings.key_file.read_text(), settings.key_id, settings.team_id, wall_clock=time.time
    )
    return ApnsProvider(settings.host, settings.port, settings.topic, token, tls)


def _http(
    settings: PushSettings,
    stack: AsyncExitStack,
    *,
    allows_private_networks: bool,
    max_per_host: int | None = None,
) -> OutboundHttp:
    delivery = settings.delivery
    http = OutboundHttp(
        allows_private_networks=allows_private_networks,
        timeout_seconds=_WITHIN * delivery.send_timeout_seconds,
        max_connections=delivery.max_in_flight,
        max_per_host=max_per_host or max(1, delivery.max_in_flight // 4),
    )
    stack.push_async_callback(http.close)
    return http
