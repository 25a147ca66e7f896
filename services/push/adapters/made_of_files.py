"""What keys in files are made into, and made into anew when the files have changed: so that a key
is rotated without a restart.

A Secret of Kubernetes changes as a whole, and the files of a pod follow it within a minute or so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Generic, TypeVar

from services.push.domain.notification import Notification
from services.push.domain.outcomes import Outcome
from services.push.wake_ports import Provider
from whimbrel.runtime.logs import get_logger

T = TypeVar("T")

_log = get_logger(__name__)

LOOK_SECONDS: Final = 10.0
"""Between two looks: some small files are read each time, on the event loop."""


class MadeOfFiles(Generic[T]):
    """Files that are gone or hold no keys by now change nothing: what was made before stays, and
    the log says so."""

    def __init__(
        self, files: Sequence[Path], make: Callable[..., T], *, clock: Callable[[], float]
    ) -> None:
        """`make` gets what each file holds, in bytes, and raises ValueError for what is no key;
        so does this, and OSError for a file that cannot be read. `clock`: monotonic seconds."""
        self._files = tuple(files)
        self._make = make
        self._clock = clock
        self._looked_at = clock()
        self._seen = self._read()
        self._made = make(*self._seen)

    def current(self) -> T:
        """What was made of the files as they were a moment ago."""
        now = self._clock()
        if now - self._looked_at >= LOOK_SECONDS:
            self._looked_at = now
            self._look()
        return self._made

    def _look(self) -> None:
        try:
            found = self._read()
            if found == self._seen:
                return
            self._seen = found  # also when it is no key: it is complained about once
            self._made = self._make(*found)
        except OSError as error:
            if self._seen:
                _log.warning("push_key_not_read", file=error.filename, cause=error.strerror)
            self._seen = []
        except ValueError as error:
            _log.warning("push_key_not_read", file=str(self._files[0]), cause=str(error))
        else:
            _log.info("push_key_changed", file=str(self._files[0]))

    def _read(self) -> list[bytes]:
        return [file.read_bytes() for file in self._files]


class RemadeProvider:
    """The port Provider, by whichever was made last; what is on its way ends where it began."""

    def __init__(self, made: MadeOfFiles[Provider]) -> None:
        self._made = made

    async def send(self, notification: Notification) -> Outcome:
        return await self._made.current().send(notification)
