"""Follows all objects of one kind: lists them, then watches from the list's version on.

What may happen, and what follows:

    bookmark                   only the version moves on: nothing is read twice after an end
    the watch ends, or is      watch again from the last version
    silent for too long
    410, as answer or event    list again, at once the first time
    429, 5xx, broken           wait (as long as asked, or a rung that grows), then list again
    a list                     is compared with what is known: what is not in it is gone
    5 minutes since the list   list again: whatever went wrong unseen lasts no longer
    nothing works for long     raises, so that nobody takes an old picture for the present
"""

from __future__ import annotations

import asyncio
import json
import math
import random
import time
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Generic, TypeVar

from services.drain.adapters.kubernetes_calls import (
    Json,
    KubernetesCalls,
    KubernetesError,
    refusal_of,
)
from whimbrel.core.errors import WhimbrelError, unavailable
from whimbrel.runtime.logs import get_logger

_log = get_logger(__name__)

F = TypeVar("F")


@dataclass(frozen=True)
class WatchPolicy:
    """The figures of a watch, in seconds."""

    relist_seconds: float = 300.0
    """Between full lists. Default 300: the longest that a missed change stays unseen."""
    silence_seconds: float = 30.0
    """A watch that says nothing for so long is asked anew, from its last version. Default 30:
    the server sends a bookmark about every minute, so half of the quiet watches are asked anew
    for nothing, which costs one request; a hung one is noticed after 30 s and not after 60."""
    backoff_seconds: tuple[float, ...] = (0.5, 1, 2, 4, 8)
    """Upper bounds of the waits after failures in a row, drawn with full jitter; the last one
    repeats."""
    patience_seconds: float = 30.0
    """The watch gives up when nothing has worked for so long. Default 30: as long as a hung one
    goes unnoticed."""
    brief_seconds: float = 1.0
    """A watch that ends sooner than this with nothing said counts as failed. Default 1: a
    server, or a proxy, that ends them at once must not be asked in a loop."""


class Watched(Generic[F]):
    """The objects of one kind, reduced to facts of type F by `project`, by name.

    `on_change` is called when a fact has come, changed or gone, and after the first list.
    `selector` is a label selector; empty for all objects.
    """

    def __init__(
        self,
        calls: KubernetesCalls,
        path: str,
        selector: str,
        project: Callable[[Json], F],
        on_change: Callable[[], None],
        *,
        policy: WatchPolicy,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.facts: dict[str, F] = {}
        self.is_listed = False
        self._calls = calls
        self._path = path
        self._query = {"labelSelector": selector} if selector else {}
        self._project = project
        self._on_change = on_change
        self._policy = policy
        self._clock = clock
        self._chance = chance
        self._failures = 0
        self._failing_since: float | None = None

    async def run(self) -> None:
        """Until it is cancelled. Raises UNAVAILABLE when the first list fails, or when nothing
        has worked for `patience_seconds`."""
        while True:
            try:
                await self._follow(await self._list())
            except WhimbrelError as error:
                wait = self._wait_after(error)
                if not self.is_listed or self._is_hopeless(wait):
                    raise _as_unavailable(error) from error
                _log.info(
                    "watch_broken",
                    path=self._path,
                    detail=error.detail,
                    wait_seconds=round(wait, 2),
                )
                await asyncio.sleep(wait)

    async def _list(self) -> str:
        answer = await self._calls.get(self._path, **self._query)
        self._failing_since = None
        items = answer.get("items") or []
        listed = {item["metadata"]["name"]: self._project(item) for item in items}
        if listed != self.facts or not self.is_listed:
            self.facts = listed
            self.is_listed = True
            self._on_change()
        version: str = answer["metadata"]["resourceVersion"]
        return version

    async def _follow(self, version: str) -> None:
        """Watch after watch, until it is time for a list."""
        list_at = self._clock() + self._policy.relist_seconds
        while (left := list_at - self._clock()) > 0:
            began = self._clock()
            heard = 0
            query = {
                **self._query,
                "watch": "true",
                "allowWatchBookmarks": "true",
                "resourceVersion": version,
                "timeoutSeconds": str(math.ceil(left)),
            }
            silence = min(self._policy.silence_seconds, left)
            async with aclosing(
                self._calls.lines(self._path, query, silence_seconds=silence)
            ) as lines:
                async for line in lines:
                    version = self._take(line)
                    heard += 1
                    self._failures = 0
                    if self._clock() >= list_at:
                        return
            if heard:
                continue
            if self._clock() - began < min(self._policy.brief_seconds, silence):
                raise unavailable(f"watch {self._path}: it ended as soon as it began")
            self._failures = 0

    def _take(self, line: bytes) -> str:
        """Applies one line; the version that it brings."""
        try:
            event = json.loads(line)
            kind, item = event["type"], event["object"]
            if kind == "ERROR":
                raise refusal_of(item)
            version: str = item["metadata"]["resourceVersion"]
            if kind == "BOOKMARK":
                return version
            name = item["metadata"]["name"]
        except (ValueError, KeyError, TypeError) as error:
            raise unavailable(f"watch {self._path}: a line that is none") from error
        if kind == "DELETED":
            if self.facts.pop(name, None) is not None:
                self._on_change()
            return version
        fact = self._project(item)
        if self.facts.get(name) != fact:
            self.facts[name] = fact
            self._on_change()
        return version

    def _wait_after(self, error: WhimbrelError) -> float:
        rungs = self._policy.backoff_seconds
        rung = rungs[min(self._failures, len(rungs) - 1)]
        is_first = self._failures == 0
        self._failures += 1
        if isinstance(error, KubernetesError) and error.is_gone:
            return 0.0 if is_first else rung * self._chance()
        asked = error.asked_seconds if isinstance(error, KubernetesError) else None
        return max(asked or 0.0, rung * self._chance())

    def _is_hopeless(self, wait: float) -> bool:
        """Counted from the first failure since a list worked: lists alone keep a view fresh,
        as slowly as the last rung, where watches are refused."""
        now = self._clock()
        if self._failing_since is None:
            self._failing_since = now
        return now + wait - self._failing_since > self._policy.patience_seconds


def _as_unavailable(error: WhimbrelError) -> WhimbrelError:
    return unavailable(error.detail, retry_after_seconds=error.retry_after_seconds or 1.0)
