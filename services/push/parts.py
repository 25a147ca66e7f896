"""The providers of a push pod: made from its settings, with the keys in their files.

A key that cannot be read ends the start, with a line that says which; one that is replaced while
the pod runs is used within seconds.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from services.push.adapters.made_of_files import MadeOfFiles, RemadeProvider
from services.push.adapters.provider_console import ConsoleProvider
from services.push.provider_settings import (
    ApnsSettings,
    FcmSettings,
    WebhookProviderSettings,
    WebPushSettings,
)
from services.push.settings import PushSettings
from services.push.wake_ports import Provider

if TYPE_CHECKING:
    from services.push.adapters.provider_apns import ApnsProvider
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
        apns = apns_provider(settings.apns)
        stack.push_async_callback(apns.close)
        providers["apns"] = apns
    if settings.fcm is not None:
        # One host is all there is: it may have every connection.
        limit = settings.delivery.max_in_flight
        http = _http(settings, stack, allows_private_networks=True, max_per_host=limit)
        providers["fcm"] = fcm_provider(settings.fcm, http)
    if settings.webpush is not None:
        allows = settings.webpush.allows_private_networks
        http = _http(settings, stack, allows_private_networks=allows)
        providers["webpush"] = webpush_provider(settings.webpush, http)
    if settings.webhook is not None:
        allows = settings.webhook.allows_private_networks
        http = _http(settings, stack, allows_private_networks=allows)
        providers["webhook"] = webhook_provider(settings.webhook, http)
    return providers


def apns_provider(
    settings: ApnsSettings, *, clock: Callable[[], float] = time.monotonic
) -> ApnsProvider:
    """On one connection, which stays when the key is replaced."""
    from services.push.adapters.apns_token import ApnsToken, read_key_id  # noqa: PLC0415
    from services.push.adapters.provider_apns import ApnsProvider  # noqa: PLC0415

    tls = ssl.create_default_context(
        cafile=None if settings.ca_file is None else str(settings.ca_file)
    )
    tls.set_alpn_protocols(["h2"])

    def token(key: bytes, key_id: bytes | None = None) -> ApnsToken:
        named = settings.key_id if key_id is None else read_key_id(key_id)
        assert named is not None  # the settings have one of the two
        return ApnsToken(key.decode(), named, settings.team_id, wall_clock=time.time)

    files = [settings.key_file]
    if settings.key_id_file is not None:
        files.append(settings.key_id_file)
    tokens = MadeOfFiles(files, token, clock=clock)
    return ApnsProvider(settings.host, settings.port, settings.topic, tokens.current, tls)


def fcm_provider(
    settings: FcmSettings, http: OutboundHttp, *, clock: Callable[[], float] = time.monotonic
) -> Provider:
    """A service account that is replaced may be another project's."""
    from services.push.adapters.google_token import GoogleToken  # noqa: PLC0415
    from services.push.adapters.provider_fcm import FcmProvider  # noqa: PLC0415

    def provider(service_account: bytes) -> Provider:
        return FcmProvider(settings.url, GoogleToken(service_account), http)

    return RemadeProvider(MadeOfFiles([settings.service_account_file], provider, clock=clock))


def webpush_provider(
    settings: WebPushSettings, http: OutboundHttp, *, clock: Callable[[], float] = time.monotonic
) -> Provider:
    """Browsers that subscribed with the public half of an older key are not reached by a newer
    one: that is theirs to mend."""
    from services.push.adapters.provider_webpush import (  # noqa: PLC0415
        WebPushProvider,
        read_vapid,
    )

    def provider(pem: bytes) -> Provider:
        return WebPushProvider(read_vapid(pem), settings.contact, http, wall_clock=time.time)

    return RemadeProvider(MadeOfFiles([settings.vapid_key_file], provider, clock=clock))


def webhook_provider(
    settings: WebhookProviderSettings,
    http: OutboundHttp,
    *,
    clock: Callable[[], float] = time.monotonic,
) -> Provider:
    """Servers of the application's own."""
    from services.push.adapters.provider_webhook import WebhookProvider  # noqa: PLC0415

    def provider(secret: bytes) -> Provider:
        return WebhookProvider(secret.decode().strip(), http, wall_clock=time.time)

    return RemadeProvider(MadeOfFiles([settings.secret_file], provider, clock=clock))


def _http(
    settings: PushSettings,
    stack: AsyncExitStack,
    *,
    allows_private_networks: bool,
    max_per_host: int | None = None,
) -> OutboundHttp:
    from whimbrel.runtime.outbound_http import OutboundHttp  # noqa: PLC0415

    delivery = settings.delivery
    http = OutboundHttp(
        allows_private_networks=allows_private_networks,
        timeout_seconds=_WITHIN * delivery.send_timeout_seconds,
        max_connections=delivery.max_in_flight,
        max_per_host=max_per_host or max(1, delivery.max_in_flight // 4),
    )
    stack.push_async_callback(http.close)
    return http
