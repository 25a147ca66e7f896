"""What an operator can set for push, each with unit, default and reason."""

from __future__ import annotations

from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from whimbrel.runtime.settings import (
    MongoSettings,
    RedisSettings,
    RouterTarget,
    Seconds,
    ServiceSettings,
    SettingsGroup,
    WebhookSettings,
)


class DeliverySettings(SettingsGroup):
    """How jobs are taken and sent."""

    batch: Annotated[int, Field(ge=1, le=1000)] = 100
    """Jobs taken, and wakes sent, at once. Default 100: two queries to MongoDB serve them all,
    and a provider takes that many on one HTTP/2 connection."""
    wake_timeout_seconds: Seconds = 10.0
    """Seconds for one wake. Default 10: well below claim_idle_seconds, so that no other pod
    sends a wake that is still on its way."""
    claim_idle_seconds: Seconds = 30.0
    """Seconds after which a job that was taken and not finished goes to another pod, or is tried
    again. Default 30: three times what a wake may take."""
    lifetime_seconds: Seconds = 86_400.0
    """Seconds after which a job is dropped. Default one day: a wake that old wakes nobody, and
    the message is in the timeline."""
    memory_seconds: Annotated[int, Field(ge=1)] = 120
    """Seconds for which a wake is remembered so that a double is not sent. Default 120: resends
    and the cleaning up after a dead Logic pod come within seconds."""

    @model_validator(mode="after")
    def _claims_nothing_that_is_in_hand(self) -> Self:
        if self.claim_idle_seconds < 2 * self.wake_timeout_seconds:
            raise ValueError("claim_idle_seconds must be at least twice wake_timeout_seconds")
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
    """Where cursors, read marks and timelines are."""
    redis: RedisSettings
    """Where the jobs are."""
    router: RouterTarget
    """Where this pod registers."""
    delivery: DeliverySettings = DeliverySettings()
    """How jobs are taken and sent."""
    rescan: RescanSettings = RescanSettings()
    """How users who are behind are found again."""
    webhooks: WebhookSettings = WebhookSettings()
    """Where the host product hears of events."""
