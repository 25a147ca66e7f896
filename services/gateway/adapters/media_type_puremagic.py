"""What a file is by its first bytes, by puremagic's tables."""

from __future__ import annotations

import puremagic

_LEAST_CONFIDENCE = 0.3
"""Of the table's own scale: matches of one or two bytes are chance."""


def find_type(head: bytes) -> str:
    """The media type that these bytes begin; "" when none is known."""
    try:
        found = puremagic.magic_string(head)
    except (puremagic.PureError, ValueError):
        return ""
    for match in found:  # the best first; some entries of the table have no type
        if match.mime_type and match.confidence >= _LEAST_CONFIDENCE:
            return str(match.mime_type)
    return ""
