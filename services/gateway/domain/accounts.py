"""The nouns of accounts, as the stores give them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Final, NamedTuple
from zoneinfo import available_timezones

FOR_EVER_MS: Final = 2**53 - 1
"""The end of a ban without an end: the largest integer that every JSON reader keeps."""
IDENTITY_PREFIX: Final = "idp-"
"""User ids that begin so belong to people whom an identity provider has named."""
SYSTEM_USER: Final = "system"
"""Who says broadcasts: Logic speaks under this id, so no person may have it."""


@dataclass(frozen=True, slots=True)
class User:
    """An account. `password_hash` is None for one that logs in through an identity provider."""

    user_id: str
    name: str
    created_ms: int
    password_hash: str | None = None
    avatar_media_id: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)
    scopes: tuple[str, ...] = ()


class Login(NamedTuple):
    """One proof of who somebody is, and what came of it: it lives as a chain of refresh tokens."""

    login_id: str
    user_id: str
    device_id: str
    """Empty when the client has not named its device."""
    created_ms: int


class Device(NamedTuple):
    """A device of a user. The push token is empty when it cannot be woken."""

    user_id: str
    device_id: str
    platform: str
    push_provider: str
    push_token: str
    updated_ms: int


class QuietHours(NamedTuple):
    """When a user wants notifications without sound: minutes since midnight of the user's own
    clock; `to_minute` below `from_minute` is on the next day."""

    from_minute: int
    to_minute: int
    time_zone: str


def is_time_zone(name: str) -> bool:
    """Whether it is a name of the IANA database, as it is installed here."""
    return name in available_time_zones()


@cache
def available_time_zones() -> frozenset[str]:
    """Their names; reading them takes some ms."""
    return frozenset(available_timezones())


class Ban(NamedTuple):
    """A user who may not log in and not send. Over when `until_ms` has come."""

    user_id: str
    until_ms: int
    reason: str
    updated_ms: int


class AuditEntry(NamedTuple):
    """An act of an administrator, written before it was done."""

    entry_id: str
    at_ms: int
    admin: str
    act: str
    target: str
    detail: Mapping[str, str]
