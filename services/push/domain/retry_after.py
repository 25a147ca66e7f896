"""The header Retry-After (RFC 9110, 10.2.3). Pure."""

from __future__ import annotations

from email.utils import parsedate_to_datetime


def retry_after_seconds(value: str | None, now: float) -> float | None:
    """Seconds from `now` (since the Unix epoch) that the header asks for: a number, or a date.
    None when there is no header, or nonsense."""
    if not value:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit() and len(text) < 10:
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now)
    except (ValueError, OverflowError):
        return None
