"""The nemesis: faults on a running stack, seeded, alone and combined, and all of them healed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whimbrel.local.nemesis.driver import FaultEvent, Nemesis, field_of
from whimbrel.local.nemesis.kinds import KINDS

if TYPE_CHECKING:
    from whimbrel.local.stack import Stack

__all__ = ["KINDS", "FaultEvent", "Nemesis", "endpoints_for_clients", "kinds_of"]


def endpoints_for_clients(stack: Stack) -> list[str]:
    """host:port where clients reach each Access pod: through proxies when the stack has them."""
    return stack.endpoints


def kinds_of(stack: Stack) -> tuple[str, ...]:
    """The kinds that this stack can do: what "all" means for it."""
    return field_of(stack).possible()
