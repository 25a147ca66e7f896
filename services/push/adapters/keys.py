"""The Redis keys of push besides the stream itself. They share its hash tag: one slot."""

from __future__ import annotations

from typing import Final

RESCAN_KEY: Final = "push:{jobs}:rescan"
"""The user after whom the rescan goes on ("" at its start); absent when there is none to do."""

RESCAN_LOCK_KEY: Final = "push:{jobs}:rescan-lock"
"""Names the pod that rescans; runs out by itself."""


DEAD_KEY: Final = "push:{jobs}:dead"
"""The stream of dead letters."""


def due_key(provider: str) -> str:
    """The moments of the wakes that wait for a provider."""
    return f"push:{{jobs}}:due:{provider}"


def wakes_key(provider: str) -> str:
    """The wakes that wait for a provider."""
    return f"push:{{jobs}}:wakes:{provider}"


def mentions_key(provider: str) -> str:
    """Which of the wakes that wait for a provider mention their user."""
    return f"push:{{jobs}}:mentions:{provider}"


def woken_key(user: str, device: str, conversation: str) -> str:
    """Holds the highest seq that was sent, while that is remembered; in the user's slot."""
    return f"woken:{{{user}}}:{device}:{conversation}"
