"""Batches of attaches at the Router. Nothing is tried twice here: the caller asks again, which is
harmless.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Final

from whimbrel.api.router.v1 import router_pb2, router_pb2_grpc
from whimbrel.core.errors import unavailable
from whimbrel.runtime.question_stream import QuestionStream

_ANSWER_SECONDS: Final = 3.0


class AttachCall:
    """One question at a time: whoever asks has a batch, and waits."""

    def __init__(
        self,
        router: router_pb2_grpc.RouterServiceStub,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._questions: QuestionStream[router_pb2.AttachRequest, router_pb2.AttachResponse] = (
            QuestionStream(
                router.AttachStream,
                router.Attach,
                framed=lambda request: router_pb2.AttachStreamRequest(attach=request),
                answer_in=attrgetter("attached"),
                timeout_seconds=_ANSWER_SECONDS,
                clock=clock,
            )
        )

    async def ask(self, sessions: Sequence[router_pb2.Session]) -> list[router_pb2.Attachment]:
        """As many attachments as sessions, in their order. Raises WhimbrelError; the attaches may
        have been made all the same."""
        answer = await self._questions.ask(router_pb2.AttachRequest(sessions=sessions))
        if len(answer.attachments) != len(sessions):
            raise unavailable("the Router did not answer for every session")
        return list(answer.attachments)

    def close(self) -> None:
        """End the stream; the next question opens another."""
        self._questions.close()
