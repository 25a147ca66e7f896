"""Spans of time, as a person writes them, and moments, as a person reads them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

import typer

_SPAN: Final = re.compile(r"([1-9][0-9]{0,4})([mhd])")
_SECONDS: Final = {"m": 60, "h": 3600, "d": 86_400}


def seconds_of(span: str) -> int:
    """30m, 12h, 7d in seconds. Raises typer.BadParameter."""
    form = _SPAN.fullmatch(span)
    if form is None:
        raise typer.BadParameter(f"{span!r} is no span of time: 30m, 12h, 7d")
    return int(form[1]) * _SECONDS[form[2]]


def time_of(ms: int) -> datetime:
    """The moment of Unix milliseconds."""
    return datetime.fromtimestamp(ms / 1000, UTC)


def until(ms: int) -> str:
    """As a sentence ends."""
    return f"until {time_of(ms):%Y-%m-%d %H:%M} UTC"
