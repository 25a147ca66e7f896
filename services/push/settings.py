"""What an operator can set for push, each with unit, default and reason. What belongs to a single
provider is in `provider_settings`."""

from __future__ import annotations

from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from services.push.provider_settings import (
    ApnsSettings,
    FcmSettings,
    WebhookProviderSettings,
    WebPushSettings,
)
from whimbrel.runtime.settings import MongoSettings, RedisSettings, RouterTarget, ServiceSettings
from whimbrel.runtime.settings_group import Seconds, SettingsGroup
from whimbrel.runtime.webhook_settings import WebhookSettings


class DeliverySettings(SettingsGroup):
    """How jobs are taken and sent."""

    batch: Annotated[int, Field(ge=1, le=250)] = 200
    """Jobs taken, and wakes judged, at once. Default 200: a handful of queries to MongoDB serve
    them all, in some 10 ms."""
    delay_seconds: Annotated[float, Field(ge=0)] = 3.0
    """Seconds from a job to its notification. Default 3: an acknowledgement that is on its way
    takes it back, and the next message of the conversation takes its place."""
    max_in_flight: Annotated[int, Field(ge=1, le=1000)] = 400
    """Notifications on their way to one provider. Default 400: a provider that answers in 200 ms
    takes 2,000 a second."""
    send_timeout_seconds: Seconds = 10.0
    """Seconds for one notification. Default 10: providers answer in less than one, or suffer."""
    lease_seconds: Seconds = 45.0
    """Seconds after which what a pod had in hand is due again. Default 45: four times what a
    notification may take, so that no other pod sends one that is still on its way."""
    claim_idle_seconds: Seconds = 30.0
    """Seconds after which a job that was taken and not scheduled goes to another pod. Default
    30: scheduling takes milliseconds, and waits for stores that are away."""
    lifetime_seconds: Seconds = 86_400.0
    """Seconds after which a job is dropped. Default one day: a wake that old wakes nobody, and
    the message is in the timeline."""
    memory_seconds: Annotated[int, Field(ge=1)] = 120
    """Seconds for which a wake is remembered so that a double is not sent. Default 120: resends
    and the cleaning up after a dead Logic pod come within seconds."""
    max_waiting: Annotated[int, Field(ge=1)] = 200_000
    """Wakes that may wait for one provider. Default 200,000: some 60 MB of Redis. Beyond it jobs
    stay in their stream, which drops the oldest."""
    text: Annotated[str, Field(min_length=1, max_length=200)] = "New message"
    """What a notification says below the sender's name. Default "New message": a provider never
    sees what was written; the application may put that in its place on the device."""

    @model_validator(mode="after")
    def _claims_nothing_that_is_in_hand(self) -> Self:
        if self.lease_seconds < 2 * self.send_timeout_seconds:
            raise ValueError("lease_seconds must be at least twice send_timeout_seconds")
        return self


class RescanSettings(SettingsGroup):
    """How users who are behind are found again after Redis was lost."""

    interval_seconds: Seconds = 2.0
    """Seconds between two looks whether there is something to do. Default 2: one GET."""
    page_devices: Annotated[int, Field(ge=2, le=5000)] = 500
    """Devices looked at in one page. Default 500: a second at most when all their users are
    behind, so that the lock never runs out in between."""
    lock_seconds: Seconds = 30.0
    """Seconds after which another pod goes on with the rescan of one that died. Default 30."""


class PushSettings(ServiceSettings):
    """Everything a push pod needs to know."""

    role: ClassVar[str] = "push"

    mongo: MongoSettings
    """Where cursors, read marks, timelines and devices are."""
    redis: RedisSettings
    """Where the jobs are."""
    router: RouterTarget
    """Where this pod registers."""
    delivery: DeliverySettings = DeliverySettings()
    """How jobs are taken and sent."""
    rescan: RescanSettings = RescanSettings()
    """How users who are behind are found again."""
    console: bool = False
    """Whether who can be woken by no provider is woken by a line in the log. Default false: it
    is for development, and a busy pod has no line for each message."""
    apns: ApnsSettings | None = None
    """Apple's push service. Default: not used."""
    fcm: FcmSettings | None = None
    """Firebase Cloud Messaging. Default: not used."""
    webpush: WebPushSettings | None = None
    """Browsers. Default: not used."""
    webhook: WebhookProviderSettings | None = None
    """Servers of the application's own. Default: not used."""
    webhooks: WebhookSettings = WebhookSettings()
    """Where the host product hears of events."""
