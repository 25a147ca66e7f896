"""Why a stream is ended by us: raised anywhere below the reader, turned into the last frame."""

from __future__ import annotations

from whimbrel.api.access.v1 import access_pb2
from whimbrel.core.errors import CloseCode


class StreamRefusedError(Exception):
    """The stream ends with this Close."""

    def __init__(self, code: CloseCode, detail: str, retry_after_ms: int = 0) -> None:
        super().__init__(f"{code.name}: {detail}")
        self.code = code
        self.detail = detail
        self.retry_after_ms = retry_after_ms


class StreamReplacedError(Exception):
    """A newer attempt of the same instance is attached already: the stream ends with Fin."""


class SentElsewhereError(Exception):
    """This pod does not take the session: the stream ends with this Redirect or Busy."""

    def __init__(self, final: access_pb2.ConnectResponse) -> None:
        super().__init__(final.WhichOneof("frame"))
        self.final = final
        self.reason = str(final.WhichOneof("frame"))
