"""Which bytes a GET asks for (RFC 9110, 14), and what they are called (RFC 6266). Pure."""

from __future__ import annotations

import re
from typing import Final, NamedTuple
from urllib.parse import quote

_ONE_RANGE: Final = re.compile(r"bytes=\s*(\d{0,15})-(\d{0,15})\s*", re.ASCII | re.IGNORECASE)


class ByteRange(NamedTuple):
    """Bytes from `start` to below `stop`."""

    start: int
    stop: int


class UnsatisfiableRangeError(Exception):
    """No byte of what was asked for is there: 416."""


def asked_range(header: str | None, size: int) -> ByteRange | None:
    """The range that is asked for; None for everything, also when several ranges are asked for
    or the header is malformed (RFC 9110 lets a server ignore both). Raises
    UnsatisfiableRangeError."""
    found = _ONE_RANGE.fullmatch(header or "")
    if found is None or not any(found.groups()):
        return None
    first, last = found.groups()
    if not first:  # the last so many bytes
        start, stop = max(0, size - int(last)), size
    else:
        start = int(first)
        stop = min(size, int(last) + 1) if last else size
        if last and int(last) < start:
            return None
    if start >= stop:
        raise UnsatisfiableRangeError
    return ByteRange(start, stop)


def disposition(name: str) -> str:
    """Content-Disposition of a download: always an attachment, so that no browser shows what a
    stranger has uploaded as a page of ours."""
    plain = "".join(one if one.isascii() and one not in '"\\%' else "_" for one in name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
