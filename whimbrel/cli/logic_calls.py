"""Asks a Logic pod of the stack on this machine."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

from whimbrel.cli.pod_calls import ask_pod

S = TypeVar("S")
T = TypeVar("T")


async def ask_logic(
    data: Path | None,
    stub_class: Callable[[Any], S],
    method: Callable[[S], Callable[..., Awaitable[T]]],
    request: object,
) -> T:
    """As `ask_pod` does."""
    return await ask_pod("logic", data, stub_class, method, request)
