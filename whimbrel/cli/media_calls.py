"""Files to and from a gateway: sends and takes them in a stream, and goes on where it was cut.

Uploads speak tus 1.0, downloads ask for ranges. Nothing here prints.
"""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from pathlib import Path
from typing import IO, Final, NamedTuple
from urllib.parse import unquote, urlsplit

from whimbrel.cli.edge import CommandError
from whimbrel.core.errors import ErrorCode, WhimbrelError, unavailable

Progress = Callable[[int, int], None]
"""Told (bytes that are there, bytes in all)."""

_TUS: Final = {"tus-resumable": "1.0.0"}
_TIMEOUT_SECONDS: Final = 30.0
_BLOCK_BYTES: Final = 256 * 1024
_ATTEMPTS: Final = 6
"""Without a byte of progress; then it is given up."""
_FIRST_WAIT_SECONDS: Final = 0.25
_MAX_WAIT_SECONDS: Final = 8.0
_BROKEN: Final = (OSError, HTTPException)
_WORTH_ANOTHER: Final = (408, 423, 429, 500, 502, 503, 504)


class Downloaded(NamedTuple):
    """A file that has come."""

    path: Path
    size: int
    type: str


class CutError(CommandError):
    """It broke off and could not go on; what has come is kept."""


class MediaGateway:
    """One gateway, as one user."""

    def __init__(
        self,
        url: str,
        token: str,
        *,
        context: ssl.SSLContext | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`context`: whom to believe behind https://; None for the system's authorities. Raises
        CommandError for a URL that is none."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise CommandError(f"{url!r} is no URL of a gateway")
        self._secure = parts.scheme == "https"
        self._netloc = parts.netloc
        self._prefix = parts.path.rstrip("/") + "/v1/media"
        self._headers = {"authorization": f"Bearer {token}", **_TUS}
        self._context = context
        self._sleep = sleep

    def create(self, size: int, metadata: str) -> str:
        """Announce a file; its media_id. Raises what the gateway refused, or UNAVAILABLE."""
        headers = {"upload-length": str(size), "upload-metadata": metadata, "content-length": "0"}
        try:
            with closing(self._connection()) as connection:
                answer = self._ask(connection, "POST", "", headers)
                return answer.headers["location"].rpartition("/")[2]
        except (*_BROKEN, _TryAgainError) as error:
            raise unavailable(f"the gateway at {self._netloc} does not take it: {error}") from None

    def upload(self, media_id: str, file: IO[bytes], size: int, progress: Progress) -> None:
        """Send what the gateway does not have yet, through broken connections. Raises CutError
        when it cannot go on now, and what the gateway refused."""
        offset = -1
        waits = _waits()
        while True:
            try:
                at = self._offset(media_id)
                if at > offset:
                    offset, waits = at, _waits()
                progress(at, size)
                if at == size:
                    return
                self._send(media_id, file, at, size, progress)
            except (*_BROKEN, _TryAgainError) as error:
                self._wait(
                    waits, f"the upload stands at {max(offset, 0):,} of {size:,} bytes", error
                )

    def download(self, media_id: str, target: Path | None, progress: Progress) -> Downloaded:
        """Take a medium into a file, by default one with its own name here. What has come before
        lies beside it and is not asked for again. Raises CutError, CommandError when the file is
        there already, and what the gateway refused."""
        part = (target.parent if target else Path()) / f".{media_id}.part"
        waits = _waits()
        while True:
            came = part.stat().st_size if part.exists() else 0
            try:
                return self._take(media_id, part, came, target, progress)
            except (*_BROKEN, _TryAgainError) as error:
                now = part.stat().st_size if part.exists() else 0
                if now > came:
                    waits = _waits()
                self._wait(waits, f"{now:,} bytes have come", error)

    def _offset(self, media_id: str) -> int:
        with closing(self._connection()) as connection:
            answer = self._ask(connection, "HEAD", f"/{media_id}", {})
            return int(answer.headers["upload-offset"])

    def _send(self, media_id: str, file: IO[bytes], at: int, size: int, progress: Progress) -> None:
        headers = {
            "upload-offset": str(at),
            "content-type": "application/offset+octet-stream",
            "content-length": str(size - at),
        }

        def blocks() -> Iterator[bytes]:
            sent = at
            file.seek(at)
            while sent < size and (block := file.read(min(_BLOCK_BYTES, size - sent))):
                yield block
                sent += len(block)
                progress(sent, size)

        with closing(self._connection()) as connection:
            try:
                self._ask(connection, "PATCH", f"/{media_id}", headers, blocks())
            except WhimbrelError as error:
                if error.code is not ErrorCode.CONFLICT:  # it stands elsewhere: ask where
                    raise
                raise _TryAgainError(error.detail) from None

    def _take(
        self, media_id: str, part: Path, came: int, target: Path | None, progress: Progress
    ) -> Downloaded:
        # The last byte once more: so there is a range to ask for also when nothing is missing.
        start = max(0, came - 1)
        headers = {"range": f"bytes={start}-", "if-range": f'"{media_id}"'} if came else {}
        with closing(self._connection()) as connection:
            answer = self._ask(connection, "GET", f"/{media_id}", headers)
            if answer.status != HTTPStatus.PARTIAL_CONTENT:
                start = 0
            size = start + int(answer.headers["content-length"])
            path = target or Path(_name_of(answer.headers.get("content-disposition", "")))
            if path.exists():
                raise CommandError(f"{path} is there already: give another --output")
            with part.open("r+b" if start else "wb") as file:
                file.seek(start)
                while block := answer.read(_BLOCK_BYTES):
                    file.write(block)
                    progress(file.tell(), size)
                if file.tell() < size:
                    raise _TryAgainError("the connection was cut")
            part.rename(path)
            return Downloaded(path, size, answer.headers.get("content-type", ""))

    def _ask(
        self,
        connection: HTTPConnection,
        method: str,
        path: str,
        headers: dict[str, str],
        body: Iterator[bytes] | None = None,
    ) -> HTTPResponse:
        """The answer, its body unread when there is one. Raises the refusal."""
        connection.request(method, self._prefix + path, body, {**self._headers, **headers})
        answer = connection.getresponse()
        if answer.status < HTTPStatus.BAD_REQUEST:
            return answer
        error = _refusal(answer)
        if answer.status in _WORTH_ANOTHER:
            raise _TryAgainError(error.detail)
        raise error

    def _connection(self) -> HTTPConnection:
        if not self._secure:
            return HTTPConnection(self._netloc, timeout=_TIMEOUT_SECONDS)
        return HTTPSConnection(self._netloc, timeout=_TIMEOUT_SECONDS, context=self._context)

    def _wait(self, waits: Iterator[float], stands: str, error: Exception) -> None:
        seconds = next(waits, None)
        if seconds is None:
            raise CutError(f"{stands}; the gateway at {self._netloc} does not go on: {error}")
        self._sleep(seconds)


class _TryAgainError(Exception):
    """Not now, but soon perhaps."""


def _waits() -> Iterator[float]:
    return (min(_MAX_WAIT_SECONDS, _FIRST_WAIT_SECONDS * 2**n) for n in range(_ATTEMPTS))


def _refusal(answer: HTTPResponse) -> WhimbrelError:
    try:
        said = json.loads(answer.read())["error"]
        return WhimbrelError(ErrorCode[said["code"]], said["detail"])
    except (ValueError, KeyError, TypeError):
        # A HEAD has no body.
        is_absent = answer.status == HTTPStatus.NOT_FOUND
        code = ErrorCode.NOT_FOUND if is_absent else ErrorCode.INTERNAL
        return WhimbrelError(code, f"the gateway answered HTTP status {answer.status}")


def _name_of(disposition: str) -> str:
    """The name of an attachment, which is never taken for a path."""
    encoded = disposition.rpartition("filename*=UTF-8''")[2]
    name = unquote(encoded).replace("\\", "/").rpartition("/")[2].replace("\x00", "")
    return name if name.strip(".") else "file"
