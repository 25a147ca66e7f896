"""The settings of a Logic pod."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from whimbrel.runtime.settings import MongoSettings, RedisSettings, RouterTarget, ServiceSettings
from whimbrel.runtime.settings_group import Seconds, SettingsGroup
from whimbrel.runtime.webhook_settings import WebhookSettings


class CommitSettings(SettingsGroup):
    """How messages are committed."""

    max_waiting_messages: int = Field(default=20_000, ge=1)
    """Sends that may wait for a commit. Default 20,000: about 5 s of work; a sender beyond it is
    told OVERLOADED at once instead of waiting for its deadline."""
    max_waiting_fan_outs: int = Field(default=20_000, ge=1)
    """Committed messages that may wait for their fan-out, for instance while the Router is away.
    Default 20,000; beyond it a live delivery is left to the sessions' head checks."""


class WorkerSettings(SettingsGroup):
    """The lease of the worker number that message ids carry."""

    lease_seconds: Seconds = 10.0
    """Default 10: a dead process is noticed, and what it left half done is completed, within
    15 s."""
    renew_seconds: Seconds = 3.0
    """Default 3: two renewals may fail before the lease runs out."""
    clean_up_seconds: Seconds = 1.0
    """How often to look for dead workers. Default 1: one small query."""


class SearchSettings(SettingsGroup):
    """How texts become findable."""

    compare_seconds: Seconds = 5.0
    """How often one of the processes looks for texts that were missed. Default 5: two small
    queries when there are none."""


class AuditSettings(SettingsGroup):
    """How timelines are looked at in the background. One process at a time does it."""

    users_per_minute: float = Field(default=30.0, ge=0, le=6000)
    """Users whose timelines are looked at. Default 30: a few hundred rows every 2 s, which no
    store notices. 0 turns the auditor off. A round takes the number of users by this."""
    entries_per_user: int = Field(default=1000, ge=1, le=100_000)
    """How many of the newest entries of each. Default 1,000: what breaks breaks at the end, and
    `whimbrel audit` reads the rest."""
    settle_seconds: Seconds = 20.0
    """After what time a finding is looked at again, before it counts. Default 20: a hole may live
    for 15 s after a crash."""


class CheckSettings(SettingsGroup):
    """What is asked of a send before it is stored."""

    strangers_may_write: bool = True
    """Whether users who are not friends may write to each other, where the one who is written to
    has not said. Default true: a chat that nobody can begin is of no use to most."""
    risk_half_life_seconds: Seconds = 86_400.0
    """After what time half of the points from reports and admins are left. Default a day: ten
    reports in a day put a user at risk, ten in a month do not."""
    risky_sends_per_second: float = Field(default=1000.0, gt=0)
    """A user who sends so fast for minutes is at risk. Default 1,000: no person does, and
    Access's own rates come first."""
    encrypted_bodies: Literal["allow", "refuse"] = "allow"
    """Whether users may send bodies that are encrypted end to end. Default allow: to this
    deployment they are bytes. Refuse where every text has to be read by the word list."""
    max_waiting_flags: int = Field(default=10_000, ge=1)
    """Flagged messages that may wait to be noted for moderators. Default 10,000; beyond it a
    message passes without being noted, and the log says so."""


class ChangeSettings(SettingsGroup):
    """What may be changed of messages that were sent, and for how long."""

    recall_seconds: Seconds = 120.0
    """Seconds after its sending in which a message may be taken back. Default 120: a slip is
    noticed at once; later, people have read it and answered."""
    edit_seconds: Seconds = 900.0
    """Seconds after its sending in which a message may be edited. Default 900: long enough to
    correct, too short to rewrite what was agreed."""


class LogicSettings(ServiceSettings):
    """Everything that a Logic pod can be told."""

    role: ClassVar[str] = "logic"

    mongo: MongoSettings
    """Where messages are stored."""
    redis: RedisSettings
    """Where what can be rebuilt is kept."""
    router: RouterTarget
    """Where the Router is."""
    commit: CommitSettings = CommitSettings()
    """How messages are committed."""
    worker: WorkerSettings = WorkerSettings()
    """The lease of the worker number."""
    search: SearchSettings = SearchSettings()
    """How texts become findable."""
    audit: AuditSettings = AuditSettings()
    """How timelines are looked at in the background."""
    checks: CheckSettings = CheckSettings()
    """What is asked of a send before it is stored."""
    changes: ChangeSettings = ChangeSettings()
    """Recall and edit."""
    webhooks: WebhookSettings = WebhookSettings()
    """What the host product's backend is asked."""
