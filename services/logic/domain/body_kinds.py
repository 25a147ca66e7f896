"""The kinds of body that Logic tells apart; the numbers are those of whimbrel.api.types.v1."""

from __future__ import annotations

from typing import Final

TEXT: Final = 1
"""The one kind that words are looked for in: others are for the clients alone."""
BYTES: Final = 2
ENCRYPTED: Final = 3
SYSTEM: Final = 4
"""UTF-8 JSON with "type", about what has changed; written by Logic alone."""
