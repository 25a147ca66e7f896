"""What an operator can set for keys of devices, each with unit, default and reason."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from whimbrel.runtime.settings_group import SettingsGroup


class KeySettings(SettingsGroup):
    """Public keys that devices publish for end-to-end encryption."""

    max_prekeys: Annotated[int, Field(ge=1, le=1000)] = 100
    """One-time prekeys that are kept of one device. Default 100, as Signal's clients publish: new
    sessions of a day, in 5 KB."""
    fetches_per_minute: Annotated[int, Field(ge=1)] = 120
    """Times that one user may ask for keys, on each pod. Default 120: a group of a hundred is
    written to for the first time within a minute."""
    prekeys_per_hour: Annotated[int, Field(ge=1)] = 10
    """Times an hour that one user gets one-time prekeys of the same other, on each pod; beyond it
    the bundles come without. Default 10: a session needs one, a reinstalled client one more, and
    nobody uses up what is meant for others."""
