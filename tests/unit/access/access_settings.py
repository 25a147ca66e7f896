"""The settings of a pod with two processes, for tests that start no service."""

from __future__ import annotations

from typing import Any

from services.access.settings import AccessSettings


def settings_of(**groups: Any) -> AccessSettings:
    """With these groups instead of its own."""
    values: dict[str, Any] = {
        "pod": {"id": "access-0", "listen": "127.0.0.1:7400"},
        "router": {"addresses": "127.0.0.1:1"},
        "auth": {"secret_file": "/token.key"},
        "access": {"processes": 2},
    }
    return AccessSettings(**(values | groups))
