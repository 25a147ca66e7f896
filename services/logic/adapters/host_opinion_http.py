"""The port HostOpinion over a webhook: one POST asks about a whole batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from services.logic.domain.verdicts import (
    MAX_VERDICT_BYTES,
    Question,
    Verdict,
    parse_verdicts,
    question_content,
)
from whimbrel.core.errors import unavailable
from whimbrel.runtime.webhook_client import WebhookClient


class HttpHostOpinion:
    """Asks `url`; the answer has to be there, whole, after `timeout_seconds`."""

    def __init__(
        self,
        client: WebhookClient,
        url: str,
        *,
        timeout_seconds: float,
        new_id: Callable[[], str],
    ) -> None:
        self._client = client
        self._url = url
        self._timeout_seconds = timeout_seconds
        self._new_id = new_id

    async def ask(self, questions: Sequence[Question]) -> list[Verdict | None]:
        answer = await self._client.post(
            self._url,
            self._new_id(),
            question_content(questions),
            timeout_seconds=self._timeout_seconds,
            max_answer_bytes=MAX_VERDICT_BYTES * len(questions),
        )
        if answer.status != 200:
            raise unavailable(f"the webhook answered {answer.status}")
        if answer.is_cut:
            raise unavailable("the webhook's answer is too long")
        return parse_verdicts(answer.body, len(questions))
