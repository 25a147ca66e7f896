"""Waiting for what a platform shows, and for other things that nobody signals."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Final

from services.drain.ports import Platform, PlatformPod, PlatformView

_WAIT_SECONDS: Final = 20.0


class Viewer:
    """Follows a platform's views in a task; a test waits for the one it expects."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._views: list[PlatformView] = []
        self._error: BaseException | None = None
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def following(self) -> AsyncIterator[Viewer]:
        task = asyncio.create_task(self._follow())
        try:
            yield self
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    @property
    def views(self) -> list[PlatformView]:
        return self._views

    async def wait_for(
        self, wanted: Callable[[PlatformView], object], timeout_seconds: float = _WAIT_SECONDS
    ) -> PlatformView:
        """The present view as soon as it is as wanted; what ended the watch is raised."""
        async with asyncio.timeout(timeout_seconds), self._changed:
            await self._changed.wait_for(
                lambda: self._error or (self._views and wanted(self._views[-1]))
            )
        if self._error:
            raise self._error
        return self._views[-1]

    async def wait_for_error(self) -> BaseException:
        async with asyncio.timeout(_WAIT_SECONDS), self._changed:
            await self._changed.wait_for(lambda: self._error)
        assert self._error is not None
        return self._error

    async def _follow(self) -> None:
        try:
            async with aclosing(self._platform.watch()) as views:  # type: ignore[type-var]
                async for view in views:
                    async with self._changed:
                        self._views.append(view)
                        self._changed.notify_all()
        except Exception as error:  # noqa: BLE001 - handed to the test that waits
            async with self._changed:
                self._error = error
                self._changed.notify_all()


def pod_of(view: PlatformView, pod_id: str) -> PlatformPod | None:
    return next((each for each in view.pods if each.pod_id == pod_id), None)
