"""Many inputs in one: records of a tag (1 byte), a length (2 bytes, high first) and so many bytes.

A length that is too long takes what is there, so that nearly every string of bytes says something.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

_HEAD = 3


def split(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(tag, payload) of each record."""
    at = 0
    while at + _HEAD <= len(data):
        end = at + _HEAD + int.from_bytes(data[at + 1 : at + _HEAD], "big")
        yield data[at], data[at + _HEAD : end]
        at = end


def join(records: Iterable[tuple[int, bytes]]) -> bytes:
    """The inverse."""
    return b"".join(
        bytes([tag]) + len(payload).to_bytes(2, "big") + payload for tag, payload in records
    )
