"""What an operator does by hand with events: send a test, look at what waits and at what came to
nothing, have it wait again."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from email.utils import parsedate_to_datetime
from typing import Final, NamedTuple, Protocol

from services.push.domain.deliveries import Result, result_of
from services.push.webhook_ports import EventRecords, RecordedEvent
from whimbrel.core.errors import WhimbrelError, invalid
from whimbrel.runtime.http_answer import HttpAnswer

MAX_EVENTS: Final = 500


class PostTo(Protocol):
    """POSTs signed content to a URL under a webhook id. Raises UNAVAILABLE."""

    def __call__(self, url: str, webhook_id: str, content: str) -> Awaitable[HttpAnswer]: ...


class TestedEvents(NamedTuple):
    """What came back of a test."""

    outcome: Result
    took_seconds: float
    status: int = 0
    """0: there was no answer."""
    failure: str = ""
    clock_ahead_ms: int | None = None
    """Of the receiver, by the Date of its answer; None when it says none."""


class LookAfterEvents:
    """One per pod."""

    def __init__(
        self,
        records: EventRecords,
        post_to: PostTo | None,
        *,
        url: str,
        clock: Callable[[], float],
        wall_ms: Callable[[], int],
    ) -> None:
        """`post_to`: None without secrets to sign with. `url`: of the events; empty when nobody
        is told. `clock`: monotonic seconds."""
        self._records = records
        self._post_to = post_to
        self._url = url
        self._clock = clock
        self._wall_ms = wall_ms

    async def test(self, url: str = "") -> TestedEvents:
        """Send one event that means nothing, once; to `url`, or to the one that is configured."""
        url = url or self._url
        if not url:
            raise invalid("this push pod tells nobody: give a URL, or set EVENTS_URL")
        if self._post_to is None:
            raise invalid("this push pod has no secrets to sign with: set SECRETS_FILE")
        now_ms = self._wall_ms()
        event = {"id": f"test.{now_ms}.webhook.test", "type": "webhook.test", "at_ms": now_ms}
        content = json.dumps({"type": "events", "events": [event]})
        began = self._clock()
        try:
            answer = await self._post_to(url, f"test-{now_ms}", content)
        except WhimbrelError as error:
            took = self._clock() - began
            return TestedEvents(Result.FAILED, took, failure=error.detail)
        took = self._clock() - began
        ahead_ms = _clock_ahead_ms(answer.headers.get("date", ""), self._wall_ms())
        return TestedEvents(result_of(answer.status), took, answer.status, "", ahead_ms)

    async def events(self, *, is_dead: bool, after: str, limit: int) -> list[RecordedEvent]:
        """Dead letters, or what waits, above an id, by id."""
        if not 1 <= limit <= MAX_EVENTS:
            raise invalid(f"limit must be 1 to {MAX_EVENTS}")
        return await self._records.list_events(is_dead=is_dead, after=after, limit=limit)

    async def resend(self, event_ids: Sequence[str]) -> int:
        """Dead letters among them wait again; how many."""
        if not 1 <= len(event_ids) <= MAX_EVENTS:
            raise invalid(f"1 to {MAX_EVENTS} event_ids are needed")
        return await self._records.revive(event_ids, now_ms=self._wall_ms())

    async def hurry(self) -> int:
        """What waits for its next attempt is tried now; how many keys."""
        return await self._records.hurry(now_ms=self._wall_ms())


def _clock_ahead_ms(date: str, now_ms: int) -> int | None:
    try:
        return round(parsedate_to_datetime(date).timestamp() * 1000) - now_ms
    except (ValueError, OverflowError):
        return None
