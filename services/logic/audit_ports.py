"""What the auditor needs beside the ports that Logic has anyway. As in `ports`: a memory adapter
and a real one for each, one contract suite, and UNAVAILABLE when a store does not answer."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple, Protocol

from services.logic.domain.audit import Outline


class AuditPlace(NamedTuple):
    """How far the auditors have come."""

    after: str = ""
    """The user who was looked at last; empty at the start of a round."""
    message_id: int = 0
    """The message up to which messages were looked at."""


class AuditTurn(Protocol):
    """Which process audits, and how far it has come: a lease with a place in it."""

    async def take(self, holder: str, *, now_ms: int, lease_ms: int) -> AuditPlace | None:
        """Take or keep the turn until now_ms + lease_ms; where to go on, or None while somebody
        else has it. Times are Unix milliseconds."""
        ...

    async def advance(self, holder: str, place: AuditPlace) -> bool:
        """Remember this place; False, and nothing changes, when the turn is somebody else's."""
        ...


class MessageOutlines(Protocol):
    """`messages` without bodies."""

    async def find(self, ids: Collection[int]) -> dict[int, Outline]:
        """The outlines of those that are stored. Majority."""
        ...

    async def between(self, above: int, below: int, limit: int) -> dict[int, Outline]:
        """The first `limit` messages with above < message_id < below, ascending. Majority."""
        ...
