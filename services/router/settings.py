"""The Router's settings."""

from __future__ import annotations

from typing import ClassVar

from whimbrel.runtime.settings import RedisSettings, ServiceSettings
from whimbrel.runtime.settings_group import Seconds, SettingsGroup


class DirectorySettings(SettingsGroup):
    """How long things hold in the directory, and how often it is looked at."""

    lease_seconds: Seconds = 10.0
    """Seconds for which a pod's lease holds. Default 10: three renewals of 3 s may be lost."""
    route_seconds: Seconds = 60.0
    """Seconds for which a route holds that nobody asserts. Default 60: pods assert every 10 s,
    and a Router or Redis that is away for half a minute must not turn sessions deaf."""
    poll_seconds: Seconds = 0.5
    """Seconds between two looks at the registry. Default 0.5: a lost Redis is noticed, and
    everybody is registered again, within a second."""


class RouterSettings(ServiceSettings):
    """Everything that the Router can be told."""

    role: ClassVar[str] = "router"

    redis: RedisSettings
    """Where the directory is kept."""
    directory: DirectorySettings = DirectorySettings()
    """Its times."""
