"""Where a message stands in its trace: W3C Trace Context, the `traceparent` of version 00.

    00-<trace id, 32 hex digits>-<span id, 16>-<flags, 2>

A message that is not traced has none, so whoever carries it looks at an empty string and parses
nothing. Source: https://www.w3.org/TR/trace-context/. Pure; ids are drawn by others.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple
from zlib import crc32

FOLLOWED_RECIPIENTS: Final = 8
"""About so many recipients of one traced message have spans of their own: a group of 1,000 is
not 1,000 times dearer, and eight show what deliveries look like."""

_FORM: Final = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_VERSION: Final = "00"
_INVALID_VERSION: Final = "ff"
_SAMPLED: Final = 1
_MAX_CHARACTERS: Final = 128


class TraceContext(NamedTuple):
    """A span of a sampled trace, by its numbers (128 and 64 bits, neither 0)."""

    trace_id: int
    span_id: int

    @property
    def trace_hex(self) -> str:
        """The trace's name as people and collectors write it."""
        return f"{self.trace_id:032x}"

    @property
    def traceparent(self) -> str:
        """As it travels."""
        return f"{_VERSION}-{self.trace_id:032x}-{self.span_id:016x}-01"


def parse_traceparent(text: str) -> TraceContext | None:
    """The span that is named; None for what is no traceparent, and for one without the sampled
    flag: neither is ever an error of the message that carries it."""
    if len(text) > _MAX_CHARACTERS:
        return None
    form = _FORM.fullmatch(text)
    if form is None:
        return None
    version, trace_id, span_id, flags, more = form.groups()
    # A later version may have more parts; this one has not.
    if version == _INVALID_VERSION or (version == _VERSION and more is not None):
        return None
    context = TraceContext(int(trace_id, 16), int(span_id, 16))
    is_sampled = int(flags, 16) & _SAMPLED
    return context if is_sampled and context.trace_id and context.span_id else None


def is_followed(message_id: int, user: str, participants: int) -> bool:
    """Whether the delivery of a traced message to this user has spans: always among few
    participants, else by a hash, which every pod finds the same."""
    if participants <= FOLLOWED_RECIPIENTS:
        return True
    return crc32(f"{message_id}/{user}".encode()) % participants < FOLLOWED_RECIPIENTS
