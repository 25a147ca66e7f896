"""Label selectors: the equality form of a query, and the matchLabels of an object."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def parse_selector(text: str) -> dict[str, str]:
    """`a=b,c=d`; the other forms are not emulated."""
    return dict(part.split("=", 1) for part in text.split(",") if part)


def matches(item: Mapping[str, Any] | None, labels: Mapping[str, str]) -> bool:
    if item is None:
        return False
    own = item["metadata"].get("labels") or {}
    return all(own.get(key) == value for key, value in labels.items())
