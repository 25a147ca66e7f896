"""The settings of a Logic pod."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from whimbrel.runtime.settings import (
    MongoSettings,
    RedisSettings,
    RouterTarget,
    Seconds,
    ServiceSettings,
    SettingsGroup,
)


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
    changes: ChangeSettings = ChangeSettings()
    """Recall and edit."""
