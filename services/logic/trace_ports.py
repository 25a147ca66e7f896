"""Who is told what became of traced messages. Called after the fact, and never waits; where
nobody collects traces there is none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from services.logic.domain.model import Outcome, SendTrace, StoredMessage
from whimbrel.api.types.v1 import types_pb2


class MessageTraces(Protocol):
    """All moments are monotonic seconds, as `now` gives them."""

    def now(self) -> float: ...

    def begin(self, traceparent: str) -> SendTrace | None:
        """A send has come; None when this is no traceparent."""
        ...

    def answered(self, trace: SendTrace, conversation: str, outcome: Outcome) -> None:
        """Access is told what became of it."""
        ...

    def checked(self, traces: Sequence[SendTrace], began: float, ended: float) -> None:
        """They were in one batch of checks."""
        ...

    def committed(
        self,
        traces: Sequence[SendTrace],
        began: float,
        ended: float,
        *,
        messages: int,
        entries: int,
    ) -> None:
        """They were in one commit, of so many messages and entries in all."""
        ...

    def fanned_out(
        self, messages: Sequence[StoredMessage], began: float, located: float, *, batch: int
    ) -> None:
        """They were in one batch of so many: their participants were looked for from `began` to
        `located`, and they are on the links now."""
        ...

    def read(self, entries: Sequence[types_pb2.Entry], began: float) -> None:
        """A page of a timeline was read, for a device that was away or misses something."""
        ...
