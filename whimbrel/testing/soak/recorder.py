"""Where the clients' events go: to the file, and at once to the checker that judges them.

Used from one event loop. It writes as it goes, so that a run that is killed leaves its history.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

from whimbrel.testing.soak.checker import Checker
from whimbrel.testing.soak.events import Event, encode
from whimbrel.testing.soak.state import Operation
from whimbrel.testing.soak.verdict import Verdict


class Recorder:
    """A history under way; a context manager that closes the file.

    With `path` None nothing is written: the events go to the checker alone.
    """

    def __init__(
        self, path: Path | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.path = path
        self.checker = Checker()
        self.now = clock
        self._file: TextIO | None = None if path is None else path.open("w", encoding="utf-8")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def record(self, event: Event) -> None:
        """Keep an event. Events have to come in the order in which they happened."""
        if self._file is not None:
            self._file.write(encode(event) + "\n")
        self.checker.add(event)

    @property
    def sent(self) -> Mapping[int, Operation]:
        """What senders were told is durable, by message_id. A live view."""
        return self.checker.sent

    def verdict(self) -> Verdict:
        """What the events so far say."""
        return self.checker.verdict()

    def close(self) -> None:
        """Nothing more will be recorded. May be called again."""
        if self._file is not None:
            self._file.close()
            self._file = None
