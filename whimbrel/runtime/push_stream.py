"""The contract between Logic, which enqueues push jobs, and push, which takes them.

The two services never import each other; they meet in one Redis Stream, and this module says
what its key is and how a job lies in it. It talks to nobody and knows no Redis client. A field
that is not known here is ignored, so a newer Logic may add one before push learns of it.

All keys of the stream share one hash tag: scripts of push touch several of them at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

STREAM_KEY = "push:{jobs}"
"""The Redis Stream of waiting jobs."""

CONSUMER_GROUP = "push"
"""The consumer group of all push pods; a group that is missing means that Redis was lost."""

MAX_STREAM_LENGTH = 100_000
"""Jobs that may wait (about 20 MB). Above it Redis drops the oldest: a wake that is hours late
wakes nobody, and the message itself is in the timeline."""


class StreamJob(NamedTuple):
    """Wake `user` about `message_id`, which stands at `seq` of the user's timeline."""

    user: str
    conversation: str
    sender: str
    message_id: int
    seq: int
    mentions_user: bool = False
    """The message means the user, by name or with everybody. False when nobody knows, too."""
    traceparent: str = ""
    """Empty: the message is not traced."""


def encode_job(job: StreamJob) -> dict[str, str]:
    """The fields of a job as XADD takes them; integers are decimal."""
    fields = {
        "user": job.user,
        "conversation": job.conversation,
        "sender": job.sender,
        "message_id": str(job.message_id),
        "seq": str(job.seq),
    }
    if job.mentions_user:
        fields["mentions_user"] = "1"
    if job.traceparent:
        fields["traceparent"] = job.traceparent
    return fields


def decode_job(fields: Mapping[bytes, bytes]) -> StreamJob:
    """The job that these fields say, as Redis gives them (bytes).

    Raises ValueError, naming the field, when one is missing or is not what it should be.
    """
    return StreamJob(
        _text(fields, b"user"),
        _text(fields, b"conversation"),
        _text(fields, b"sender"),
        _positive(fields, b"message_id"),
        _positive(fields, b"seq"),
        fields.get(b"mentions_user") == b"1",
        fields.get(b"traceparent", b"").decode(),
    )


def _text(fields: Mapping[bytes, bytes], name: bytes) -> str:
    value = fields.get(name)
    if not value:
        raise ValueError(f"the job has no {name.decode()}")
    return value.decode()  # UnicodeDecodeError is a ValueError


def _positive(fields: Mapping[bytes, bytes], name: bytes) -> int:
    text = _text(fields, name)
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise ValueError(f"{name.decode()} must be a whole number above 0, not {text[:30]!r}")
    return int(text)
