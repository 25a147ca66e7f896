"""The Redis keys of push besides the stream itself. They share its hash tag: one slot."""

from __future__ import annotations

from typing import Final

RESCAN_KEY: Final = "push:{jobs}:rescan"
"""The user after whom the rescan goes on ("" at its start); absent when there is none to do."""

RESCAN_LOCK_KEY: Final = "push:{jobs}:rescan-lock"
"""Names the pod that rescans; runs out by itself."""


def woken_key(user: str, message_id: int) -> str:
    """Present while the wake is remembered; in the user's slot."""
    return f"woken:{{{user}}}:{message_id}"
