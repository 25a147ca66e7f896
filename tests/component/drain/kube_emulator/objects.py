"""Objects as an API server keeps them: one rising version for all, optimistic updates, a log of
events for the watches that can be compacted, deletion with grace.

Knows nothing of HTTP. `clock` is seconds since the Unix epoch.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True)
class Kind:
    """What objects of one resource have in common, and in which namespace (empty: none)."""

    api_group: str
    resource: str
    namespace: str


@dataclass(frozen=True)
class Event:
    """One change. `before` is None for a new object."""

    version: int
    type: str
    kind: Kind
    item: Json
    before: Json | None


class ApiError(Exception):
    """An answer that is no. `reason` is the API's word."""

    def __init__(self, status: int, reason: str, message: str, retry_after: int = 0) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message
        self.retry_after = retry_after


class ObjectStore:
    def __init__(self, clock: Callable[[], float]) -> None:
        self.version = 100
        self.oldest = self.version
        """Watches from before this version are told 410."""
        self._clock = clock
        self._objects: dict[tuple[Kind, str], Json] = {}
        self._log: list[Event] = []
        self._changed = asyncio.Condition()

    def all_of(self, kind: Kind) -> Iterator[Json]:
        for (each, _), item in sorted(self._objects.items(), key=lambda pair: pair[0][1]):
            if each == kind:
                yield copy.deepcopy(item)

    def get(self, kind: Kind, name: str) -> Json:
        item = self._objects.get((kind, name))
        if item is None:
            raise ApiError(404, "NotFound", f'{kind.resource} "{name}" not found')
        return copy.deepcopy(item)

    def compact(self) -> None:
        """Forgets all events up to now."""
        self.oldest = self.version
        self._log.clear()

    def events(self, kind: Kind, after: int) -> list[Event]:
        return [each for each in self._log if each.version > after and each.kind == kind]

    async def wait_beyond(self, version: int) -> None:
        """Until something of any kind has changed since."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.version > version)

    async def create(self, kind: Kind, item: Json) -> Json:
        name = item["metadata"]["name"]
        if (kind, name) in self._objects:
            raise ApiError(409, "AlreadyExists", f'{kind.resource} "{name}" already exists')
        item = copy.deepcopy(item)
        meta = item["metadata"]
        if kind.namespace:
            meta["namespace"] = kind.namespace
        meta["creationTimestamp"] = _timestamp(self._clock())
        meta["uid"] = f"uid-{self.version + 1}"
        meta["generation"] = 1
        return await self._put(kind, name, "ADDED", item, None)

    async def replace(self, kind: Kind, name: str, item: Json) -> Json:
        """With a resourceVersion that is not the present one: 409."""
        before = self.get(kind, name)
        asked = item["metadata"].get("resourceVersion")
        if asked is not None and asked != before["metadata"]["resourceVersion"]:
            raise ApiError(
                409,
                "Conflict",
                f'Operation cannot be fulfilled on {kind.resource} "{name}": '
                "the object has been modified",
            )
        item = copy.deepcopy(item)
        if item == before:
            return before  # as the real one does: no new version
        generation = before["metadata"]["generation"]
        changed = item.get("spec") != before.get("spec")
        item["metadata"]["generation"] = generation + changed
        return await self._put(kind, name, "MODIFIED", item, before)

    async def delete(self, kind: Kind, name: str, grace_seconds: int | None) -> Json:
        """Pods on a node stay, with the moment of their end, until their kubelet deletes them
        with a grace of 0; everything else goes at once."""
        before = self.get(kind, name)
        spec = before.get("spec") or {}
        grace = spec.get("terminationGracePeriodSeconds", 30)
        grace = grace if grace_seconds is None else grace_seconds
        if kind.resource != "pods" or not spec.get("nodeName") or grace == 0:
            del self._objects[kind, name]
            return await self._record(kind, "DELETED", before, before)
        until = self._clock() + grace
        earlier = before["metadata"].get("deletionTimestamp")
        if earlier is not None and datetime.fromisoformat(earlier).timestamp() <= until:
            return before
        item = copy.deepcopy(before)
        item["metadata"]["deletionTimestamp"] = _timestamp(until)
        item["metadata"]["deletionGracePeriodSeconds"] = grace
        return await self._put(kind, name, "MODIFIED", item, before)

    async def _put(
        self, kind: Kind, name: str, event: str, item: Json, before: Json | None
    ) -> Json:
        self._objects[kind, name] = item
        return await self._record(kind, event, item, before)

    async def _record(self, kind: Kind, event: str, item: Json, before: Json | None) -> Json:
        self.version += 1
        item["metadata"]["resourceVersion"] = str(self.version)
        self._log.append(Event(self.version, event, kind, copy.deepcopy(item), before))
        async with self._changed:
            self._changed.notify_all()
        return copy.deepcopy(item)


def merge(target: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge(merged.get(key), value)
    return merged


def _timestamp(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
